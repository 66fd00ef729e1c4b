// Package tools builds the programs of a cluster's control plane from source, once, and keeps them: etcd,
// kube-apiserver, kubectl and MetalLB's controller. Each comes from a module of its own in this folder, since their
// requirements contradict each other and sniroute's; nothing of them is ever shipped.
//
//	set, err := tools.Build(ctx, os.Stderr)
//	exec.Command(set.Kubectl, "version", "--client")
//
// The first build takes minutes and over a gigabyte of Go's own caches; the programs then lie in the user's cache
// folder (XDG_CACHE_HOME, or ~/.cache) under sniroute-lab, in a folder named after the versions, the flags and the
// compiler that made them. Two labs that start at once build once.
package tools

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Set is where the programs lie.
type Set struct {
	Etcd      string
	APIServer string
	Kubectl   string
	MetalLB   string // its controller
	CRDs      string // a folder with MetalLB's custom resource definitions
}

// A module is one of the folders beside this file and what is built from it.
type module struct {
	folder   string
	packages map[string]string // program: its main package
	crds     string            // module whose config/crd/bases is kept beside the programs
}

func modules() []module {
	return []module{
		{folder: "etcd", packages: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"}},
		{folder: "kubernetes", packages: map[string]string{
			"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
			"kubectl":        "k8s.io/kubernetes/cmd/kubectl",
		}},
		{folder: "metallb", packages: map[string]string{"metallb-controller": "go.universe.tf/metallb/controller"},
			crds: "go.universe.tf/metallb"},
	}
}

// Build returns the programs, after building those that the cache lacks, and says on progress what takes how long. It
// must run below the repository, whose folder it asks the go command for. progress may be written to from several
// goroutines, a line at a time.
func Build(ctx context.Context, progress io.Writer) (*Set, error) {
	source, err := output(ctx, ".", "go", "list", "-f", "{{.Dir}}", "github.com/sniroute/sniroute/lab/cluster/tools")
	if err != nil {
		return nil, fmt.Errorf("finding the tools' modules: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("finding the cache folder: %w", err)
	}
	cache = filepath.Join(cache, "sniroute-lab")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()

	// All at once, so that one downloads while another compiles.
	all := modules()
	folders, failures := make([]string, len(all)), make([]error, len(all))
	var building sync.WaitGroup
	for i, m := range all {
		building.Go(func() {
			folder, err := m.build(ctx, filepath.Join(source, m.folder), cache, progress)
			if err != nil {
				failures[i] = fmt.Errorf("building the lab's %s: %w", m.folder, err)
			}
			folders[i] = folder
		})
	}
	building.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, m := range all {
		for program := range m.packages {
			found[program] = filepath.Join(folders[i], program)
		}
		if m.crds != "" {
			found["crds"] = filepath.Join(folders[i], "crds")
		}
	}
	return &Set{
		Etcd:      found["etcd"],
		APIServer: found["kube-apiserver"],
		Kubectl:   found["kubectl"],
		MetalLB:   found["metallb-controller"],
		CRDs:      found["crds"],
	}, nil
}

// build returns the folder of the cache that holds the module's programs, made first if it is not there.
func (m module) build(ctx context.Context, source, cache string, progress io.Writer) (string, error) {
	flags, err := m.flags(ctx, source)
	if err != nil {
		return "", err
	}
	key, err := m.key(source, flags)
	if err != nil {
		return "", err
	}
	done := filepath.Join(cache, m.folder+"-"+key)
	if _, err := os.Stat(done); err == nil {
		return done, nil
	}
	fmt.Fprintf(progress, "building %s for the lab (once; minutes on a small machine) ...\n", m.folder)
	started := time.Now()
	unfinished, err := os.MkdirTemp(cache, m.folder+"-unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	download(ctx, source)
	for program, pkg := range m.packages {
		args := append(append([]string{"build"}, flags...), "-o", filepath.Join(unfinished, program), pkg)
		if _, err := output(ctx, source, "go", args...); err != nil {
			return "", err
		}
	}
	if m.crds != "" {
		if err := keepCRDs(ctx, source, m.crds, filepath.Join(unfinished, "crds")); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(unfinished, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(unfinished, done); err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "built %s in %s\n", m.folder, time.Since(started).Round(time.Second))
	return done, nil
}

// download fetches the modules that the build takes, again where one request of so many fails. What is missing in the end,
// the build complains of.
func download(ctx context.Context, source string) {
	for _, pause := range []time.Duration{2, 5, 15, 0} {
		if _, err := output(ctx, source, "go", "mod", "download"); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause * time.Second):
		}
	}
}

// flags returns the flags of go build. Kubernetes prints and serves the version that the linker is told.
func (m module) flags(ctx context.Context, source string) ([]string, error) {
	link := "-s -w"
	if m.folder == "kubernetes" {
		version, err := output(ctx, source, "go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
		if err != nil {
			return nil, err
		}
		part := strings.Split(strings.TrimPrefix(version, "v"), ".")
		if len(part) < 3 {
			return nil, fmt.Errorf("k8s.io/kubernetes has the odd version %q", version)
		}
		const in = " -X k8s.io/component-base/version."
		link += in + "gitVersion=" + version + in + "gitMajor=" + part[0] + in + "gitMinor=" + part[1]
	}
	return []string{"-mod=readonly", "-trimpath", "-ldflags", link}, nil
}

// key names what the programs depend on: the module's requirements, the flags and the compiler.
func (m module) key(source string, flags []string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	fmt.Fprintln(sum, flags, m.packages, runtime.Version())
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// keepCRDs copies a module's custom resource definitions.
func keepCRDs(ctx context.Context, source, module, to string) error {
	from, err := output(ctx, source, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(from, "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s holds no custom resource definitions (%v)", module, err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// lock waits until no other process holds the file's lock, takes it and returns what gives it back.
func lock(name string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { file.Close() }, nil
}

// output runs a command in a folder and returns what it prints, or an error that holds what it complained of.
func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=", "GOWORK=off")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, complaint.Bytes())
	}
	return strings.TrimSpace(string(text)), nil
}
