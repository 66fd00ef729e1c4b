package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/lab/netns"
)

// The names of the demo. The cluster may claim names in domain alone.
const (
	domain  = "k8s.example.com"
	app1    = "app1." + domain // of the external ingress
	app2    = "app2." + domain // the same
	app3    = "app3." + domain // the same, for the person to try
	intern  = "wiki." + domain // of the internal ingress
	nasName = "nas.example.com"
	private = "private.example.com"
	backup  = "backup.example.com" // a static route, to a server on the NAS that answers after the client's end
)

// configuration is /etc/config/sniroute of a home, but for the lab's paths.
const configuration = `
config sniroute 'main'
	list status_listen '127.0.0.1:1936'
	list status_listen '192.168.0.1:1936'
	list status_allow '192.168.0.0/24'
	option control '%[1]s/sniroute/control.sock'
	option state_file '%[1]s/sniroute/state.json'

config listener 'https'
	list listen ':8443'
	option default_backend 'nas'

config backend 'nas'
	list server '192.168.0.2:443'

config backend 'nas_backup'
	list server '192.168.0.2:9443'

config route 'backup'
	list host '` + backup + `'
	option backend 'nas_backup'

config manifests 'demo'
	option path '%[1]s/manifests'
	list domain '` + domain + `'

config class 'external'
	option cluster 'demo'
	option class 'nginx-external'
	list match_address '192.168.0.3/32'
	option expose '1'

config dns 'dns'
	option hosts_file '%[1]s/` + house.HostsFile + `'
	option servers_file '%[1]s/` + house.ServersFile + `'
	option notify 'signal'
`

// A demo is the house with everything running.
type demo struct {
	house    *house.House
	binary   string
	daemon   *house.Service
	external *house.Web
	seen     tally
	patience time.Duration // by which every limit is multiplied
}

// start builds the house and starts everything in it.
func start(ctx context.Context, binary string, patience time.Duration) (*demo, error) {
	h, err := house.Build()
	if err != nil {
		return nil, err
	}
	d := &demo{house: h, binary: binary, patience: patience}
	d.seen.reset()
	if err := errors.Join(
		os.Mkdir(filepath.Join(h.Dir, "manifests"), 0o755),
		os.Mkdir(filepath.Join(h.Dir, "sniroute"), 0o750),
		h.Configure(fmt.Sprintf(configuration, h.Dir)),
	); err != nil {
		return nil, err
	}
	if _, err := h.StartWeb(ctx, h.NAS, nasName); err != nil {
		return nil, err
	}
	if d.external, err = h.StartWeb(ctx, h.External, "external.invalid", app1, app2, app3); err != nil {
		return nil, err
	}
	if _, err := h.StartWeb(ctx, h.Internal, "internal.invalid", intern); err != nil {
		return nil, err
	}
	if err := d.startBackup(); err != nil {
		return nil, err
	}
	if _, err := h.StartDNS(ctx); err != nil {
		return nil, err
	}
	if d.daemon, err = h.StartDaemon(ctx, binary); err != nil {
		return nil, err
	}
	return d, nil
}

// show goes through the steps and returns how many failed.
func (d *demo) show(ctx context.Context, w io.Writer) (failed int) {
	for _, s := range steps() {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(ctx, d.patience*45*time.Second) // ten times what the slowest takes
		seen, err := s.try(d, ctx)
		cancel()
		verdict := "ok    "
		if err != nil {
			verdict, seen = "FAILED", err.Error()
			failed++
		}
		fmt.Fprintf(w, "%s %5.2f s  %s: %s\n", verdict, time.Since(begin).Seconds(), s.did, seen)
	}
	return failed
}

// until calls check until it returns nil, and returns how long that took since begin. A call that begins after limit
// fails: what counts is when a client asked, not how long a busy machine took to run it.
func until(ctx context.Context, begin time.Time, limit time.Duration, check func() error) (time.Duration, error) {
	for {
		late := time.Since(begin) > limit
		err := check()
		took := time.Since(begin).Round(time.Millisecond)
		switch {
		case late && err == nil:
			return took, fmt.Errorf("only after %v", took)
		case late:
			return took, fmt.Errorf("not within %v: %w", limit, err)
		case err == nil:
			return took, nil
		case ctx.Err() != nil:
			return took, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// follow waits for what is promised within a second, from now on: the internet reaches what it should, and the LAN's DNS
// answers what it should. It looks at both at the same time, and returns how long each took.
func (d *demo) follow(ctx context.Context, name, reached, answer string) (wan, lan time.Duration, err error) {
	begin := time.Now()
	var asked sync.WaitGroup
	var notReached, notAnswered error
	asked.Go(func() {
		wan, notReached = until(ctx, begin, d.patience*time.Second, func() error { return d.reach(ctx, name, reached) })
	})
	asked.Go(func() {
		ask := func() error { return d.answers(ctx, name, "A", answer) }
		lan, notAnswered = until(ctx, begin, d.patience*time.Second, ask)
	})
	asked.Wait()
	return wan, lan, errors.Join(notReached, notAnswered)
}

// manifest writes a file of Kubernetes objects where the daemon watches; an empty text removes it.
func (d *demo) manifest(name, text string) error {
	path := filepath.Join(d.house.Dir, "manifests", name)
	if text == "" {
		return os.Remove(path)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// routes is the answer of `sniroute routes -json`, as far as the demo looks at it.
type routes struct {
	Routes  json.RawMessage `json:"routes"`
	Refused []struct {
		Host, Source, Object, Reason, Detail string
	} `json:"refused"`
}

func (d *demo) routes(ctx context.Context) (routes, error) {
	var r routes
	out, err := d.house.Ask(ctx, d.binary, "routes", "-json")
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("sniroute routes -json: %w", err)
	}
	return r, nil
}

// invite says what a person can do while the lab is up.
func (d *demo) invite(w io.Writer) {
	fmt.Fprintf(w, `
The lab is up; Ctrl-C ends it. To look around, in another terminal, as the same user:

  in="%[1]s"

  # deploy one more app, and see it from the internet and from home
  $in sh -c 'sed s/app2/app3/ %[2]s/manifests/app2.yaml > %[2]s/manifests/app3.yaml'
  $in ip netns exec wan curl --cacert %[3]s --resolve %[4]s:443:203.0.113.1 https://%[4]s/
  $in ip netns exec client dig +short @192.168.0.1 %[4]s

  # ask the daemon
  $in ip netns exec router %[5]s routes -c %[2]s/config
  $in ip netns exec router %[5]s explain -c %[2]s/config %[4]s
  $in ip netns exec client curl http://192.168.0.1:1936/metrics

Hosts: wan, router, client, nas, external, internal. Logs, inside the lab: %[2]s/log.
`, netns.Enter(), d.house.Dir, d.house.Authority.File, app3, d.binary)
}
