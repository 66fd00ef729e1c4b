package watch

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// patience is how long a test waits for what must come; it says nothing about speed.
const patience = time.Minute

// A following is a Manifests that runs until the test ends.
type following struct {
	*Manifests
	t     *testing.T
	hosts chan []string // of each publication, sorted
}

func follow(t *testing.T, path string, change ...func(*Manifests)) *following {
	f := &following{t: t, hosts: make(chan []string, 1000)}
	f.Manifests = &Manifests{
		Name: "demo", Path: path, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Publish: func(claims []route.Claim) { f.hosts <- hostsOf(claims) },
	}
	for _, c := range change {
		c(f.Manifests)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Run:", err)
		}
	})
	return f
}

func hostsOf(claims []route.Claim) []string {
	hosts := make(map[string]bool)
	for _, claim := range claims {
		hosts[claim.Host] = true
	}
	return slices.Sorted(maps.Keys(hosts))
}

// want waits until exactly these hosts are claimed.
func (f *following) want(hosts ...string) {
	f.t.Helper()
	deadline := time.After(patience)
	var last []string
	for {
		select {
		case last = <-f.hosts:
			if slices.Equal(last, hosts) {
				return
			}
		case <-deadline:
			f.t.Fatalf("claimed %q, want %q; state %+v", last, hosts, f.State())
		}
	}
}

// wantState waits until the state is as wanted.
func (f *following) wantState(what string, ok func(State) bool) State {
	f.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		state := f.State()
		if ok(state) {
			return state
		}
		if time.Now().After(end) {
			f.t.Fatalf("no %s: %+v", what, state)
		}
	}
}

func (f *following) wantProblem(place string, line int, message string) {
	f.t.Helper()
	f.wantState(fmt.Sprintf("problem %s:%d %s", place, line, message), func(s State) bool {
		return slices.ContainsFunc(s.Problems, func(p Problem) bool {
			return p.Place == place && p.Line == line && strings.Contains(p.Message, message) && !p.Since.IsZero()
		})
	})
}

func (f *following) wantNoProblem() {
	f.t.Helper()
	f.wantState("state without a problem", func(s State) bool { return len(s.Problems) == 0 })
}

func ingressFile(name string, hosts ...string) string {
	text := "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: " + name + "\nspec:\n  rules:\n"
	for _, host := range hosts {
		text += "  - host: " + host + "\n"
	}
	return text
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// must fails the test on an error of a file operation.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestManifestsFollowADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yml")
	write(t, a, ingressFile("a", "a.example.com"))
	write(t, filepath.Join(dir, ".hidden.yaml"), ingressFile("h", "hidden.example.com"))
	write(t, filepath.Join(dir, "notes.txt"), ingressFile("n", "notes.example.com"))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	f := follow(t, dir)
	f.want("a.example.com")

	write(t, b, ingressFile("b", "b.example.com")) // added
	f.want("a.example.com", "b.example.com")
	write(t, a, ingressFile("a", "a2.example.com")) // changed
	f.want("a2.example.com", "b.example.com")
	must(t, os.Rename(b, filepath.Join(dir, "c.json"))) // renamed: the claims stay
	write(t, filepath.Join(dir, "d.yaml"), ingressFile("d", "d.example.com"))
	f.want("a2.example.com", "b.example.com", "d.example.com")
	must(t, os.Remove(a)) // removed
	f.want("b.example.com", "d.example.com")
	temporary := filepath.Join(dir, ".d.yaml.swp") // replaced, as editors do
	write(t, temporary, ingressFile("d", "d2.example.com"))
	must(t, os.Rename(temporary, filepath.Join(dir, "d.yaml")))
	f.want("b.example.com", "d2.example.com")
	must(t, os.Rename(filepath.Join(dir, "c.json"), filepath.Join(dir, "c.off"))) // renamed away
	f.want("d2.example.com")

	s := f.State()
	if !s.Synced || s.Waiting != "" || s.Files != 1 || s.Objects != 1 || s.Claims != 1 || len(s.Problems) != 0 ||
		s.LastSync.IsZero() || s.LastChange.IsZero() || s.Source != "demo" {
		t.Errorf("state %+v", s)
	}
}

func TestManifestsKeepTheLastGoodClaims(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	write(t, a, ingressFile("a", "a.example.com"))
	f := follow(t, dir)
	f.want("a.example.com")

	write(t, a, ingressFile("a", "other.example.com", "[half"))
	f.wantProblem(a, 8, "did not find expected")
	write(t, b, ingressFile("b", "b.example.com")) // harms no other
	f.want("a.example.com", "b.example.com")
	write(t, a, "")
	f.wantProblem(a, 0, "is empty")
	must(t, os.Remove(a))
	must(t, os.Mkdir(a, 0o755))
	f.wantProblem(a, 0, "is not a regular file")
	must(t, os.Remove(a))
	f.want("b.example.com")
	f.wantNoProblem()
	must(t, unix.Mkfifo(a, 0o644)) // would block whoever opens it
	f.wantProblem(a, 0, "is not a regular file")
	must(t, os.Remove(a))
	write(t, a, ingressFile("a", "a3.example.com"))
	f.want("a3.example.com", "b.example.com")
	f.wantNoProblem()
}

func TestManifestsFirstFileOwnsAnObject(t *testing.T) {
	dir := t.TempDir()
	b := filepath.Join(dir, "b.yaml")
	write(t, filepath.Join(dir, "a.yaml"), ingressFile("app", "a.example.com"))
	write(t, b, ingressFile("app", "b.example.com")+"---\n"+ingressFile("other", "c.example.com"))
	f := follow(t, dir)
	f.want("a.example.com", "c.example.com")
	f.wantProblem(b, 1, "stands in "+filepath.Join(dir, "a.yaml")+" already")
	must(t, os.Remove(filepath.Join(dir, "a.yaml")))
	f.want("b.example.com", "c.example.com")
	f.wantNoProblem()
}

