package route

import (
	"slices"
	"strings"
)

// domains are the names that a source may claim hosts at or below, each with the namespaces that may.
type domains map[string]*admission

// An admission says who may claim below a domain.
type admission struct {
	all        bool
	namespaces []string
}

func (a *admission) admits(namespace string) bool {
	return a.all || slices.Contains(a.namespaces, namespace)
}

// String names who is admitted, for Explain and refusals.
func (a *admission) String() string {
	if a.all {
		return "every namespace"
	}
	return "namespace " + strings.Join(a.namespaces, ", ")
}

// makeDomains joins entries for the same name: 'a.example.com ns=x' and 'a.example.com ns=y' admit both.
func makeDomains(list []Domain) domains {
	ds := make(domains, len(list))
	for _, d := range list {
		name := d.Name
		if name != "*" {
			var problem string
			if name, problem = normalize(name); problem != "" {
				continue // admits nothing
			}
		}
		a := ds[name]
		if a == nil {
			a = &admission{}
			ds[name] = a
		}
		if d.Namespace == "" {
			a.all = true
		} else if !slices.Contains(a.namespaces, d.Namespace) {
			a.namespaces = append(a.namespaces, d.Namespace)
		}
	}
	return ds
}

// decide returns the most specific domain that host lies at or below, "*" where only that fits, "" where none does. A
// wildcard lies where its base does.
func (ds domains) decide(host string) (domain string, a *admission) {
	for name, ok := stripWildcard(host), true; ok; name, ok = parent(name) {
		if a := ds[name]; a != nil {
			return name, a
		}
	}
	if a := ds["*"]; a != nil {
		return "*", a
	}
	return "", nil
}

// heldByOthers returns the domains below base that do not admit the namespace, sorted. A wildcard of that namespace does
// not take names there: the most specific domain decides, for each name that a wildcard would take too. Below such a
// domain the wildcard takes nothing at all, even where a still more specific domain admits its namespace.
func (ds domains) heldByOthers(base, namespace string) []string {
	var held []string
	for name, a := range ds {
		if below(name, base) && !a.admits(namespace) {
			held = append(held, name)
		}
	}
	slices.Sort(held)
	return held
}

func stripWildcard(host string) string {
	base, _ := cutWildcard(host)
	return base
}
