package watch

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
)

const (
	maxHostLength = 300 // a host beyond that is cut: it is refused all the same (253), and costs no more memory
	maxAddresses  = 256 // of one object; route refuses more than 64
	maxPorts      = 1_024
)

// Claims returns what the objects ask for, sorted by kind, namespace and name. It is a pure function: the order of the
// objects does not matter. Claims of one object share their slices, which nobody may change.
func (o *Objects) Claims(source string) []route.Claim {
	var claims []route.Claim
	defaultClass := o.defaultClass()
	for _, ingress := range sorted(o.Ingresses, func(i *Ingress) *Metadata { return &i.Metadata }) {
		claims = ingress.appendClaims(claims, source, defaultClass)
	}
	for _, service := range sorted(o.Services, func(s *Service) *Metadata { return &s.Metadata }) {
		claims = service.appendClaims(claims, source)
	}
	return claims
}

// defaultClass returns the IngressClass of Ingresses that name none. Where several are marked, the newest counts, then
// the first by name: as in the API server's admission plugin DefaultIngressClass.
func (o *Objects) defaultClass() string {
	var best *Metadata
	for _, class := range o.IngressClasses {
		m := &class.Metadata
		if m.Annotations[annotationDefaultClass] != "true" {
			continue
		}
		if best == nil || m.Created.After(best.Created.Time) ||
			m.Created.Equal(best.Created.Time) && m.Name < best.Name {
			best = m
		}
	}
	if best == nil {
		return ""
	}
	return best.Name
}

// appendClaims adds a claim for each host of the rules. Hosts of spec.tls and empty hosts claim nothing.
func (i *Ingress) appendClaims(claims []route.Claim, source, defaultClass string) []route.Claim {
	class := i.ownClass()
	if i.takesDefault() {
		class = defaultClass
	}
	common := i.Metadata.claim(source, "Ingress")
	common.Class = class
	common.Addresses, common.StatusHostname = i.Status.addresses()
	common.Solver = i.Metadata.Labels[labelSolver] == "true"
	hosts := make([]string, len(i.Spec.Rules))
	for n, rule := range i.Spec.Rules {
		hosts[n] = rule.Host
	}
	return appendHosts(claims, common, hosts, true)
}

// ownClass returns the class that the Ingress names. The annotation "must be given precedence over" the field
// (documentation of IngressSpec.ingressClassName), and an Ingress that has it, even empty, gets no default class.
func (i *Ingress) ownClass() string {
	return cmp.Or(i.Metadata.Annotations[annotationIngressClass], i.Spec.IngressClassName)
}

// takesDefault reports whether the default IngressClass is the Ingress's class.
func (i *Ingress) takesDefault() bool {
	_, annotated := i.Metadata.Annotations[annotationIngressClass]
	return !annotated && i.Spec.IngressClassName == ""
}

// A naming is what an object itself says about its class.
type naming struct {
	own          string // empty for most kinds
	takesDefault bool
}

// namings returns what tells the naming of an object.
func (o *Objects) namings() func(route.Object) naming {
	namings := make(map[route.Object]naming, len(o.Ingresses))
	for _, i := range o.Ingresses {
		namings[route.Object{Kind: "Ingress", Namespace: i.Metadata.Namespace, Name: i.Metadata.Name}] =
			naming{i.ownClass(), i.takesDefault()}
	}
	return func(object route.Object) naming { return namings[object] }
}

// appendClaims adds a claim for each name in the hostname annotation of a Service of type LoadBalancer.
func (s *Service) appendClaims(claims []route.Claim, source string) []route.Claim {
	hostnames := s.Metadata.Annotations[annotationHostname]
	if hostnames == "" || s.Spec.Type != "LoadBalancer" {
		return claims
	}
	common := s.Metadata.claim(source, "Service")
	common.Addresses, common.StatusHostname = s.Status.addresses()
	common.Ports = s.ports()
	return appendHosts(claims, common, strings.Split(hostnames, ","), false)
}

