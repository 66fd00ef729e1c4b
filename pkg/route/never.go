package route

import "strings"

// nameRules are what Build and Explain know about names: which are never claimed, which the router answers itself, and
// which domains the sources have. It shares no memory with the Policy.
type nameRules struct {
	lan     string          // the LAN's own domain
	own     map[string]bool // the router's names
	api     map[string]bool // names of API servers
	local   map[string]bool // names that the router's own DNS records hold
	domains []sourceDomains // in the order of the configuration
}

type sourceDomains struct {
	source  string
	domains domains
}

func makeNameRules(p *Policy) nameRules {
	n := nameRules{
		own:   normalized(p.Router.Names),
		api:   normalized(p.Router.APINames),
		local: normalized(p.Router.LocalNames),
	}
	n.lan, _ = normalize(p.Router.Domain)
	for i := range p.Sources {
		n.domains = append(n.domains, sourceDomains{p.Sources[i].Name, makeDomains(p.Sources[i].Domains)})
	}
	return n
}

// normalized returns the set of names; those that are not spelled like one can match nothing and are left out.
func normalized(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		if name, problem := normalize(name); problem == "" {
			set[name] = true
		}
	}
	return set
}

// never returns why no claim may have host, whatever the domains of its source are, or "". Each of these names would
// let a cluster speak for the router, for the LAN, or for strangers. host is normalised.
func (n *nameRules) never(host string) string {
	name, wildcard := cutWildcard(host)
	switch {
	case !strings.Contains(name, "."):
		if wildcard {
			return "a wildcard needs at least two labels below it"
		}
		return "a single label is a name of the LAN"
	case numericTop(name):
		return "it reads as an IP address"
	case atOrBelow(name, "localhost"), !wildcard && strings.HasPrefix(name, "localhost."):
		return "localhost is each machine itself (RFC 6761 6.3)"
	case atOrBelow(name, "local"):
		return ".local belongs to multicast DNS (RFC 6762)"
	case n.lan != "" && atOrBelow(name, n.lan):
		return "it lies in the LAN's own domain " + n.lan
	case !wildcard && strings.HasPrefix(name, "wpad."):
		return "browsers take their proxy settings from wpad"
	case !wildcard && n.own[name]:
		return "it is the router's own name"
	case !wildcard && n.api[name]:
		return "it is an API server's name"
	case isPublicSuffix(name):
		return name + " is a public suffix: anybody may hold names below it"
	}
	return ""
}

// reserved reports whether a wildcard claim must leave name alone although it lies below: the rules of never that
// concern single names. (Its domains are in Route.except.) It does not allocate.
func (n *nameRules) reserved(name []byte) bool {
	if n.own[string(name)] || n.api[string(name)] {
		return true
	}
	for _, label := range neverBelow() {
		if hasLabel(name, label) {
			return true
		}
	}
	return false
}

// neverBelow returns the first labels that no claim may have. DNS can keep them from a wildcard directly below its base
// alone, which is where browsers look.
func neverBelow() [2]string { return [...]string{"wpad", "localhost"} }

// hasLabel reports whether the first label of name is label.
func hasLabel(name []byte, label string) bool {
	return len(name) > len(label) && name[len(label)] == '.' && string(name[:len(label)]) == label
}
