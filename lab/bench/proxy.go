package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed testdata
var templates embed.FS

// A proxy is a program with a configuration, both described so that it can be started any number of times.
type proxy struct {
	name          string
	program       string
	configuration string                          // file in testdata
	splice        bool                            // HAProxy: option splice-auto and splice-response
	full          bool                            // sniroute: all that costs something for each connection is on
	arguments     func(dir, file string) []string // to run it in the foreground with that configuration
}

// proxies returns all that can be measured: sniroute in each of the builds given as NAME=PROGRAM, also with everything on
// (NAME-full), and its peers. HAPROXY in the environment names another HAProxy than the PATH's.
func proxies(builds []string) ([]proxy, error) {
	haproxy := os.Getenv("HAPROXY")
	if haproxy == "" {
		haproxy = "haproxy"
	}
	haproxyArguments := func(_, file string) []string { return []string{"-db", "-f", file} }
	all := []proxy{
		{name: "haproxy", program: haproxy, configuration: "haproxy-blog.cfg", arguments: haproxyArguments},
		{name: "haproxy-lean", program: haproxy, configuration: "haproxy-lean.cfg", arguments: haproxyArguments},
		{name: "haproxy-splice", program: haproxy, configuration: "haproxy-blog.cfg", splice: true,
			arguments: haproxyArguments},
		{name: "nginx", program: "nginx", configuration: "nginx.conf", arguments: func(dir, file string) []string {
			return []string{"-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", file}
		}},
		{name: "sniproxy", program: "sniproxy", configuration: "sniproxy.conf",
			arguments: func(_, file string) []string { return []string{"-f", "-c", file} }},
	}
	for _, build := range builds {
		name, program, found := strings.Cut(build, "=")
		if !found {
			return nil, fmt.Errorf("build %q: want NAME=PROGRAM", build)
		}
		build := proxy{name: name, program: program, configuration: "sniroute",
			arguments: func(dir, _ string) []string { return []string{"run", "-c", dir} }}
		full := build
		full.name, full.full = name+"-full", true
		all = append(all, build, full)
	}
	return all, nil
}

// A world is what a configuration's template knows.
type world struct {
	Dir              string // for its files
	Listen, Status   netip.AddrPort
	Backend, Default netip.AddrPort
	MoreNames        []string // hosts that are routed besides the one that is asked for
	Splice, Full     bool
}

// moreNames returns n host names.
func moreNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("host%06d.example.com", i)
	}
	return names
}

// ingressHosts is how many hosts an Ingress has among the manifests.
const ingressHosts = 2_000

// writeNames writes the further names to the files from which proxies read them, if there are any: a line for each, and
// as Ingresses.
func (w world) writeNames() error {
	if len(w.MoreNames) == 0 {
		return nil
	}
	if err := os.WriteFile(filepath.Join(w.Dir, "names"), []byte(strings.Join(w.MoreNames, "\n")), 0o644); err != nil {
		return err
	}
	manifests := filepath.Join(w.Dir, "manifests")
	if err := os.MkdirAll(manifests, 0o755); err != nil {
		return err
	}
	n := 0
	for hosts := range slices.Chunk(w.MoreNames, ingressHosts) {
		var ingress strings.Builder
		fmt.Fprintf(&ingress, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: more%d, namespace: default}\n"+
			"spec:\n  ingressClassName: external\n  rules:\n", n)
		for _, host := range hosts {
			fmt.Fprintf(&ingress, "  - host: %s\n", host)
		}
		file := filepath.Join(manifests, fmt.Sprintf("more%d.yaml", n))
		if err := os.WriteFile(file, []byte(ingress.String()), 0o644); err != nil {
			return err
		}
		n++
	}
	return nil
}

// An instance is a proxy that runs.
type instance struct {
	proxy
	world
	process process
	cmd     *exec.Cmd
	output  bytes.Buffer
	exited  chan error
}

// start runs the proxy on core and returns at once: serve the backends until ready.
func (p proxy) start(w world, core int) (*instance, error) {
	w.Splice, w.Full = p.splice, p.full
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return nil, err
	}
	text, err := template.ParseFS(templates, "testdata/"+p.configuration)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(w.Dir, p.configuration)
	var configuration bytes.Buffer
	if err := text.Execute(&configuration, w); err != nil {
		return nil, fmt.Errorf("%s: configuration: %w", p.name, err)
	}
	if err := os.WriteFile(file, configuration.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if err := w.writeNames(); err != nil {
		return nil, fmt.Errorf("%s: more names: %w", p.name, err)
	}
	i := &instance{proxy: p, world: w, exited: make(chan error, 1)}
	i.cmd = exec.Command(p.program, p.arguments(w.Dir, file)...)
	i.cmd.Stdout, i.cmd.Stderr = &i.output, &i.output
	if err := startOn(core, i.cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	i.process = process(i.cmd.Process.Pid)
	go func() { i.exited <- i.cmd.Wait() }()
	return i, nil
}

// startOn starts a program on one core. Go starts it from the calling thread, and a child inherits that one's cores.
func startOn(core int, cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := pin(0, core); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// check reports whether the proxy has exited, which it never should.
func (i *instance) check() error {
	select {
	case err := <-i.exited:
		i.exited <- err
		return fmt.Errorf("%s exited: %v\n%s", i.name, err, i.output.Bytes())
	default:
		return nil
	}
}

// stop ends the proxy and removes its files.
func (i *instance) stop() error {
	defer os.RemoveAll(i.Dir)
	if err := i.cmd.Process.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", i.name, err)
	}
	select {
	case <-i.exited:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s does not end", i.name)
	}
}
