package route

import (
	"net/netip"
	"time"
)

// An Object names what a claim was read from, for example an Ingress.
type Object struct {
	Kind, Namespace, Name string
}

// String returns "KIND NS/NAME", the form that `sniroute routes` prints.
func (o Object) String() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

// A Claim is one host that one object of one source asks for. Sources say what the objects say and judge nothing:
// spelling, domains, targets, ownership and exposure are Build's business. An object with several hosts makes one
// claim for each.
type Claim struct {
	Source  string    // name of the cluster or manifests section
	Object  Object    // where it was read from
	Created time.Time // the object's creationTimestamp; zero is younger than all dated objects
	Host    string    // as the object spells it; may be a wildcard "*.NAME"
	Class   string    // IngressClass or GatewayClass; empty if the object has none
	Gateway string    // "NS/NAME" of the Gateway that a route is attached to; empty for other kinds

	// Addresses are those of the object's load-balancer status (or its Gateway's). A class section may replace them.
	Addresses []netip.Addr

	// HTTPSPort and HTTPPort are the ports that the object itself prescribes (a Gateway's listener); 0 where it does
	// not, and the class section or the default (443, 80) decides.
	HTTPSPort, HTTPPort uint16

	// Ports are the TCP ports that are open at the addresses, where the object says so (a Service); nil where it does
	// not. A claim is never exposed on a port that is not among them.
	Ports []uint16

	OneLabel bool // a wildcard host takes exactly one label (Ingress); otherwise one or more (Gateway API)
	Solver   bool // cert-manager's HTTP-01 solver: claims port-80 challenges alone

	// StatusHostname is the host name that the status gives in place of an address. It is never resolved: a claim
	// that has no address besides is refused.
	StatusHostname string

	// NotAccepted says in a sentence why the cluster itself did not accept the object for this host (a Gateway that
	// refused the route, for example). Empty: it did. Such a claim is only shown, as refused.
	NotAccepted string
}
