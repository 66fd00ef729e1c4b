package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// This file says the policy a second time, as plainly and slowly as it can be said, and shares no code with Build beyond
// the types. Property tests hold the two against each other. What a wildcard takes is not reasoned about here: it is
// enumerated over every name of the generated world.

type modelClaim struct {
	index     int
	claim     Claim
	host      []string // labels, in lower case
	class     *Class
	exposed   bool
	addresses []string
	https     uint16
	http      uint16
	dns       bool
	early     Reason // before the limits
	late      Reason // after them
	ignored   bool
}

func (m *modelClaim) name() string  { return strings.Join(m.host, ".") }
func (m *modelClaim) owner() string { return m.claim.Source + "|" + m.claim.Object.Namespace }
func (m *modelClaim) wildcard() bool {
	return len(m.host) > 0 && m.host[0] == "*"
}

// A modelRoute is what the model says of one host.
type modelRoute struct {
	owner     string
	exposed   *modelClaim
	internal  *modelClaim
	members   []*modelClaim
	others    []*modelClaim
	oneLabel  bool
	concealed bool
}

// modelResult is the fate of every claim, by its place among the claims, and the routes of hosts that are claimed.
type modelResult struct {
	fate   []string // "ignored", "route", "merged", "solver", or the Reason for which it is refused
	routes map[string]*modelRoute
}

func endsWith(labels, end []string) bool {
	return len(labels) >= len(end) && slices.Equal(labels[len(labels)-len(end):], end)
}

func labelsOf(name string) []string {
	return strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
}

const modelLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// modelSpelled says whether labels are spelled as those of a host, or of a wildcard.
func modelSpelled(labels []string) bool {
	for i, l := range labels {
		if l == "" || strings.Trim(l, modelLetters) != "" && (l != "*" || i > 0 || len(labels) == 1) {
			return false
		}
	}
	return true
}

// modelName says whether a host may be claimed at all.
func modelName(p *Policy, host string) bool {
	labels := labelsOf(host)
	wildcard := labels[0] == "*"
	if wildcard {
		labels = labels[1:]
	}
	if len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, modelLetters) != "" {
			return false
		}
	}
	top := labels[len(labels)-1]
	if strings.Trim(top, "0123456789") == "" || top == "local" || top == "localhost" {
		return false
	}
	if endsWith(labels, labelsOf(p.Router.Domain)) {
		return false
	}
	switch name := strings.Join(labels, "."); name {
	case "co.uk", "github.io":
		return false
	case "router.ex.com", "api.k.ex.com":
		return wildcard
	}
	return wildcard || labels[0] != "wpad" && labels[0] != "localhost"
}

// modelDomain returns the most specific domain, and whether the namespace is admitted.
func modelDomain(s *Source, host []string, namespace string) (best string, admitted bool) {
	if host[0] == "*" {
		host = host[1:]
	}
	length := -1
	for _, d := range s.Domains {
		n := 0
		if d.Name != "*" {
			n = len(labelsOf(d.Name))
			if !endsWith(host, labelsOf(d.Name)) {
				continue
			}
		}
		if n > length {
			length, best, admitted = n, strings.Join(labelsOf(d.Name), "."), false
		}
		if n == length && (d.Namespace == "" || d.Namespace == namespace) {
			admitted = true
		}
	}
	return best, admitted
}

