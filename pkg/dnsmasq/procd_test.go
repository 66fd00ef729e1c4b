package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// A procdDouble stands for procd at the other end of ubus: it runs what a test wants run on an event.
type procdDouble struct {
	on func(event string)

	mu     sync.Mutex
	err    error    // guarded by mu, as is events
	events []string // since they were last taken
}

func (p *procdDouble) Call(_ context.Context, path, method string, args ubus.Table) (ubus.Table, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	if path != "service" || method != "event" || args.Get("data") == nil {
		return nil, fmt.Errorf("call of %s.%s(%v)", path, method, args)
	}
	event := args.String("type")
	p.events = append(p.events, event)
	if p.on != nil {
		p.on(event)
	}
	return nil, nil
}

// take returns the events since the last time.
func (p *procdDouble) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.events = nil }()
	return p.events
}

func (p *procdDouble) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func expectEvents(t *testing.T, p *procdDouble, want ...string) {
	t.Helper()
	if got := p.take(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestUBusEvents(t *testing.T) {
	dir := t.TempDir()
	procd := &procdDouble{}
	o := Options{
		HostsFile: filepath.Join(dir, "hosts"), ServersFile: filepath.Join(dir, "servers"),
		WildcardsFile: filepath.Join(dir, "wildcards"), UBus: procd, PIDFiles: []string{filepath.Join(dir, "none")},
	}
	p := newPublisher(t, o)
	publish(t, p, "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventReload)
	publish(t, p, "app1.example.com 192.168.0.3")
	expectEvents(t, procd)
	if way := p.State().Notify; way != NotifyUBus {
		t.Errorf("told by %q", way)
	}

	// A wildcard needs a restart, the next one no sooner than a minute later.
	publish(t, p, "*.apps.example.com 192.168.0.3", "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventReload, eventRestart)
	publish(t, p, "*.apps.example.com 192.168.0.4", "app1.example.com 192.168.0.3")
	expectEvents(t, procd)
	if !p.chores.restart || time.Until(p.restart) > restartInterval {
		t.Errorf("chores %+v, restart in %v", p.chores, time.Until(p.restart))
	}
	p.restart = time.Now()
	publish(t, p, "*.apps.example.com 192.168.0.4", "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventRestart)

	// A daemon that starts again does not restart dnsmasq for what it has read.
	p = newPublisher(t, o)
	publish(t, p, "*.apps.example.com 192.168.0.4", "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventReload)

	// What fails is done later, and only that.
	procd.fail(errors.New("permission denied"))
	records := parseRecords(t, []string{"app2.example.com 192.168.0.3"})
	if p.publish(t.Context(), records) {
		t.Error("a failed event is no failure")
	}
	if err := p.State().Err; err == nil || !strings.Contains(err.Error(), "permission denied") ||
		!strings.Contains(err.Error(), "no PID file") {
		t.Errorf("state: %v", err)
	}
	procd.fail(nil)
	if !p.publish(t.Context(), records) {
		t.Error(p.State().Err)
	}
	expectEvents(t, procd, eventReload, eventRestart)
}

// Whatever tells dnsmasq, procd does what needs root: wildcards, and what an earlier configuration left.
func TestRootIsProcds(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	o := s.options()
	o.Notify, o.UBus = NotifySignal, &procdDouble{}
	o.WildcardsFile, o.DomainsFile = filepath.Join(t.TempDir(), "wildcards"), filepath.Join(t.TempDir(), "domains")
	if err := os.WriteFile(o.DomainsFile, []byte("app.example.com 192.168.0.3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t, o)
	publish(t, p, "*.apps.example.com 192.168.0.3", "app1.example.com 192.168.0.3")
	expectEvents(t, o.UBus.(*procdDouble), eventDomains, eventRestart)
	if way := p.State().Notify; way != NotifySignal {
		t.Errorf("told by %q", way)
	}
}

func TestAutoTakesTheSignalWithoutUBus(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	o := s.options()
	o.Notify, o.UBus = NotifyAuto, &procdDouble{err: errors.New("connection failed")}
	p := newPublisher(t, o)
	publish(t, p, "app1.example.com 192.168.0.3")
	if way := p.State().Notify; way != NotifySignal {
		t.Errorf("told by %q", way)
	}
}

func TestModeUCI(t *testing.T) {
	dir := t.TempDir()
	procd := &procdDouble{}
	o := Options{
		HostsFile: filepath.Join(dir, "hosts"), ServersFile: filepath.Join(dir, "servers"),
		DomainsFile: filepath.Join(dir, "domains"), UBus: procd,
	}
	publish(t, newPublisher(t, o), "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventReload)
	if exists(o.DomainsFile) {
		t.Error("there is a domains file in the other mode")
	}

	// Into the mode: the hosts file gives the names up.
	o.Mode = ModeUCI
	publish(t, newPublisher(t, o), "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventDomains, eventReload)
	expectFile(t, o.DomainsFile, "app1.example.com 192.168.0.3\n")
	expectFile(t, o.HostsFile, header)

	// And out of it.
	o.Mode = ModeHosts
	publish(t, newPublisher(t, o), "app1.example.com 192.168.0.3")
	expectEvents(t, procd, eventDomains, eventReload)
	expectFile(t, o.DomainsFile, "")
	expectFile(t, o.HostsFile, header+"192.168.0.3 app1.example.com\n")

	o.Mode = ModeUCI
	publish(t, newPublisher(t, o), "app1.example.com 192.168.0.3")
	procd.take()
	if err := Withdraw(t.Context(), o); err != nil {
		t.Error(err)
	}
	expectEvents(t, procd, eventDomains, eventReload)
	expectFile(t, o.DomainsFile, "")
	expectFile(t, o.ServersFile, header)
}

func expectFile(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s holds %q, %v; want %q", path, text, err, want)
	}
}

// The wildcards wait for their minute without anybody asking again.
func TestFollowRestartsLater(t *testing.T) {
	dir := t.TempDir()
	procd := &procdDouble{}
	p := newPublisher(t, Options{
		HostsFile: filepath.Join(dir, "hosts"), WildcardsFile: filepath.Join(dir, "wildcards"), UBus: procd,
	})
	p.restart = time.Now().Add(time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	records := parseRecords(t, []string{"*.apps.example.com 192.168.0.3"})
	var running sync.WaitGroup
	running.Go(func() { p.follow(ctx, changed, func() []route.Record { return records }) })
	var events []string
	eventually(t, "dnsmasq is restarted", func() bool {
		events = append(events, procd.take()...)
		return slices.Contains(events, eventRestart)
	})
	cancel()
	running.Wait()
	if !slices.Equal(events, []string{eventReload, eventRestart}) || p.chores.restart {
		t.Errorf("events %q, chores %+v", events, p.chores)
	}
}
