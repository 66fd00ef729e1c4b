package watch

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Objects are what claims are made from, of all kinds. A further kind is a further field, a case in kindOf and a
// method that makes its claims.
type Objects struct {
	Ingresses      []*Ingress
	IngressClasses []*IngressClass
	Services       []*Service
}

// The types below hold only the fields that are used, named and nested as in the Kubernetes API. What else an object
// has is skipped while decoding and costs no memory.

// An Ingress is one of networking.k8s.io/v1; v1beta1 (and extensions/v1beta1) has the same fields.
type Ingress struct {
	Metadata Metadata `json:"metadata" yaml:"metadata"`
	Spec     struct {
		IngressClassName string        `json:"ingressClassName" yaml:"ingressClassName"`
		Rules            []IngressRule `json:"rules" yaml:"rules"`
	} `json:"spec" yaml:"spec"`
	Status BalancerStatus `json:"status" yaml:"status"`
}

// An IngressRule names a host; its paths and services are the ingress controller's business.
type IngressRule struct {
	Host string `json:"host" yaml:"host"`
}

// An IngressClass of networking.k8s.io/v1. Only its name and annotations are used.
type IngressClass struct {
	Metadata Metadata `json:"metadata" yaml:"metadata"`
}

// A Service of v1.
type Service struct {
	Metadata Metadata `json:"metadata" yaml:"metadata"`
	Spec     struct {
		Type  string        `json:"type" yaml:"type"`
		Ports []ServicePort `json:"ports" yaml:"ports"`
	} `json:"spec" yaml:"spec"`
	Status BalancerStatus `json:"status" yaml:"status"`
}

// A ServicePort is one port at which a Service answers.
type ServicePort struct {
	Port     uint16 `json:"port" yaml:"port"`
	Protocol string `json:"protocol" yaml:"protocol"` // empty: TCP
}

// A BalancerStatus says at which addresses a load balancer serves an object. A hostname there is never resolved.
type BalancerStatus struct {
	LoadBalancer struct {
		Ingress []BalancerIngress `json:"ingress" yaml:"ingress"`
	} `json:"loadBalancer" yaml:"loadBalancer"`
}

// A BalancerIngress is one address of a load balancer, or a name in its place.
type BalancerIngress struct {
	IP       IP     `json:"ip" yaml:"ip"`
	Hostname string `json:"hostname" yaml:"hostname"`
}

// Metadata is what every object has.
type Metadata struct {
	Name            string `json:"name" yaml:"name"`
	Namespace       string `json:"namespace" yaml:"namespace"`
	ResourceVersion string `json:"resourceVersion" yaml:"-"`
	Created         Time   `json:"creationTimestamp" yaml:"creationTimestamp"`
	Annotations     Pairs  `json:"annotations" yaml:"annotations"`
	Labels          Pairs  `json:"labels" yaml:"labels"`
}

// The annotations and labels that are read. Annotations that name targets are not among them: where a claim points to
// is what a load balancer reports, never what the author of an object writes.
const (
	annotationIngressClass = "kubernetes.io/ingress.class"
	annotationDefaultClass = "ingressclass.kubernetes.io/is-default-class"
	annotationHostname     = "external-dns.alpha.kubernetes.io/hostname"
	annotationInitialEnd   = "k8s.io/initial-events-end" // on the bookmark that ends WatchList's first events
	labelSolver            = "acme.cert-manager.io/http01-solver"
)

// Pairs are annotations or labels. Those that nothing reads are not kept: they are most of an object's bytes.
type Pairs map[string]string

func (p *Pairs) keep(all map[string]string) {
	*p = nil
	for key, value := range all {
		switch key {
		case annotationIngressClass, annotationDefaultClass, annotationHostname, annotationInitialEnd, labelSolver:
			if *p == nil {
				*p = make(Pairs, 1)
			}
			(*p)[key] = value
		}
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Pairs) UnmarshalJSON(data []byte) error {
	var all map[string]string
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	p.keep(all)
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *Pairs) UnmarshalYAML(node *yaml.Node) error {
	var all map[string]string
	if err := node.Decode(&all); err != nil {
		return err
	}
	p.keep(all)
	return nil
}

// A Time is a timestamp of RFC 3339, in UTC; zero where there is none.
type Time struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(data []byte) error {
	err := json.Unmarshal(data, &t.Time)
	t.Time = t.UTC()
	return err
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *Time) UnmarshalYAML(node *yaml.Node) error {
	if node.ShortTag() == "!!null" {
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, node.Value)
	if err != nil {
		return lineError(node, "%q is not a timestamp such as 2006-01-02T15:04:05Z", shorten(node.Value))
	}
	t.Time = parsed.UTC()
	return nil
}

// An IP is the text of an address. From a file it is an address or empty; from an API server, which has checked it,
// it may be anything, and what is no address is left out of the claims.
type IP string

// UnmarshalYAML implements yaml.Unmarshaler.
func (ip *IP) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(text); err != nil && text != "" {
		return lineError(node, "%q is not an IP address", shorten(text))
	}
	*ip = IP(text)
	return nil
}

// lineError is an error at a node, in the form that the YAML decoder collects and goes on after.
func lineError(node *yaml.Node, format string, args ...any) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: ", node.Line) + fmt.Sprintf(format, args...)}}
}

// shorten bounds a text from outside that becomes part of a message.
func shorten(text string) string { return clip(text, 80) }

// clip cuts a text at most so many bytes from its start, and shows that it did.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