func modelClass(p *Policy, c *Claim, host []string) *Class {
	for i := range p.Classes {
		k := &p.Classes[i]
		inside := len(c.Addresses) > 0
		for _, a := range c.Addresses {
			one := false
			for _, prefix := range k.MatchAddress {
				one = one || prefix.Contains(a)
			}
			inside = inside && one
		}
		named := false
		for _, pattern := range k.MatchHost {
			want := labelsOf(pattern)
			if slices.Equal(want, host) {
				named = true
			}
			h := host
			if len(h) > 0 && h[0] == "*" {
				h = h[1:]
			}
			if want[0] == "*" && len(h) > len(want)-1 && endsWith(h, want[1:]) {
				named = true
			}
		}
		switch {
		case k.Source != c.Source:
		case k.Class == "" && k.Gateway == "" && k.Namespaces == nil && k.MatchAddress == nil && k.MatchHost == nil:
		case k.Class != "" && k.Class != c.Class:
		case k.Gateway != "" && k.Gateway != c.Gateway:
		case k.Namespaces != nil && !slices.Contains(k.Namespaces, c.Object.Namespace):
		case k.MatchAddress != nil && !inside:
		case k.MatchHost != nil && !named:
		default:
			return k
		}
	}
	return nil
}

// modelTarget says whether an address may be pointed to in the generated world.
func modelTarget(s *Source, a string, ports ...uint16) bool {
	switch a {
	case "10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1":
		return true
	case "10.0.0.10": // the API server, on port 443
		return !slices.Contains(ports, 443)
	}
	return false
}

// modelStatic says whether a static route holds the host against claims.
func modelStatic(p *Policy, host []string) bool {
	name := host
	if name[0] == "*" {
		name = name[1:]
	}
	for _, s := range p.Static {
		for _, h := range s.Hosts {
			held := labelsOf(h)
			if s.ALPN != "" || !modelSpelled(held) || strings.Trim(held[len(held)-1], "0123456789") == "" {
				continue
			}
			if slices.Equal(held, host) || held[0] == "*" && len(name) >= len(held) && endsWith(name, held[1:]) {
				return true
			}
		}
	}
	return false
}

func modelSource(p *Policy, name string) *Source {
	for i := range p.Sources {
		if p.Sources[i].Name == name {
			return &p.Sources[i]
		}
	}
	return nil
}