// ports returns the TCP ports, sorted, at most maxPorts of those that stand first. It is never nil: a Service says which
// ports it has.
func (s *Service) ports() []uint16 {
	ports := make([]uint16, 0, min(len(s.Spec.Ports), maxPorts))
	for _, port := range s.Spec.Ports {
		if len(ports) == maxPorts {
			break
		}
		if port.Protocol == "" || port.Protocol == "TCP" {
			ports = append(ports, port.Port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// appendHosts adds a copy of the claim for each host, once for a host that is named several times.
func appendHosts(claims []route.Claim, common route.Claim, hosts []string, oneLabel bool) []route.Claim {
	seen := make(map[string]bool, len(hosts))
	for _, host := range hosts {
		host = cut(strings.TrimSpace(host))
		if host == "" || seen[host] {
			continue
		}
		seen[host] = true
		common.Host = host
		common.OneLabel = oneLabel && strings.HasPrefix(host, "*.")
		claims = append(claims, common)
	}
	return claims
}

// claim returns what all claims of the object share.
func (m *Metadata) claim(source, kind string) route.Claim {
	return route.Claim{
		Source:  source,
		Object:  route.Object{Kind: kind, Namespace: m.Namespace, Name: m.Name},
		Created: m.Created.Time,
	}
}

// addresses returns the addresses of the load balancer, without what is none, and the first host name.
func (s *BalancerStatus) addresses() (addresses []netip.Addr, hostname string) {
	for _, ingress := range s.LoadBalancer.Ingress {
		address, err := netip.ParseAddr(string(ingress.IP))
		if err == nil && len(addresses) < maxAddresses {
			addresses = append(addresses, address)
		}
		if hostname == "" {
			hostname = cut(ingress.Hostname)
		}
	}
	return addresses, hostname
}

// cut bounds a host name. One that is too long to be valid stays so.
func cut(host string) string {
	return host[:min(len(host), maxHostLength)]
}

// sorted returns the objects by namespace and name, without changing the slice that it is given.
func sorted[T any](objects []*T, metadata func(*T) *Metadata) []*T {
	objects = slices.Clone(objects)
	slices.SortFunc(objects, func(a, b *T) int {
		x, y := metadata(a), metadata(b)
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	return objects
}

// equalClaims reports whether two lists say the same in the same order.
func equalClaims(a, b []route.Claim) bool {
	return slices.EqualFunc(a, b, func(x, y route.Claim) bool {
		return x.Source == y.Source && x.Object == y.Object && x.Created.Equal(y.Created) && x.Host == y.Host &&
			x.Class == y.Class && x.Gateway == y.Gateway && slices.Equal(x.Addresses, y.Addresses) &&
			x.HTTPSPort == y.HTTPSPort && x.HTTPPort == y.HTTPPort &&
			(x.Ports == nil) == (y.Ports == nil) && slices.Equal(x.Ports, y.Ports) &&
			x.OneLabel == y.OneLabel && x.Solver == y.Solver && x.StatusHostname == y.StatusHostname &&
			x.NotAccepted == y.NotAccepted
	})
}

// limitClaims keeps at most the given number of claims. The namespaces with the most claims lose first, and in each the
// youngest objects, so that nobody can push out another by claiming much. It returns how many were left out.
func limitClaims(claims []route.Claim, most int) ([]route.Claim, int) {
	if len(claims) <= most {
		return claims, 0
	}
	perNamespace := make(map[string]int)
	for i := range claims {
		perNamespace[claims[i].Object.Namespace]++
	}
	// The quota is the largest number that all namespaces may have without exceeding the limit together.
	counts := make([]int, 0, len(perNamespace))
	for _, count := range perNamespace {
		counts = append(counts, count)
	}
	slices.Sort(counts)
	quota, room := 0, most
	for i, count := range counts {
		quota = room / (len(counts) - i)
		if count > quota {
			break
		}
		room -= count
	}

	byAge := make([]int, len(claims))
	for i := range byAge {
		byAge[i] = i
	}
	slices.SortStableFunc(byAge, func(i, j int) int {
		x, y := claims[i].Created, claims[j].Created
		if x.IsZero() != y.IsZero() { // an undated object is younger than all others
			if x.IsZero() {
				return 1
			}
			return -1
		}
		return x.Compare(y)
	})
	clear(perNamespace)
	keep := make([]bool, len(claims))
	for _, i := range byAge {
		namespace := claims[i].Object.Namespace
		if perNamespace[namespace] < quota {
			perNamespace[namespace]++
			keep[i] = true
		}
	}
	kept := make([]route.Claim, 0, most)
	for i := range claims {
		if keep[i] {
			kept = append(kept, claims[i])
		}
	}
	return kept, len(claims) - len(kept)
}
