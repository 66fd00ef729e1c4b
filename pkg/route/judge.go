package route

import (
	"fmt"
	"net/netip"
	"slices"
)

// An owner is who can own a host: one namespace of one source.
type owner struct{ source, namespace string }

func (o owner) String() string { return o.source + "/" + o.namespace }

// A candidate is a claim as policy reads it.
type candidate struct {
	*Claim
	host      string // normalised
	oneLabel  bool   // host is a wildcard that takes exactly one label
	owner     owner
	class     *Class // nil: no section selects it
	exposed   bool
	addresses []netip.Addr // admitted, sorted, distinct
	https     uint16
	http      uint16   // 0: it has no port for plain HTTP
	noDNS     bool     // only the domain '*' admits it
	except    []string // of a wildcard: domains below it where it takes nothing

	early, late *fault // the first rule that the claim fails by itself, before and after the rule of limits
}

// A fault is the rule that a claim fails, and a sentence about it.
type fault struct {
	reason Reason
	detail string
}

func faultf(reason Reason, format string, args ...any) *fault {
	return &fault{reason, fmt.Sprintf(format, args...)}
}

// judge applies the rules that concern one claim alone. idle says why the claim asks for nothing at all, if so.
//
// A claim of a class that is ignored is not our business, whatever its name. A claim without addresses is judged by its
// name first: a person looks for the wrong name, not for the missing address.
func (r *rules) judge(claim *Claim) (c *candidate, idle string) {
	c = &candidate{
		Claim: claim,
		owner: owner{claim.Source, claim.Object.Namespace},
		https: 443,
		http:  80,
	}
	s := r.sources[claim.Source]
	if s == nil {
		c.early = faultf(ReasonDomain, "the configuration has no such source, so it has no domains")
		return c, ""
	}
	host, problem := normalize(claim.Host)
	c.host = host
	c.class = s.class(claim, host)
	if c.class == nil && s.IgnoreOtherClasses {
		return c, "no class section selects it, and other classes are ignored"
	}
	if claim.NotAccepted != "" {
		c.early = &fault{ReasonNotAccepted, clip(claim.NotAccepted, 512)}
		return c, ""
	}
	if problem == "" {
		problem = r.names.never(host)
	}
	if problem != "" {
		c.early = &fault{ReasonName, problem}
		return c, ""
	}
	if c.early = r.judgeDomain(s, c); c.early != nil {
		return c, ""
	}
	c.exposed = c.class.exposes(claim.Object.Kind)
	c.ports()

	addresses := claim.Addresses
	if c.class != nil && len(c.class.Addresses) > 0 {
		addresses = c.class.Addresses
	}
	if len(addresses) == 0 && claim.StatusHostname == "" {
		return c, "the object has no address yet"
	}
	addresses = distinct(addresses)
	if len(addresses) > MaxAddresses {
		c.early = faultf(ReasonLimit, "it has %d addresses, a host may have %d", len(addresses), MaxAddresses)
		return c, ""
	}
	c.late = r.judgeTarget(s, c, addresses)
	return c, ""
}

// judgeDomain applies the rules of domains and of wildcards.
func (r *rules) judgeDomain(s *source, c *candidate) *fault {
	domain, admission := s.domains.decide(c.host)
	switch {
	case admission == nil:
		return faultf(ReasonDomain, "it lies outside the domains of %s", s.Name)
	case !admission.admits(c.owner.namespace):
		return faultf(ReasonDomain, "%s is for %s, not %s", domain, admission, c.owner.namespace)
	}
	c.noDNS = domain == "*"
	base, wildcard := cutWildcard(c.host)
	if !wildcard {
		return nil
	}
	c.oneLabel = c.OneLabel
	if c.Solver {
		return faultf(ReasonWildcard, "HTTP-01 cannot prove a wildcard (RFC 8555 8.3)")
	}
	if !s.Wildcards {
		return faultf(ReasonWildcard, "wildcards are off for %s (option wildcards)", s.Name)
	}
	c.except = s.domains.heldByOthers(base, c.owner.namespace)
	if lan := r.names.lan; lan != "" && below(lan, base) && !slices.Contains(c.except, lan) {
		c.except = append(c.except, lan)
		slices.Sort(c.except)
	}
	return nil
}

// ports fills in the ports: the object's own, else the class section's, else the defaults.
func (c *candidate) ports() {
	if c.class != nil {
		c.https, c.http = c.class.ports()
	}
	if c.HTTPSPort != 0 {
		c.https = c.HTTPSPort
	}
	if c.HTTPPort != 0 {
		c.http = c.HTTPPort
	}
	if c.Ports != nil && !slices.Contains(c.Ports, c.http) {
		c.http = 0 // at that address the port may be another Service's
	}
}

// ports returns the class section's ports, or the defaults.
func (c *Class) ports() (https, http uint16) {
	https, http = 443, 80
	if c.HTTPSPort != 0 {
		https = c.HTTPSPort
	}
	if c.HTTPPort != 0 {
		http = c.HTTPPort
	}
	return https, http
}

// judgeTarget applies the rules of targets, ports and static routes. Addresses that the class section gives are held to
// the same targets: what a capture sees of a source never lies outside them.
func (r *rules) judgeTarget(s *source, c *candidate, addresses []netip.Addr) *fault {
	kept, why := r.targets.admit(addresses, s.targets, c.dialled()...)
	c.addresses = kept
	switch {
	case len(addresses) == 0:
		return faultf(ReasonTarget, "its status names the host %q, and names are never resolved",
			clip(c.StatusHostname, maxName))
	case len(kept) == 0:
		return &fault{ReasonTarget, why}
	}
	if c.Solver {
		if c.http == 0 {
			return faultf(ReasonPort, "it has no TCP port for plain HTTP")
		}
	} else if c.exposed && c.Ports != nil && !slices.Contains(c.Ports, c.https) {
		return faultf(ReasonPort, "it has no TCP port %d", c.https)
	}
	if name := r.static.holder(c.host); name != "" {
		return faultf(ReasonStatic, "route %s has it", name)
	}
	return nil
}

// dialled returns the ports that a connection could be made to.
func (c *candidate) dialled() []uint16 {
	if c.Solver {
		return []uint16{c.http}
	}
	return []uint16{c.https, c.http}
}
