package dnsmasq

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sniroute/sniroute/pkg/route"
)

// parseRecords reads "NAME ADDRESS..." lines.
func parseRecords(t testing.TB, lines []string) []route.Record {
	var records []route.Record
	for _, line := range lines {
		words := strings.Fields(line)
		r := route.Record{Name: words[0]}
		for _, word := range words[1:] {
			if name, ok := strings.CutPrefix(word, "not:"); ok {
				r.Except = append(r.Except, name)
				continue
			}
			r.Addresses = append(r.Addresses, netip.MustParseAddr(word))
		}
		records = append(records, r)
	}
	return records
}

func newPublisher(t *testing.T, o Options) *Publisher {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// makeFiles does what the init script does before dnsmasq starts.
func makeFiles(t *testing.T, s *server) {
	for _, path := range []string{s.hosts, s.servers} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// An expectation is a question and its answers. Questions that leave the LAN must be seen by the upstream server, all
// others must not.
type expectation struct {
	name    string
	kind    dnsmessage.Type
	leaves  bool
	answers []string
}

func expect(t *testing.T, s *server, expectations []expectation) {
	t.Helper()
	for _, e := range expectations {
		s.upstream.saw("", 0)
		answers := s.ask(t, e.name, e.kind)
		if !slices.Equal(answers, e.answers) {
			t.Errorf("%s: answers %q, want %q", question(e.name, e.kind), answers, e.answers)
		}
		if leaves := s.upstream.saw(e.name, e.kind); leaves != e.leaves {
			t.Errorf("%s: asked upstream: %v, want %v", question(e.name, e.kind), leaves, e.leaves)
		}
	}
}

func TestDNSMasqAnswers(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	p := newPublisher(t, s.options())

	publish(t, p,
		"app1.k8s.example.com 192.168.0.3",
		"app2.k8s.example.com 192.168.0.5 fd00::5",
		"deep.app2.k8s.example.com 192.168.0.6",
		"multi.k8s.example.com 192.168.0.3 192.168.0.4",
		"six.k8s.example.com fd00::6",
	)
	state := p.State()
	if state.Records != 5 || state.Err != nil || state.Published.IsZero() || state.Notify != NotifySignal {
		t.Errorf("state %+v", state)
	}
	eventually(t, "the names are known", func() bool {
		return slices.Equal(s.ask(t, "app1.k8s.example.com", dnsmessage.TypeA), []string{"192.168.0.3"})
	})
	none := []string{}
	expect(t, s, []expectation{
		{"app1.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"APP1.k8s.Example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"app1.k8s.example.com", dnsmessage.TypeAAAA, false, none},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, false, none},
		{"app1.k8s.example.com", dnsmessage.TypeTXT, false, none},
		{"app2.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.5"}},
		{"app2.k8s.example.com", dnsmessage.TypeAAAA, false, []string{"fd00::5"}},
		{"app2.k8s.example.com", dnsmessage.TypeHTTPS, false, none},
		{"deep.app2.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.6"}},
		{"deep.app2.k8s.example.com", dnsmessage.TypeAAAA, false, none},
		{"deep.app2.k8s.example.com", dnsmessage.TypeHTTPS, false, none},
		{"multi.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3", "192.168.0.4"}},
		{"six.k8s.example.com", dnsmessage.TypeA, false, none},
		{"six.k8s.example.com", dnsmessage.TypeAAAA, false, []string{"fd00::6"}},

		{"_acme-challenge.app1.k8s.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"_acme-challenge.app2.k8s.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"_acme-challenge.deep.app2.k8s.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"www.app1.k8s.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"a.b.app1.k8s.example.com", dnsmessage.TypeHTTPS, true, []string{upstreamHTTPS}},
		{"k8s.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"app9.k8s.example.com", dnsmessage.TypeAAAA, true, []string{upstreamAAAA}},
		{"xapp1.k8s.example.com", dnsmessage.TypeHTTPS, true, []string{upstreamHTTPS}},
	})

	// A name goes, one changes its address, one comes.
	publish(t, p,
		"app2.k8s.example.com 192.168.0.7",
		"app3.k8s.example.com 192.168.0.3",
	)
	eventually(t, "the change is known", func() bool {
		return slices.Equal(s.ask(t, "app3.k8s.example.com", dnsmessage.TypeA), []string{"192.168.0.3"})
	})
	expect(t, s, []expectation{
		{"app1.k8s.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"app1.k8s.example.com", dnsmessage.TypeAAAA, true, []string{upstreamAAAA}},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, true, []string{upstreamHTTPS}},
		{"app2.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.7"}},
		{"app2.k8s.example.com", dnsmessage.TypeAAAA, false, none},
		{"deep.app2.k8s.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"app3.k8s.example.com", dnsmessage.TypeHTTPS, false, none},
	})

	if err := Withdraw(context.Background(), s.options()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is withdrawn", func() bool {
		return slices.Equal(s.ask(t, "app3.k8s.example.com", dnsmessage.TypeA), []string{upstreamA})
	})
}

