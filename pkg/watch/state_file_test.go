package watch

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// kept returns a StateFile in a folder, loaded.
func kept(t testing.TB, dir string) *StateFile {
	f := &StateFile{Path: filepath.Join(dir, "state.json"), Copy: filepath.Join(dir, "copy.json"), Logger: silent()}
	f.Load()
	return f
}

func variedClaims(t testing.TB) []route.Claim {
	objects := parse(t, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: x, creationTimestamp: 2024-05-01T00:00:00Z, labels: {acme.cert-manager.io/http01-solver: "true"}}
spec: {ingressClassName: ext, rules: [{host: a.example.com}, {host: "*.b.example.com"}, {host: "<odd> \u00fc\u0007"}]}
status: {loadBalancer: {ingress: [{ip: 10.0.0.3}, {ip: "fd00::3"}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: without}
spec: {rules: [{host: c.example.com}]}
status: {loadBalancer: {ingress: [{hostname: lb.example.com}]}}
---
apiVersion: v1
kind: Service
metadata: {name: udp, annotations: {external-dns.alpha.kubernetes.io/hostname: u.example.com}}
spec: {type: LoadBalancer, ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: tcp, annotations: {external-dns.alpha.kubernetes.io/hostname: "v.example.com,w.example.com"}}
spec: {type: LoadBalancer, ports: [{port: 443}, {port: 8443}]}
status: {loadBalancer: {ingress: [{ip: 10.0.0.7}]}}
`)
	claims := objects.Claims("home")
	gateway := route.Claim{Source: "home", Object: route.Object{Kind: "HTTPRoute", Namespace: "x", Name: "r"}, Host: "g.example.com",
		Gateway: "infra/external", HTTPSPort: 8443, HTTPPort: 8080, Addresses: addrs("10.0.0.8"), NotAccepted: "the Gateway refused it"}
	return append(claims, gateway)
}

func TestStateFileKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	claims := variedClaims(t)
	unusual := map[route.Object]savedObject{
		claims[0].Object: {Own: "", Held: 90 * time.Second, heldKnown: true},
		claims[3].Object: {Own: "new", Stale: addrs("10.0.0.9"), Writer: knownClass{"", true}},
		claims[4].Object: {ClassUnknown: true},
	}
	f := kept(t, dir)
	f.save("home", claims, unusual)
	f.save("empty", nil, nil)
	f.write(true)
	for _, name := range []string{"state.json", "copy.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for _, lost := range []string{"copy.json", "state.json"} { // each file is enough
		f = kept(t, dir)
		f.write(true)
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		f = kept(t, dir)
		got := f.restore("home")
		if got == nil || !equalClaims(got.claims, claims) {
			t.Fatalf("without %s: got %+v\nwant %+v", lost, got, claims)
		}
		if !sameSaved(got.objects, unusual) || got.objects[claims[0].Object].Held != 90*time.Second {
			t.Errorf("unusual: %+v", got.objects)
		}
		if f.restore("other") != nil || f.restore("empty") == nil {
			t.Error("sources are mixed up")
		}
		f.sequence++ // so that what was lost is written again
		f.written = nil
		f.write(true)
	}
}

func TestStateFileOfFlashAndRAM(t *testing.T) {
	dir := t.TempDir()
	claims := variedClaims(t)
	f := kept(t, dir)
	f.save("home", claims[:2], nil)
	f.write(true)
	flash, err := os.ReadFile(f.Path)
	must(t, err)
	f.save("home", claims[:3], nil)
	f.write(true)
	must(t, os.WriteFile(f.Path, flash, 0o600)) // flash lags behind
	if got := kept(t, dir).restore("home"); len(got.claims) != 3 {
		t.Errorf("%d claims, RAM has 3", len(got.claims))
	}
	must(t, os.Rename(f.Copy, f.Path)) // flash is newer: another router's RAM, or a backup that was put back
	must(t, os.WriteFile(f.Copy, flash, 0o600))
	if got := kept(t, dir).restore("home"); len(got.claims) != 3 {
		t.Errorf("%d claims, flash has 3", len(got.claims))
	}
}

func TestStateFileThatIsDamaged(t *testing.T) {
	good := func() []byte {
		f := kept(t, t.TempDir())
		f.save("home", variedClaims(t), nil)
		f.write(true)
		data, err := os.ReadFile(f.Path)
		must(t, err)
		return data
	}()
	damages := map[string][]byte{
		"empty": {}, "truncated": good[:len(good)/2], "zeros": make([]byte, len(good)), "another format": []byte(`{"format":2,"sources":{}}`),
		"no sources": []byte(`{"format":1}`), "no object": []byte(`{"format":1,"sources":{"a":[{"kind":"Ingress","name":"../x","hosts":["a"]}]}}`),
		"marks":     []byte(`{"format":1,"sources":{"a":[{"kind":"Ingress","name":"x","hosts":["a"],"one_label":[true,true]}]}}`),
		"addresses": []byte(`{"format":1,"sources":{"a":[{"kind":"Ingress","name":"x","hosts":["a"],"addresses":["no"]}]}}`),
		"too large": bytes.Repeat([]byte(" "), maxStateSize+1),
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			must(t, os.WriteFile(path, damage, 0o600))
			f := kept(t, dir)
			if problems := f.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Message, path+".bad") {
				t.Errorf("problems %v", problems)
			}
			if aside, err := os.ReadFile(path + ".bad"); err != nil || !bytes.Equal(aside, damage) {
				t.Errorf("it was not set aside: %v", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("it is still there")
			}
			f.save("home", variedClaims(t), nil)
			f.write(true)
			if len(f.Problems()) != 0 {
				t.Errorf("problems after it was written anew: %v", f.Problems())
			}
			if got := kept(t, dir).restore("home"); got == nil {
				t.Error("nothing is kept")
			}
		})
	}
}

func TestStateFileWhenItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := kept(t, dir)
		stopped := make(chan error)
		ctx, cancel := testContext(t)
		go func() { stopped <- f.Run(ctx) }()
		claims := variedClaims(t)
		all, less := claims, claims[:2]
		moved := append([]route.Claim(nil), claims...)
		moved[0].Addresses = addrs("10.0.0.99")
		reclassed := append([]route.Claim(nil), claims...)
		reclassed[0].Class = "int"

		// holds waits and compares what the files hold.
		holds := func(after time.Duration, flash, ram []route.Claim) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			for path, want := range map[string][]route.Claim{f.Path: flash, f.Copy: ram} {
				data, err := os.ReadFile(path)
				if err != nil && want == nil {
					continue
				}
				_, sources, err := decodeState(data)
				if err != nil {
					t.Fatal(err)
				}
				if !equalClaims(sources["home"].claims, want) {
					t.Errorf("%s holds %d claims, want %d", filepath.Base(path), len(sources["home"].claims), len(want))
				}
			}
		}
		f.save("home", less, nil)
		holds(time.Second, less, less) // the first at once
		f.save("home", all, nil)
		holds(time.Second, less, all) // an addition: RAM at once, flash after ten minutes
		holds(9*time.Minute, less, all)
		holds(time.Minute, all, all)
		f.save("home", moved, nil)
		holds(5*time.Minute, all, moved) // an exchanged address is no withdrawal
		holds(5*time.Minute, moved, moved)
		f.save("home", less, nil)
		holds(10*time.Second, moved, less) // a withdrawal, at most once a minute
		holds(55*time.Second, less, less)
		f.save("home", all, nil)
		holds(11*time.Minute, all, all)
		time.Sleep(2 * time.Minute)
		f.save("home", reclassed, nil)
		holds(time.Second, reclassed, reclassed) // another class may mean: exposed no longer
		f.save("home", all, nil)
		f.save("home", less, nil)
		holds(time.Second, reclassed, less)
		cancel() // at shutdown
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		holds(0, less, less)
	})
}

func TestStateFileIsNotWrittenForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := kept(t, t.TempDir())
		ctx, cancel := testContext(t)
		stopped := make(chan error)
		go func() { stopped <- f.Run(ctx) }()
		claims := variedClaims(t)
		f.save("home", claims, nil)
		time.Sleep(time.Hour)
		before, err := os.Stat(f.Path)
		must(t, err)
		for range 100 {
			f.save("home", append([]route.Claim(nil), claims...), map[route.Object]savedObject{claims[0].Object: {heldKnown: true}})
			time.Sleep(time.Minute)
		}
		cancel()
		<-stopped
		after, err := os.Stat(f.Path)
		must(t, err)
		if !os.SameFile(before, after) {
			t.Error("flash was written although the claims are the same")
		}
	})
}

func TestStateFileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	f := &StateFile{Path: filepath.Join(dir, "missing", "state.json"), Logger: silent()}
	f.Load()
	f.save("home", variedClaims(t), nil)
	if next := f.write(false); next != betweenWithdrawals {
		t.Errorf("tried again after %v", next)
	}
	if problems := f.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Message, "cannot be written") {
		t.Errorf("problems %v", problems)
	}
}

func TestStateFileForgets(t *testing.T) {
	f := kept(t, t.TempDir())
	f.save("home", variedClaims(t), nil)
	f.save("gone", variedClaims(t), nil)
	f.write(true)
	f.Keep([]string{"home"})
	f.write(true)
	f.Load()
	if f.restore("gone") != nil || f.restore("home") == nil {
		t.Error("Keep has kept the wrong ones")
	}
}

func TestStateFileClock(t *testing.T) {
	dir := t.TempDir()
	f := kept(t, dir)
	f.save("home", variedClaims(t), nil)
	f.write(true)
	boot := time.Unix(100, 0)
	f = &StateFile{Path: f.Path, Logger: silent(), Now: func() time.Time { return boot }, Built: time.Unix(200, 0)}
	f.Load()
	if since := time.Since(f.Clock()); since < 0 || since > time.Minute {
		t.Errorf("clock is %v, want the time at which the file was written", f.Clock())
	}
	f = &StateFile{Logger: silent(), Now: func() time.Time { return boot }, Built: time.Unix(200, 0)}
	f.Load()
	if !f.Clock().Equal(time.Unix(200, 0)) {
		t.Errorf("clock is %v, want the build time", f.Clock())
	}
	boot = time.Unix(300, 0)
	if !f.Clock().Equal(boot) {
		t.Errorf("clock is %v, want now", f.Clock())
	}
}

// TestStateFileSurvivesKill writes two states in turn in a process that is killed at any moment.
func TestStateFileSurvivesKill(t *testing.T) {
	const variable = "SNIROUTE_TEST_WRITE_STATE"
	write := func(dir string) {
		f := &StateFile{Path: filepath.Join(dir, "state.json"), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		f.Load()
		claims := variedClaims(t)
		fmt.Println("writing")
		for i := 0; ; i++ {
			f.save("home", claims[:1+i%2], nil)
			f.write(true)
		}
	}
	if dir := os.Getenv(variable); dir != "" {
		write(dir)
	}
	dir := t.TempDir()
	there := false
	const kills = 15
	for i := range kills {
		child := exec.Command(os.Args[0], "-test.run=^TestStateFileSurvivesKill$")
		child.Env = append(os.Environ(), variable+"="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		buffer := make([]byte, 7)
		if _, err := out.Read(buffer); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+10*i) * time.Millisecond)
		if i == kills-1 { // a slow disk may not have had the time so far
			for end := time.Now().Add(patience); !there && time.Now().Before(end); time.Sleep(time.Millisecond) {
				_, err := os.Stat(filepath.Join(dir, "state.json"))
				there = err == nil
			}
		}
		must(t, child.Process.Kill())
		_ = child.Wait()
		if _, err := os.Stat(filepath.Join(dir, "state.json")); err != nil && !there {
			continue // killed before the first was whole
		}
		there = true
		f := kept(t, dir)
		if got := f.restore("home"); len(f.Problems()) != 0 || got == nil || len(got.claims) != 1 && len(got.claims) != 2 {
			t.Fatalf("after kill %d: %+v, problems %v", i, got, f.Problems())
		}
	}
	if !there {
		t.Error("no file was ever written")
	}
}

// FuzzDecodeState: whatever a state file holds, reading it ends well, and what is accepted is written as it was read.
func FuzzDecodeState(f *testing.F) {
	source := &savedSource{claims: variedClaims(f)}
	good, err := encodeState(7, time.Unix(1700000000, 0), map[string]*savedSource{"home": source})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"sources":{"a":[{"kind":"Ingress","name":"x","hosts":["a"],"held_for":-1,"stale":["::1%eth0"]}]}}`))
	f.Add([]byte(`{"format":1,"sources":{"":null},"written":"0000-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		document, sources, err := decodeState(data)
		if err != nil {
			return
		}
		again, err := encodeState(document.Sequence, document.Written, sources)
		if err != nil {
			return // a year that JSON cannot hold
		}
		_, second, err := decodeState(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		if compareSources(sources, second) != nothing {
			t.Fatalf("%s was written as %s", data, again)
		}
	})
}
