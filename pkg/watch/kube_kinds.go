package watch

import (
	"k8s.io/apimachinery/pkg/runtime"
)

// A kind is one kind of object that a Cluster reads.
type kind struct {
	resource  string // as in RBAC: "ingresses"
	group     string // empty: core
	version   string
	name      string // as in Claim.Object: "Ingress"
	newObject func() object
	newList   func() pages
	add       func(*Objects, object)
}

// path is where the objects of all namespaces are listed and watched.
func (k *kind) path() string {
	if k.group == "" {
		return "/api/" + k.version + "/" + k.resource
	}
	return "/apis/" + k.group + "/" + k.version + "/" + k.resource
}

// kindsOf returns the kinds that the values of the option `source` stand for. A further kind is a further entry.
func kindsOf(sources []string) []kind {
	var kinds []kind
	for _, source := range sources {
		switch source {
		case "ingress":
			kinds = append(kinds, makeKind[Ingress]("Ingress", "ingresses", "networking.k8s.io",
				func(o *Objects, i object) { o.Ingresses = append(o.Ingresses, i.(*Ingress)) }))
			kinds = append(kinds, makeKind[IngressClass]("IngressClass", "ingressclasses", "networking.k8s.io",
				func(o *Objects, c object) { o.IngressClasses = append(o.IngressClasses, c.(*IngressClass)) }))
		case "service":
			kinds = append(kinds, makeKind[Service]("Service", "services", "",
				func(o *Objects, s object) { o.Services = append(o.Services, s.(*Service)) }))
		}
	}
	return kinds
}

// makeKind returns the kind, in version v1, that is decoded into a T, of which a *T is an object.
func makeKind[T any](name, resource, group string, add func(*Objects, object)) kind {
	return kind{name: name, resource: resource, group: group, version: "v1", add: add,
		newObject: func() object { return any(new(T)).(object) }, newList: newPages[T]}
}

// Sources returns the values of the option `source` that a Cluster can read.
func Sources() []string { return []string{"ingress", "service"} }

// pages are the pages of a list, put together.
type pages interface {
	runtime.Object
	GetContinue() string
	// join appends a further page and takes over its version.
	join(runtime.Object)
	// weight is about how many bytes the objects take in memory.
	weight() int
}

func newPages[T any]() pages { return new(list[T]) }

func (l *list[T]) join(page runtime.Object) {
	next := page.(*list[T])
	l.Items, l.ListMeta = append(l.Items, next.Items...), next.ListMeta
}

func (l *list[T]) weight() (n int) {
	for i := range l.Items {
		n += any(&l.Items[i]).(object).weight()
	}
	return n
}

// idle reports whether an object makes no claim and changes none: most Services. It is not kept.
func idle(o object) bool {
	switch o := o.(type) {
	case *Service:
		return o.Spec.Type != "LoadBalancer" || o.Metadata.Annotations[annotationHostname] == ""
	case *IngressClass:
		return o.Metadata.Annotations[annotationDefaultClass] != "true"
	}
	return false
}