// judgeModel applies what concerns one claim alone.
func judgeModel(p *Policy, m *modelClaim) {
	c := &m.claim
	s := modelSource(p, c.Source)
	if s == nil {
		m.early = ReasonDomain
		return
	}
	if spelled := labelsOf(c.Host); modelSpelled(spelled) {
		m.host = spelled
	}
	m.class = modelClass(p, c, m.host)
	if m.class == nil && s.IgnoreOtherClasses {
		m.ignored = true
		return
	}
	if c.NotAccepted != "" {
		m.early = ReasonNotAccepted
		return
	}
	if m.host == nil || !modelName(p, c.Host) {
		m.early = ReasonName
		return
	}
	domain, admitted := modelDomain(s, m.host, c.Object.Namespace)
	if !admitted {
		m.early = ReasonDomain
		return
	}
	m.dns = domain != "*"
	if m.wildcard() && (c.Solver || !s.Wildcards) {
		m.early = ReasonWildcard
		return
	}
	m.https, m.http = 443, 80
	wanted := c.Addresses
	if m.class != nil {
		m.exposed = m.class.Expose && (c.Object.Kind != "Service" || len(m.class.Namespaces) > 0)
		if m.class.HTTPSPort != 0 {
			m.https = m.class.HTTPSPort
		}
		if len(m.class.Addresses) > 0 {
			wanted = m.class.Addresses
		}
	}
	if c.HTTPSPort != 0 {
		m.https = c.HTTPSPort
	}
	if c.HTTPPort != 0 {
		m.http = c.HTTPPort
	}
	if c.Ports != nil && !slices.Contains(c.Ports, m.http) {
		m.http = 0
	}
	if len(wanted) == 0 && c.StatusHostname == "" {
		m.ignored = true
		return
	}
	for _, a := range wanted {
		ports := []uint16{m.https, m.http}
		if c.Solver {
			ports = ports[1:]
		}
		if modelTarget(s, a.String(), ports...) && !slices.Contains(m.addresses, a.String()) {
			m.addresses = append(m.addresses, a.String())
		}
	}
	slices.SortFunc(m.addresses, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
	switch {
	case len(m.addresses) == 0:
		m.late = ReasonTarget
	case c.Solver && m.http == 0:
		m.late = ReasonPort
	case !c.Solver && m.exposed && c.Ports != nil && !slices.Contains(c.Ports, m.https):
		m.late = ReasonPort
	case modelStatic(p, m.host):
		m.late = ReasonStatic
	}
}

// modelTakes says whether a claim's host takes a name of the world, given as its labels.
func modelTakes(p *Policy, m *modelClaim, oneLabel bool, labels []string) bool {
	if !m.wildcard() {
		return slices.Equal(m.host, labels)
	}
	base := m.host[1:]
	if len(labels) <= len(base) || !endsWith(labels, base) || oneLabel && len(labels) > len(base)+1 {
		return false
	}
	if endsWith(labels, labelsOf(p.Router.Domain)) {
		return false
	}
	// Below a domain that does not admit the namespace, and lies below the wildcard, it takes nothing.
	for n := len(base) + 1; n <= len(labels); n++ {
		domain := labels[len(labels)-n:]
		decided, admitted := modelDomain(modelSource(p, m.claim.Source), domain, m.claim.Object.Namespace)
		if !admitted && decided == strings.Join(domain, ".") {
			return false
		}
	}
	return true
}

// modelOverlap says whether two hosts take a name in common.
func modelOverlap(p *Policy, a *modelClaim, aOneLabel bool, b *modelClaim, bOneLabel bool) bool {
	if !a.wildcard() {
		return modelTakes(p, b, bOneLabel, a.host)
	}
	if !b.wildcard() {
		return modelTakes(p, a, aOneLabel, b.host)
	}
	for _, labels := range world {
		if modelTakes(p, a, aOneLabel, labels) && modelTakes(p, b, bOneLabel, labels) {
			return true
		}
	}
	return false
}

func subset(part, whole []string) bool {
	for _, a := range part {
		if !slices.Contains(whole, a) {
			return false
		}
	}
	return true
}

// model builds what Build builds.
func model(p *Policy, claims []Claim) modelResult {
	result := modelResult{fate: make([]string, len(claims)), routes: make(map[string]*modelRoute)}
	var all []*modelClaim
	for i := range claims {
		m := &modelClaim{index: i, claim: claims[i]}
		judgeModel(p, m)
		if m.ignored {
			result.fate[i] = "ignored"
			continue
		}
		all = append(all, m)
	}
	age := func(m *modelClaim) string {
		if m.claim.Created.IsZero() {
			return "younger"
		}
		return fmt.Sprintf("%020d", m.claim.Created.Unix())
	}
	slices.SortStableFunc(all, func(a, b *modelClaim) int {
		o, q := a.claim.Object, b.claim.Object
		return cmp.Or(
			strings.Compare(age(a), age(b)),
			strings.Compare(o.Namespace, q.Namespace),
			strings.Compare(o.Name, q.Name),
			strings.Compare(a.claim.Source, b.claim.Source),
			strings.Compare(o.Kind, q.Kind),
			strings.Compare(a.name(), b.name()),
			compareClaims(&a.claim, &b.claim), // no rule: only which of two claims of one object comes first
		)
	})
	hosts := func(prefix string) (n int) {
		for _, r := range result.routes {
			if strings.HasPrefix(r.owner, prefix) {
				n++
			}
		}
		return n
	}
	limit := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	fits := func(lead, m *modelClaim) bool { return m.https == lead.https && subset(m.addresses, lead.addresses) }

	for _, m := range all {
		if m.claim.Solver {
			continue
		}
		fate := func(f string) { result.fate[m.index] = f }
		if m.early != "" {
			fate(string(m.early))
			continue
		}
		r := result.routes[m.name()]
		s := modelSource(p, m.claim.Source)
		if r == nil && (hosts(m.claim.Source+"|") >= limit(s.MaxHosts, 4096) ||
			hosts(m.owner()) >= limit(s.MaxHostsPerNamespace, 256)) {
			fate(string(ReasonLimit))
			continue
		}
		if m.late != "" {
			fate(string(m.late))
			continue
		}
		free := func() bool { // nobody else has what m would take
			for host, other := range result.routes {
				if host != m.name() && other.owner != m.owner() &&
					modelOverlap(p, m, m.claim.OneLabel, other.members[0], other.oneLabel) {
					return false
				}
			}
			return true
		}
		one := m.wildcard() && m.claim.OneLabel
		switch {
		case r == nil && !free():
			fate(string(ReasonOwned))
		case r == nil:
			r = &modelRoute{owner: m.owner(), oneLabel: one}
			result.routes[m.name()] = r
			r.members = append(r.members, m)
			if m.exposed {
				r.exposed = m
			} else {
				r.internal = m
			}
			fate("route")
		case r.owner != m.owner():
			r.others = append(r.others, m)
		default:
			lead := &r.internal
			if m.exposed {
				lead = &r.exposed
			}
			switch {
			case *lead == nil && one != r.oneLabel:
				fate(string(ReasonOwned))
			case *lead == nil:
				*lead = m
				r.members = append(r.members, m)
				fate("route")
			case !fits(*lead, m):
				fate(string(ReasonOwned))
			case r.oneLabel && !one && (r.exposed != nil && r.internal != nil || !free()):
				fate(string(ReasonOwned))
			default:
				r.oneLabel = r.oneLabel && one
				r.members = append(r.members, m)
				fate("merged")
			}
		}
	}
	for _, r := range result.routes {
		for _, m := range r.others {
			lead := r.internal
			if m.exposed {
				lead = r.exposed
			}
			if lead == nil || !fits(lead, m) || r.oneLabel && !m.claim.OneLabel {
				result.fate[m.index] = string(ReasonOwned)
			} else {
				result.fate[m.index] = "merged"
			}
		}
	}
	modelSharing(p, result.routes)

	// Solvers come last, and hold no host: only what they cost is counted with the hosts.
	solvers := make(map[string]*modelClaim)
	held := func(prefix string) (n int) {
		for host, m := range solvers {
			if result.routes[host] == nil && strings.HasPrefix(m.owner(), prefix) {
				n++
			}
		}
		return hosts(prefix) + n
	}
	for _, m := range all {
		if !m.claim.Solver {
			continue
		}
		r, first := result.routes[m.name()], solvers[m.name()]
		s := modelSource(p, m.claim.Source)
		fate := Reason("solver")
		switch {
		case m.early != "":
			fate = m.early
		case r == nil && first == nil && (held(m.claim.Source+"|") >= limit(s.MaxHosts, 4096) ||
			held(m.owner()) >= limit(s.MaxHostsPerNamespace, 256)):
			fate = ReasonLimit
		case m.late != "":
			fate = m.late
		case !modelMayProve(p, result.routes, m):
			fate = ReasonOwned
		case first == nil:
			solvers[m.name()] = m
		case m.http != first.http || !subset(m.addresses, first.addresses) || m.exposed && !first.exposed:
			fate = ReasonOwned
		}
		result.fate[m.index] = string(fate)
	}
	return result
}

// modelMayProve says whether a solver's challenge goes where no other owner's host would go.
func modelMayProve(p *Policy, routes map[string]*modelRoute, m *modelClaim) bool {
	for host, r := range routes {
		first := r.members[0]
		if r.owner == m.owner() || !modelTakes(p, first, r.oneLabel, m.host) {
			continue
		}
		if host != m.name() {
			if routes[m.name()] == nil {
				return false
			}
			continue
		}
		same := r.exposed != nil && subset(m.addresses, r.exposed.addresses) ||
			r.internal != nil && subset(m.addresses, r.internal.addresses)
		if !same {
			return false
		}
	}
	return true
}
