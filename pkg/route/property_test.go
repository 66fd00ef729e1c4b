package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sets is how many random sets of claims are tried. The race detector, which has nothing to find in a pure function, sees
// fewer: `make test` runs the package without it as well. So do emulated machines (-short).
func sets() int {
	if testing.Short() {
		return 1_000
	}
	if raceDetector {
		return 5_000
	}
	return 100_000
}

// TestProperties builds tables from random policies and claims, and holds every one against the rules.
func TestProperties(t *testing.T) {
	const workers = 4
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := range sets() / workers {
				random := rand.New(rand.NewPCG(uint64(worker), uint64(i)))
				p, claims := generate(randomChoices{random})
				problem := check(p, claims, random)
				if problem != "" {
					t.Errorf("worker %d, set %d: %s\n%s", worker, i, problem, describe(p, claims))
					return
				}
			}
		})
	}
	group.Wait()
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte{})
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		seed := make([]byte, 400)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, claims := generate(&byteChoices{data})
		if problem := check(p, claims, rand.New(rand.NewPCG(1, 2))); problem != "" {
			t.Errorf("%s\n%s", problem, describe(p, claims))
		}
	})
}

// FuzzBuildAny feeds Build what no configuration and no source would hand in.
func FuzzBuildAny(f *testing.F) {
	f.Add("*.k8s.example.com", "k8s.example.com", "ns/gw", "Ingress", "192.168.0.3", uint16(443), true)
	f.Add("..", "*", "", "Service", "fe80::1%x", uint16(0), false)
	f.Add("*.*", "*.a", "a/b/c", "", "::ffff:1.2.3.4", uint16(1), true)
	f.Fuzz(func(t *testing.T, host, domain, name, kind, address string, port uint16, flag bool) {
		a, _ := netip.ParseAddr(address)
		p := home()
		p.Sources = append(p.Sources, p.Sources[0], Source{
			Name: name, Domains: []Domain{{Name: domain}, {domain, name}, {Name: "*"}}, Wildcards: flag,
			Targets: []netip.Prefix{{}, netip.PrefixFrom(a, int(port)), netip.MustParsePrefix("::/0")}, MaxHosts: int(port) - 5,
		})
		p.Classes = append(p.Classes,
			Class{Name: host, Source: name, Class: kind, Expose: flag, MatchHost: []string{host, domain}})
		p.Static = append(p.Static, Static{Name: name, Hosts: []string{domain, host}, ALPN: kind, Backend: name, Expose: flag,
			DNS: []netip.Addr{a, {}}, Listeners: []string{}})
		p.Backends = append(p.Backends, Backend{Name: name}, Backend{Name: name})
		p.Router = Router{Domain: domain, Names: []string{host, ""}, Addresses: []netip.Addr{{}, a},
			APIServers: []netip.AddrPort{{}, netip.AddrPortFrom(a, port)}, LocalNames: []string{domain}}
		claim := Claim{Source: name, Object: Object{kind, domain, name}, Host: host, Class: kind, Gateway: name,
			Addresses: []netip.Addr{{}, a, a}, HTTPSPort: port, OneLabel: flag, StatusHostname: host}
		second := claim
		second.Host, second.Solver = "*."+host, flag
		table := Build(p, []Claim{claim, second, claim})
		for _, s := range []string{host, domain, name, address} {
			table.Lookup(name, []byte(s), []byte(kind))
			table.Challenge([]byte(s))
			table.Explain(name, s)
		}
		for i := range table.Routes {
			if r := &table.Routes[i]; r.Exposed != (r.Backend != NoBackend) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// check returns what is wrong with the table of these claims, "" if nothing is.
func check(p *Policy, claims []Claim, random *rand.Rand) string {
	before := slices.Clone(claims)
	table := Build(p, claims)
	if !reflect.DeepEqual(before, claims) {
		return "Build changed the claims"
	}

	// The order of the claims makes no difference, nor does building again.
	shuffled := slices.Clone(claims)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if again := Build(p, shuffled); !reflect.DeepEqual(table, again) {
		return fmt.Sprintf("the order of claims matters:\n%s\n%s",
			strings.Join(show(table), "\n"), strings.Join(show(again), "\n"))
	}
	for _, problem := range []string{
		checkShape(table),
		checkWitnesses(p, claims, table),
		checkModel(p, claims, table),
		checkNewcomer(p, claims, table, random),
		checkRecords(p, table),
	} {
		if problem != "" {
			return problem + "\n" + strings.Join(show(table), "\n")
		}
	}
	return ""
}

// checkShape holds the table against what table.go promises.
func checkShape(table *Table) string {
	for i := range table.Routes {
		r := &table.Routes[i]
		if i > 0 && (r.Host < table.Routes[i-1].Host || r.Host == table.Routes[i-1].Host && r.ALPN < table.Routes[i-1].ALPN) {
			return "the routes are not sorted"
		}
		if r.Exposed && (r.Backend < 0 || r.Backend >= len(table.Backends)) || !r.Exposed && r.Backend != NoBackend {
			return fmt.Sprintf("%s: exposed %v, backend %d", r.Host, r.Exposed, r.Backend)
		}
		if !r.Exposed && (r.Listeners != nil || r.Allow != nil || r.Deny != nil) {
			return r.Host + ": is not exposed, and yet serves"
		}
		if r.Exposed && r.Challenge != nil {
			return r.Host + ": is exposed, and yet has challenges of its own"
		}
		if slices.Contains(r.Merged, r.Object) || !slices.IsSorted(r.Merged) {
			return r.Host + ": merged is wrong"
		}
	}
	for i := 1; i < len(table.Backends); i++ {
		if table.Backends[i-1].Name >= table.Backends[i].Name {
			return "two backends are called " + table.Backends[i].Name
		}
	}
	return ""
}

// checkWitnesses finds, for every exposed route of a claim, a claim that may have all of it. Each rule stands here by
// itself, whatever the order in which Build applies them.
func checkWitnesses(p *Policy, claims []Claim, table *Table) string {
	for i := range table.Routes {
		r := &table.Routes[i]
		if !r.Exposed || r.static {
			continue
		}
		if !slices.ContainsFunc(claims, func(c Claim) bool { return mayExpose(p, &c, r, &table.Backends[r.Backend]) }) {
			return fmt.Sprintf("%s is exposed, and no claim may expose it", r.Host)
		}
	}
	return ""
}

func mayExpose(p *Policy, c *Claim, r *Route, b *Backend) bool {
	m := &modelClaim{claim: *c}
	judgeModel(p, m)
	if m.ignored || m.early != "" || m.late != "" || !m.exposed || c.Solver {
		return false
	}
	if m.name() != r.Host || c.Source != r.Source || c.Object.String() != r.Object || m.class.Name != r.Class {
		return false
	}
	if !strings.HasPrefix(b.Name, c.Source+"/"+m.class.Name+"/") || len(b.Servers) != len(m.addresses) {
		return false
	}
	for _, s := range b.Servers {
		a := s.Address.Addr()
		if s.Address.Port() != m.https || !slices.Contains(m.addresses, a.String()) || !a.IsPrivate() || a.Is4In6() {
			return false
		}
	}
	return slices.Equal(r.Listeners, m.class.Listeners) && (b.HTTPPort == m.http)
}

// checkModel holds the table against the model: every claim's fate, and every claimed route.
func checkModel(p *Policy, claims []Claim, table *Table) string {
	want := model(p, claims)

	// Every claim is a route, merged, refused or ignored.
	var got, fates []string
	for _, r := range table.Refused {
		if r.Source != r.Object && r.Reason != ReasonShared {
			got = append(got, fmt.Sprintf("%s %s %s %s", r.Source, r.Object, r.Host, r.Reason))
		}
	}
	for _, r := range table.Ignored {
		got = append(got, fmt.Sprintf("%s %s %s ignored", r.Source, r.Object, r.Host))
	}
	for i, fate := range want.fate {
		c := &claims[i]
		id := fmt.Sprintf("%s %s %s %s", c.Source, c.Object, c.Host, fate)
		switch fate {
		case "route", "merged":
			if !standsIn(table, c) {
				return id + ": is not in the table"
			}
		case "solver":
			ch := table.Challenge([]byte(strings.ToLower(c.Host)))
			if ch == nil || ch.Object != c.Object.String() && !slices.Contains(ch.Merged, c.Object.String()) {
				return id + ": has no challenge"
			}
		default:
			fates = append(fates, id)
		}
	}
	slices.Sort(got)
	slices.Sort(fates)
	if !slices.Equal(got, fates) {
		return fmt.Sprintf("refused and ignored are\n%s\nand should be\n%s\n",
			strings.Join(got, "\n"), strings.Join(fates, "\n"))
	}

	inside, outside := modelInside(p, want.routes), modelOutside(p, table)
	for _, a := range table.Shared {
		if at := fmt.Sprint(a.Addr(), " ", a.Port()); !inside[at] || !outside[at] {
			return at + " is not shared"
		}
	}
	claimed := 0
	for i := range table.Routes {
		r := &table.Routes[i]
		if r.static {
			continue
		}
		claimed++
		m := want.routes[r.Host]
		if m == nil {
			return r.Host + ": is not in the model"
		}
		if problem := compareRoute(p, table, r, m); problem != "" {
			return r.Host + ": " + problem
		}
		shared := false
		for _, lead := range []*modelClaim{m.exposed, m.internal} {
			if lead == nil {
				continue
			}
			for _, a := range lead.served(p) {
				shared = shared || inside[a] && outside[a]
			}
		}
		if shared != slices.Contains(r.Warnings, "shared") {
			return fmt.Sprintf("%s: shared %v in the model", r.Host, shared)
		}
	}
	if claimed != len(want.routes) {
		return fmt.Sprintf("%d claimed hosts, %d in the model", claimed, len(want.routes))
	}
	return ""
}

func standsIn(table *Table, c *Claim) bool {
	return slices.ContainsFunc(table.Routes, func(r Route) bool {
		return r.Host == strings.Join(labelsOf(c.Host), ".") && !r.static &&
			(r.Object == c.Object.String() || slices.Contains(r.Merged, c.Object.String()))
	})
}

func compareRoute(p *Policy, table *Table, r *Route, m *modelRoute) string {
	exposed := m.exposed != nil && !m.concealed
	lead := m.exposed
	if lead == nil {
		lead = m.internal
	}
	from := m.internal
	if from == nil || m.exposed != nil && modelSource(p, r.Source).PreferExposed {
		from = m.exposed
	}
	dns := from.addresses
	local := slices.ContainsFunc(p.Router.LocalNames, func(n string) bool {
		return strings.Join(labelsOf(n), ".") == r.Host
	})
	static := slices.ContainsFunc(table.Routes, func(s Route) bool {
		return s.static && s.Host == r.Host && len(s.DNS) > 0
	})
	if !from.dns || local || static {
		dns = nil
	}
	concealed := slices.ContainsFunc(table.Refused, func(f Refusal) bool {
		return f.Host == r.Host && f.Source == r.Source && f.Object == r.Object && f.Reason == ReasonShared
	})
	switch {
	case r.Exposed != exposed:
		return fmt.Sprintf("exposed %v, in the model %v", r.Exposed, exposed)
	case concealed != m.concealed:
		return fmt.Sprintf("concealed %v, in the model %v", concealed, m.concealed)
	case r.Object != lead.claim.Object.String() || r.Source != lead.claim.Source:
		return "the object is " + r.Object
	case r.OneLabel != m.oneLabel:
		return fmt.Sprintf("one label %v", r.OneLabel)
	case strings.Join(dns, " ") != strings.Trim(fmt.Sprint(r.DNS), "[]"):
		return fmt.Sprintf("dns %v, in the model %v", r.DNS, dns)
	}
	return ""
}

// checkNewcomer adds a claim of a namespace that has none, younger than all: nothing that stands may change, except that
// a shared address may make a host internal.
func checkNewcomer(p *Policy, claims []Claim, table *Table, random *rand.Rand) string {
	c := randomChoices{random}
	if c.n(3) > 0 { // it costs a third of the test
		return ""
	}
	newcomer := Claim{
		Source:    "s0",
		Object:    Object{"Ingress", "zz", "new"},
		Host:      pick(c, slices.Concat(exactHosts, wildcardHosts)),
		Class:     pick(c, []string{"ext", "int"}),
		Addresses: addresses(pick(c, goodAddresses)),
	}
	after := Build(p, append(slices.Clone(claims), newcomer))
	if len(after.Routes) < len(table.Routes) {
		return "a newcomer took something away"
	}
	for i := range table.Routes {
		r := &table.Routes[i]
		if !slices.ContainsFunc(after.Routes, func(s Route) bool { return sameRoute(p, table, r, after, &s) }) {
			return fmt.Sprintf("%v changed %s:\n%s\nbefore:", newcomer, r.Host, strings.Join(show(after), "\n"))
		}
	}
	return ""
}

// sameRoute reports whether a newcomer has left a, which is now b, alone.
func sameRoute(p *Policy, before *Table, a *Route, after *Table, b *Route) bool {
	if a.Host != b.Host || a.ALPN != b.ALPN || a.OneLabel != b.OneLabel || a.Source != b.Source || a.Object != b.Object ||
		a.Class != b.Class || !slices.Equal(a.DNS, b.DNS) {
		return false
	}
	if a.Exposed && !b.Exposed {
		return !a.static && modelSource(p, a.Source).RefuseShared
	}
	return a.Exposed == b.Exposed && slices.Equal(a.Listeners, b.Listeners) &&
		(!a.Exposed || reflect.DeepEqual(before.Backends[a.Backend], after.Backends[b.Backend]))
}

// checkRecords holds what DNS is told against what claims and static routes may say.
func checkRecords(p *Policy, table *Table) string {
	for i, r := range table.Records() {
		if i > 0 && table.Records()[i-1].Name >= r.Name {
			return "records are not sorted"
		}
		static := slices.ContainsFunc(table.Routes, func(s Route) bool {
			return s.static && s.Host == r.Name && slices.Equal(s.DNS, r.Addresses)
		})
		if static {
			continue
		}
		labels := labelsOf(r.Name)
		if !modelName(p, r.Name) {
			return "DNS answers the name " + r.Name
		}
		if !slices.ContainsFunc(p.Sources, func(s Source) bool {
			for _, ns := range []string{"n1", "n2", "n3"} {
				if domain, ok := modelDomain(&s, labels, ns); ok && domain != "*" {
					return true
				}
			}
			return false
		}) {
			return "DNS answers for no domain: " + r.Name
		}
		for _, a := range r.Addresses {
			if !slices.Contains(append([]string{"10.0.0.10"}, goodAddresses...), a.String()) {
				return fmt.Sprintf("DNS answers %s for %s", a, r.Name)
			}
		}
	}
	return ""
}

func describe(p *Policy, claims []Claim) string {
	var b strings.Builder
	for _, s := range p.Sources {
		fmt.Fprintf(&b, "%+v\n", s)
	}
	for _, c := range p.Classes {
		c.Options = BackendOptions{}
		fmt.Fprintf(&b, "%+v\n", c)
	}
	for _, s := range p.Static {
		fmt.Fprintf(&b, "%+v\n", s)
	}
	fmt.Fprintf(&b, "%+v\n%+v\n", p.Listeners, p.Router)
	for _, c := range claims {
		fmt.Fprintf(&b, "%+v\n", c)
	}
	return b.String()
}