func TestDNSMasqAnswersManyNames(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	p := newPublisher(t, s.options())
	var lines []string
	for i := range 4000 {
		lines = append(lines, fmt.Sprintf("app%d.k8s.example.com 192.168.%d.%d", i, i/250, i%250+1))
	}
	publish(t, p, lines...)
	eventually(t, "the names are known", func() bool {
		return slices.Equal(s.ask(t, "app3999.k8s.example.com", dnsmessage.TypeA), []string{"192.168.15.250"})
	})
	for i := 0; i < len(lines); i += 97 {
		name := fmt.Sprintf("app%d.k8s.example.com", i)
		expect(t, s, []expectation{
			{name, dnsmessage.TypeA, false, []string{fmt.Sprintf("192.168.%d.%d", i/250, i%250+1)}},
			{name, dnsmessage.TypeAAAA, false, []string{}},
			{name, dnsmessage.TypeHTTPS, false, []string{}},
			{"_acme-challenge." + name, dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		})
	}
	publish(t, p, lines[1:]...)
	eventually(t, "one name is gone", func() bool {
		return slices.Equal(s.ask(t, "app0.k8s.example.com", dnsmessage.TypeA), []string{upstreamA})
	})
}

func TestDNSMasqAnswersAfterItsRestart(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	s.start(t)
	publish(t, newPublisher(t, s.options()), "app1.k8s.example.com 192.168.0.3")
	s.stop()
	s.start(t)
	expect(t, s, []expectation{
		{"app1.k8s.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"app1.k8s.example.com", dnsmessage.TypeHTTPS, false, []string{}},
	})
}

func TestRunTriesAgain(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "hosts")
	p := newPublisher(t, Options{HostsFile: filepath.Join(folder, "sniroute"), Notify: NotifyNone})
	ctx, cancel := context.WithCancel(t.Context())
	changed := make(chan struct{}, 1)
	changed <- struct{}{}
	records := parseRecords(t, []string{"app1.example.com 192.168.0.3"})
	var running sync.WaitGroup
	running.Go(func() { p.follow(ctx, changed, func() []route.Record { return records }) })
	defer running.Wait()
	defer cancel()

	eventually(t, "the failure is seen", func() bool { return p.State().Err != nil })
	state := p.State()
	if !strings.Contains(state.Err.Error(), folder) || state.Records != 0 || !state.Published.IsZero() {
		t.Errorf("after a failure the state is %+v", state)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is published after all", func() bool { return p.State().Err == nil && p.State().Records == 1 })
}

// Names that only a wildcard is claimed of, beside exact ones.
func TestDNSMasqAnswersWildcards(t *testing.T) {
	s := newServer(t)
	makeFiles(t, s)
	o := s.options()
	o.WildcardsFile = filepath.Join(s.dir, "wildcards.conf")
	procd := &procdDouble{}
	o.Notify, o.UBus = NotifyUBus, procd
	publish(t, newPublisher(t, o),
		"*.apps.example.com 192.168.0.3 fd00::3 not:team.apps.example.com not:exact.apps.example.com",
		"*.four.example.com 192.168.0.4 not:router.four.example.com",
		"apps.example.com 192.168.0.8",
		"exact.apps.example.com 192.168.0.7",
	)
	expectEvents(t, procd, eventReload, eventRestart)
	s.start(t, "--conf-file="+o.WildcardsFile)
	none := []string{}
	expect(t, s, []expectation{
		{"a.apps.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"a.apps.example.com", dnsmessage.TypeAAAA, false, []string{"fd00::3"}},
		{"a.apps.example.com", dnsmessage.TypeHTTPS, false, none},
		{"a.b.apps.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"team.apps.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"a.team.apps.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"xteam.apps.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"router.four.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"a.four.example.com", dnsmessage.TypeAAAA, false, none},
		{"a.four.example.com", dnsmessage.TypeHTTPS, false, none},
		{"four.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"apps.example.com", dnsmessage.TypeA, false, []string{"192.168.0.8"}},
		{"apps.example.com", dnsmessage.TypeHTTPS, false, none},
		{"exact.apps.example.com", dnsmessage.TypeA, false, []string{"192.168.0.7"}},
		{"exact.apps.example.com", dnsmessage.TypeAAAA, false, none},
		{"_acme-challenge.apps.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"_acme-challenge.four.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"_acme-challenge.exact.apps.example.com", dnsmessage.TypeTXT, true, []string{upstreamTXT}},
		{"xapps.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
	})
}

// What no claim may have, no wildcard of a claim answers: browsers would take their proxy settings from it.
func TestDNSMasqAnswersNoReservedName(t *testing.T) {
	policy := &route.Policy{Sources: []route.Source{
		{Name: "home", Domains: []route.Domain{{Name: "example.com"}}, Wildcards: true},
	}}
	table := route.Build(policy, []route.Claim{{
		Source: "home", Object: route.Object{Kind: "Ingress", Namespace: "x", Name: "x"}, Host: "*.corp.example.com",
		Addresses: []netip.Addr{netip.MustParseAddr("192.168.0.3")},
	}})
	s := newServer(t)
	makeFiles(t, s)
	o := s.options()
	o.WildcardsFile = filepath.Join(s.dir, "wildcards.conf")
	o.Notify, o.UBus = NotifyUBus, &procdDouble{}
	if p := newPublisher(t, o); !p.publish(t.Context(), table.Records()) {
		t.Fatal(p.State().Err)
	}
	s.start(t, "--conf-file="+o.WildcardsFile)
	expect(t, s, []expectation{
		{"a.corp.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"wpads.corp.example.com", dnsmessage.TypeA, false, []string{"192.168.0.3"}},
		{"wpad.corp.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
		{"localhost.corp.example.com", dnsmessage.TypeA, true, []string{upstreamA}},
	})
	_, steps := table.Explain("https", "wpad.corp.example.com")
	if last := steps[len(steps)-1]; last.Rule != "DNS upstream" || !last.Matched {
		t.Errorf("explained as %+v", steps)
	}
}

func TestHook(t *testing.T) {
	dir := t.TempDir()
	hook, log := filepath.Join(dir, "hook"), filepath.Join(dir, "log")
	script := "#!/bin/sh\ncat \"$1\" >>" + log + "\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{HostsFile: filepath.Join(dir, "hosts"), Notify: NotifyNone, Hook: hook}
	p := newPublisher(t, o)
	publish(t, p, "app1.example.com 192.168.0.3")
	publish(t, p, "app1.example.com 192.168.0.3")
	expectFile(t, log, header+"192.168.0.3 app1.example.com\n")
	publish(t, p, "app1.example.com 192.168.0.4")
	expectFile(t, log, header+"192.168.0.3 app1.example.com\n"+header+"192.168.0.4 app1.example.com\n")

	// Where procd is told, it runs the hook.
	o.Notify, o.UBus = NotifyAuto, &procdDouble{}
	publish(t, newPublisher(t, o), "app1.example.com 192.168.0.5")
	if text, err := os.ReadFile(log); err != nil || strings.Contains(string(text), "192.168.0.5") {
		t.Errorf("the hook was run: %q, %v", text, err)
	}

	// A hook that fails is run again.
	script = "#!/bin/sh\necho no room >&2\nexit 3\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	records := parseRecords(t, []string{"app1.example.com 192.168.0.6"})
	for range 2 {
		if p.publish(t.Context(), records) {
			t.Error("a failed hook is no failure")
		}
		if err := p.State().Err.Error(); !strings.Contains(err, "exit status 3") || !strings.Contains(err, "no room") {
			t.Error(err)
		}
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	if p.publish(t.Context(), records) || !strings.Contains(p.State().Err.Error(), hook) {
		t.Errorf("without the program: %v", p.State().Err)
	}
}
