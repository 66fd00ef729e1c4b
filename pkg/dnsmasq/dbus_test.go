package dnsmasq

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/sniroute/sniroute/pkg/route"
)

// busConfig lets anybody on a private bus do anything.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// startBus runs a private dbus-daemon and returns its address.
func startBus(t *testing.T) (address string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o644); err != nil {
		t.Fatal(err)
	}
	address = "unix:path=" + socket
	daemon := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile")
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		daemon.Process.Kill()
		daemon.Wait()
	})
	t.Cleanup(stop)
	eventually(t, "the bus is there", func() bool {
		conn, err := dbus.Connect(address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return address, stop
}

// onBus is a dnsmasq without a servers file, on a private bus.
func onBus(t *testing.T) (s *server, o Options, stopBus func()) {
	t.Helper()
	s = newServer(t)
	makeFiles(t, s)
	address, stopBus := startBus(t)
	s.environment = []string{"DBUS_SYSTEM_BUS_ADDRESS=" + address}
	o = s.options()
	o.Notify, o.DBus = NotifyDBus, address
	return s, o, stopBus
}

func TestDBus(t *testing.T) {
	s, o, _ := onBus(t)
	s.start(t, "--enable-dbus")
	p := newPublisher(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 1)
	var records []route.Record
	var mu sync.Mutex // guards records
	// published waits until the publisher is done, which has dnsmasq told in two steps.
	published := func(what string, count int, since time.Time) {
		t.Helper()
		eventually(t, what, func() bool {
			now := p.State()
			return now.Published.After(since) && now.Records == count && now.Err == nil
		})
	}
	set := func(lines ...string) {
		t.Helper()
		mu.Lock()
		records = parseRecords(t, lines)
		mu.Unlock()
		began := time.Now()
		changed <- struct{}{}
		published("it is published", len(lines), began)
	}
	var running sync.WaitGroup
	running.Go(func() {
		p.follow(ctx, changed, func() []route.Record { mu.Lock(); defer mu.Unlock(); return records })
	})
	defer running.Wait()
	defer cancel()

	claimed := []expectation{
		{"app1.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"app1.k8s.example.com", dnsmessage.TypeAAAA, false, []string{}},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, false, []string{}},
		{"_acme-challenge.app1.k8s.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"other.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
	}
	set("app1.k8s.example.com 192.168.0.3")
	expect(t, s, claimed)
	if state := p.State(); state.Notify != NotifyDBus || state.Err != nil {
		t.Errorf("state %+v", state)
	}
	expectFile(t, s.servers, header)

	set("app2.k8s.example.com 192.168.0.4")
	expect(t, s, []expectation{
		{"app2.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.4"}},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, true, []string{upstreamHTTPS}},
		{"app2.k8s.example.com", dnsmessage.TypeHTTPS, false, []string{}},
	})

	// A dnsmasq that starts again has forgotten what it was told; it is told again.
	set("app1.k8s.example.com 192.168.0.3")
	s.stop()
	stopped := time.Now()
	s.start(t, "--enable-dbus")
	published("it was told again", 1, stopped)
	expect(t, s, claimed)

	// Many names fit into one message.
	var lines []string
	for i := range 4000 {
		lines = append(lines, fmt.Sprintf("app%d.k8s.example.com 192.168.0.3", i))
	}
	set(lines...)
	expect(t, s, append(claimed, expectation{"app3999.k8s.example.com", dnsmessage.TypeHTTPS, false, []string{}}))

	if err := Withdraw(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	expect(t, s, []expectation{{"app1.k8s.example.com", dnsmessage.TypeHTTPS, true, []string{upstreamHTTPS}}})
}

func TestDBusInstances(t *testing.T) {
	s, o, _ := onBus(t)
	s.start(t, "--enable-dbus="+dbusName+".guest")
	o.Instances = []string{"guest"}
	p := newPublisher(t, o)
	defer p.notifier.close()
	publish(t, p, "app1.k8s.example.com 192.168.0.3")
	expect(t, s, []expectation{
		{"app1.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, false, []string{}},
	})
}

func TestDBusSaysWhatIsMissing(t *testing.T) {
	s, o, stopBus := onBus(t)
	p := newPublisher(t, o)
	defer p.notifier.close()
	records := parseRecords(t, []string{"app1.k8s.example.com 192.168.0.3"})
	if p.publish(t.Context(), records) || !strings.Contains(p.State().Err.Error(), "SetDomainServers of "+dbusName) {
		t.Errorf("without dnsmasq: %v", p.State().Err)
	}
	select {
	case <-p.notifier.forgotten():
		t.Error("dnsmasq came back before it started")
	default:
	}
	s.start(t, "--enable-dbus")
	<-p.notifier.forgotten()
	if !p.publish(t.Context(), records) {
		t.Error(p.State().Err)
	}
	stopBus()
	<-p.notifier.forgotten()
	eventually(t, "without a bus, that is said", func() bool {
		p.chores.reload = true
		return !p.publish(t.Context(), records) && strings.Contains(p.State().Err.Error(), "connecting to D-Bus")
	})
}

// D-Bus restarts nothing, but somebody may.
func TestDBusNoticesARestart(t *testing.T) {
	s, o, _ := onBus(t)
	s.start(t, "--enable-dbus")
	o.WildcardsFile = filepath.Join(s.dir, "wildcards")
	p := newPublisher(t, o)
	defer p.notifier.close()
	records := parseRecords(t, []string{"*.apps.example.com 192.168.0.3"})
	for range 2 {
		if p.publish(t.Context(), records) || !strings.Contains(p.State().Err.Error(), "restart dnsmasq by hand") {
			t.Errorf("before the restart: %v", p.State().Err)
		}
	}
	s.stop()
	s.start(t, "--enable-dbus", "--conf-file="+o.WildcardsFile)
	<-p.notifier.forgotten()
	if !p.publish(t.Context(), records) {
		t.Error(p.State().Err)
	}
	eventually(t, "the wildcard is known", func() bool {
		return slices.Equal(s.ask(t, "x.apps.example.com", dnsmessage.TypeA), []string{"192.168.0.3"})
	})
}
