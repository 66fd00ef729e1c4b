package main

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// A procd is the other end of ubus, where events become calls of the init script.
type procd struct {
	mu     sync.Mutex
	events []string // guarded by mu
}

func (p *procd) Call(_ context.Context, _, _ string, args ubus.Table) (ubus.Table, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, strings.TrimPrefix(args.String("type"), "sniroute.dns."))
	return nil, nil
}

// take returns the events since the last time, sorted.
func (p *procd) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.events)
	defer func() { p.events = nil }()
	return strings.Join(p.events, " ")
}

// TestPublisher: what LAN DNS is told follows the configuration, and nothing is left where it was before.
func TestPublisher(t *testing.T) {
	dir := t.TempDir()
	tables := new(route.Holder)
	policy := route.Policy{Sources: []route.Source{{
		Name: "m", Domains: []route.Domain{{Name: "example.com"}}, Wildcards: true,
	}}}
	claims := []route.Claim{claimOf("a.example.com"), claimOf("*.apps.example.com")}
	for i := range claims {
		claims[i].Addresses = []netip.Addr{netip.MustParseAddr("192.168.77.3")}
	}
	tables.Store(route.Build(&policy, claims))
	bus := new(procd)
	p := &publisher{tables: tables, bus: bus, folder: dir, log: slog.New(slog.DiscardHandler)}
	defer p.stop()

	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		return string(text)
	}
	const name, wildcard = "192.168.77.3 a.example.com", "address=/*.apps.example.com/192.168.77.3"
	const domain = "a.example.com 192.168.77.3"
	set := func(step, hosts, events string, inHosts, inOther, inDomains, inWildcards bool) {
		t.Helper()
		c := parseConfig(t, strings.ReplaceAll("config dns 'dns'\n\toption servers_file 'DIR/servers'\n"+
			"\toption hosts_file 'DIR/"+hosts+"'\n"+step, "DIR", dir)).DNS
		p.set(t.Context(), c)
		eventually(t, step, func() bool {
			s := p.state()
			return s.Enabled == (p.running != nil) && s.Error == "" && (!s.Enabled || !s.Published.IsZero())
		})
		if got := bus.take(); got != events {
			t.Errorf("%s: procd is told %q, want %q", step, got, events)
		}
		for f, c := range map[string]struct {
			part string
			want bool
		}{
			"hosts": {name, inHosts}, "other": {name, inOther},
			"domains": {domain, inDomains}, "wildcards": {wildcard, inWildcards},
		} {
			if got := strings.Contains(file(f), c.part); got != c.want {
				t.Errorf("%s: %s holds\n%s", step, f, file(f))
			}
		}
	}
	set("", "hosts", "reload restart", true, false, false, true)
	set("\toption mode uci\n", "hosts", "domains reload", false, false, true, true)
	if s := p.state(); s.Mode != "uci" || s.Records != 2 || len(s.Warnings) != 0 {
		t.Errorf("state: %+v", s)
	}
	set("", "hosts", "domains reload", true, false, false, true)
	set("\toption mode uci\n", "hosts", "domains reload", false, false, true, true)
	set("\toption notify none\n", "hosts", "domains reload restart", true, false, false, true)
	set("", "other", "reload restart", false, true, false, true)
	set("\toption enabled 0\n", "other", "reload restart", false, false, false, false)
	if s := p.state(); s.Enabled || s.Records != 0 {
		t.Errorf("state: %+v", s)
	}
}

// TestPublisherWithoutUBus: what needs it is said to be missing, and the rest works.
func TestPublisherWithoutUBus(t *testing.T) {
	dir := t.TempDir()
	tables := new(route.Holder)
	policy := route.Policy{Sources: []route.Source{{
		Name: "m", Domains: []route.Domain{{Name: "example.com"}}, Wildcards: true,
	}}}
	tables.Store(route.Build(&policy, []route.Claim{claimOf("a.example.com"), claimOf("*.apps.example.com")}))
	p := &publisher{tables: tables, folder: dir, log: slog.New(slog.DiscardHandler)}
	defer p.stop()
	set := func(options string) {
		t.Helper()
		p.set(t.Context(), parseConfig(t, strings.ReplaceAll("config dns 'dns'\n\toption servers_file 'DIR/servers'\n"+
			"\toption hosts_file 'DIR/hosts'\n\toption notify none\n"+options, "DIR", dir)).DNS)
		eventually(t, options, func() bool { return !p.state().Published.IsZero() })
	}
	set("")
	if s := p.state(); s.Records != 1 || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0].Remedy, "wildcards_file") {
		t.Errorf("state: %+v", s)
	}
	set("\toption wildcards_file DIR/conf\n")
	text, err := os.ReadFile(filepath.Join(dir, "conf"))
	if s := p.state(); err != nil || s.Records != 2 || len(s.Warnings) != 0 ||
		!strings.Contains(string(text), "local=/*.apps") {
		t.Errorf("state: %+v; file (%v): %s", s, err, text)
	}
	p.set(t.Context(), config.DNS{
		Enabled: true, UCI: true, HostsFile: filepath.Join(dir, "hosts"), Notify: "auto",
	})
	if s := p.state(); !strings.Contains(s.Error, "there is none") {
		t.Errorf("state: %+v", s)
	}
}

// TestInitScript: the init script takes what is left for it from where it is left.
func TestInitScript(t *testing.T) {
	text, err := os.ReadFile("../../init.d/sniroute")
	if err != nil {
		t.Fatal(err)
	}
	o := (&publisher{bus: new(procd), folder: runFolder}).options(config.DNS{})
	for _, want := range []string{"\nRUN_FOLDER=" + runFolder + "\n", "\nLAN_FOLDER=" + filepath.Dir(dhcpCopy) + "\n",
		strings.Replace(o.DomainsFile, runFolder, `list="$RUN_FOLDER`, 1) + `"`,
		strings.Replace(o.WildcardsFile, runFolder, `list="$RUN_FOLDER`, 1) + `"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("init.d/sniroute does not say %s", want)
		}
	}
}