func TestManifestsDirectoryComesAndGoes(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "x", "y", "manifests")
	f := follow(t, dir)
	f.want()
	if s := f.State(); !s.Synced || !strings.Contains(s.Waiting, "does not exist") {
		t.Errorf("state %+v", s)
	}
	for range 3 {
		must(t, os.MkdirAll(dir, 0o755))
		write(t, filepath.Join(dir, "a.yaml"), ingressFile("a", "a.example.com"))
		f.want("a.example.com")
		must(t, os.RemoveAll(filepath.Join(root, "x")))
		f.want()
	}
	must(t, os.MkdirAll(dir, 0o755))
	write(t, filepath.Join(dir, "a.yaml"), ingressFile("a", "a.example.com"))
	f.want("a.example.com")
	must(t, os.Rename(dir, dir+".old")) // another directory of that name, at once
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, "b.yaml"), ingressFile("b", "b.example.com"))
	f.want("b.example.com")
	write(t, filepath.Join(dir, "c.yaml"), ingressFile("c", "c.example.com")) // and it is the one that is watched
	f.want("b.example.com", "c.example.com")
}

func TestManifestsOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claims")
	f := follow(t, path)
	f.want()
	write(t, path, ingressFile("a", "a.example.com"))
	f.want("a.example.com")
	write(t, path, ingressFile("a", "b.example.com"))
	f.want("b.example.com")
	must(t, os.Remove(path))
	f.want()
}

// A mounted ConfigMap: every file is a link into ..data, itself a link that is swapped by rename.
func TestManifestsConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := func(n string, files map[string]string) {
		must(t, os.Mkdir(filepath.Join(dir, n), 0o755))
		for name, content := range files {
			write(t, filepath.Join(dir, n, name), content)
		}
		must(t, os.Symlink(n, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	version("..1", map[string]string{"a.yaml": ingressFile("a", "a1.example.com"), "b.yaml": ingressFile("b", "b1.example.com")})
	for _, name := range []string{"a.yaml", "b.yaml"} {
		must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	f := follow(t, dir)
	f.want("a1.example.com", "b1.example.com")
	version("..2", map[string]string{"a.yaml": ingressFile("a", "a2.example.com"), "b.yaml": ingressFile("b", "b2.example.com")})
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	f.want("a2.example.com", "b2.example.com")
	version("..3", map[string]string{"b.yaml": ingressFile("b", "b3.example.com")}) // a.yaml links to nothing
	f.want("b3.example.com")
}

func TestManifestsLinksElsewhere(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	real := filepath.Join(other, "real.yaml")
	write(t, real, ingressFile("a", "a.example.com"))
	must(t, os.Symlink(real, filepath.Join(dir, "a.yaml")))
	link := filepath.Join(other, "link") // the directory itself is reached through a link
	must(t, os.Symlink(dir, link))
	f := follow(t, link)
	f.want("a.example.com")
	write(t, real, ingressFile("a", "b.example.com")) // a change behind the link
	f.want("b.example.com")
	second := t.TempDir()
	write(t, filepath.Join(second, "c.yaml"), ingressFile("c", "c.example.com"))
	must(t, os.Symlink(second, link+".new"))
	must(t, os.Rename(link+".new", link))
	f.want("c.example.com")
	write(t, filepath.Join(second, "d.yaml"), ingressFile("d", "d.example.com"))
	f.want("c.example.com", "d.example.com")
}

func TestManifestsBelowALinkThatIsSwapped(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"1", "2"} {
		must(t, os.MkdirAll(filepath.Join(root, version, "manifests"), 0o755))
		write(t, filepath.Join(root, version, "manifests", "a.yaml"), ingressFile("a", "v"+version+".example.com"))
	}
	must(t, os.Mkdir(filepath.Join(root, "links"), 0o755))
	current := filepath.Join(root, "links", "current")
	must(t, os.Symlink(filepath.Join(root, "1"), current))
	f := follow(t, filepath.Join(current, "manifests"))
	f.want("v1.example.com")
	must(t, os.Symlink(filepath.Join(root, "2"), current+".new"))
	must(t, os.Rename(current+".new", current))
	f.want("v2.example.com")
}

func TestManifestsBounds(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 3 {
		write(t, filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), "# nothing\n")
	}
	write(t, filepath.Join(dir, "00000.yaml"), ingressFile("a", "a.example.com", "b.example.com", "c.example.com"))
	write(t, filepath.Join(dir, "00001.yaml"), strings.Repeat("#", maxFileSize+1))
	f := follow(t, dir, func(m *Manifests) { m.MaxClaims = 2 })
	f.want("a.example.com", "b.example.com")
	f.wantProblem(dir, 0, "more than 1024 files")
	f.wantProblem(dir, 0, "more than 2 claims: 1 were left out")
	f.wantProblem(filepath.Join(dir, "00001.yaml"), 1, "larger than")
	if s := f.State(); s.Dropped != 1 || s.Claims != 2 {
		t.Errorf("state %+v", s)
	}
}

func TestManifestsStateBeforeRun(t *testing.T) {
	m := &Manifests{Name: "demo", Path: "/nowhere"}
	if s := m.State(); s.Synced || s.Waiting == "" || s.Source != "demo" || s.Place != "/nowhere" {
		t.Errorf("state %+v", s)
	}
}
