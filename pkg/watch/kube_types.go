package watch

import (
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The methods below make the slim types objects of the API machinery, so that client-go's Reflector can handle them.
// Objects are never changed once they are decoded, so a copy may share what they hold.

// GetObjectKind implements runtime.Object.
func (*Ingress) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// GetObjectKind implements runtime.Object.
func (*IngressClass) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// GetObjectKind implements runtime.Object.
func (*Service) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (i *Ingress) DeepCopyObject() runtime.Object { c := *i; return &c }

// DeepCopyObject implements runtime.Object.
func (c *IngressClass) DeepCopyObject() runtime.Object { d := *c; return &d }

// DeepCopyObject implements runtime.Object.
func (s *Service) DeepCopyObject() runtime.Object { c := *s; return &c }

// GetObjectMeta implements metav1.ObjectMetaAccessor.
func (i *Ingress) GetObjectMeta() metav1.Object { return i.Metadata.objectMeta() }

// GetObjectMeta implements metav1.ObjectMetaAccessor.
func (c *IngressClass) GetObjectMeta() metav1.Object { return c.Metadata.objectMeta() }

// GetObjectMeta implements metav1.ObjectMetaAccessor.
func (s *Service) GetObjectMeta() metav1.Object { return s.Metadata.objectMeta() }

func (i *Ingress) metadata() *Metadata      { return &i.Metadata }
func (c *IngressClass) metadata() *Metadata { return &c.Metadata }
func (s *Service) metadata() *Metadata      { return &s.Metadata }

// objectMeta returns what the Reflector looks at: the key, the version, and the annotation that ends the first events
// of a streamed list.
func (m *Metadata) objectMeta() *metav1.ObjectMeta {
	return &metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, ResourceVersion: m.ResourceVersion, Annotations: m.Annotations,
	}
}

// weight is about how many bytes an object takes in memory.
const weightOfObject = 400

func (i *Ingress) weight() int {
	n := weightOfObject + i.Metadata.weight() + i.Status.weight() + len(i.Spec.IngressClassName)
	for _, rule := range i.Spec.Rules {
		n += 16 + len(rule.Host)
	}
	return n
}

func (c *IngressClass) weight() int { return weightOfObject + c.Metadata.weight() }

func (s *Service) weight() int {
	return weightOfObject + s.Metadata.weight() + s.Status.weight() + 24*len(s.Spec.Ports)
}

func (m *Metadata) weight() int {
	n := len(m.Name) + len(m.Namespace) + len(m.ResourceVersion)
	for _, pairs := range []Pairs{m.Annotations, m.Labels} {
		for key, value := range pairs {
			n += len(key) + len(value)
		}
	}
	return n
}

func (s *BalancerStatus) weight() (n int) {
	for _, ingress := range s.LoadBalancer.Ingress {
		n += 32 + len(ingress.IP) + len(ingress.Hostname)
	}
	return n
}

// An object is one of the slim types.
type object interface {
	runtime.Object
	metadata() *Metadata
	weight() int
}

// A list is what the API server answers to a list request: one page, or what several pages held together.
type list[T any] struct {
	metav1.ListMeta `json:"metadata"`
	Items           []T `json:"items"`
}

// GetObjectKind implements runtime.Object.
func (*list[T]) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements runtime.Object.
func (l *list[T]) DeepCopyObject() runtime.Object { c := *l; return &c }

// Bounds on what an API server may make the daemon read and keep.
const (
	maxKept            = 16 << 20    // bytes of memory for the objects of one kind
	maxKeptOfNamespace = maxKept / 4 // nobody who may write to one namespace can push out the others
	maxDecoded         = 24 << 20    // bytes of memory for one list while it is read
	maxPage            = 16 << 20    // bytes of one page of a list
	objectsOfOnePage   = 250
	maxPages           = 200
	maxEventResponse   = 4 << 20 // bytes of one event; etcd stores no object over 1.5 MiB
	maxOtherResponse   = 1 << 20 // bytes of any other answer
)

var (
	errTooLarge = errors.New("the API server's answer is larger than any that sniroute expects")
	errTooMuch  = errors.New("the list is larger than what sniroute can keep")
)
