package api

import (
	"net/url"
	"strings"
)

// group returns the API group and version of a resource that the lab uses, and its kind.
func group(resource string) (group, kind string) {
	switch resource {
	case "namespaces":
		return "/api/v1", "Namespace"
	case "services":
		return "/api/v1", "Service"
	case "secrets":
		return "/api/v1", "Secret"
	case "serviceaccounts":
		return "/api/v1", "ServiceAccount"
	case "ingresses":
		return "/apis/networking.k8s.io/v1", "Ingress"
	case "ingressclasses":
		return "/apis/networking.k8s.io/v1", "IngressClass"
	case "clusterroles":
		return "/apis/rbac.authorization.k8s.io/v1", "ClusterRole"
	case "clusterrolebindings":
		return "/apis/rbac.authorization.k8s.io/v1", "ClusterRoleBinding"
	case "ipaddresspools":
		return "/apis/metallb.io/v1beta1", "IPAddressPool"
	case "customresourcedefinitions":
		return "/apis/apiextensions.k8s.io/v1", "CustomResourceDefinition"
	default:
		panic("api: the lab knows no resource " + resource)
	}
}

// Path returns the path of a resource, for example Path("ingresses") of all, Path("ingresses", NAMESPACE) of those in
// one namespace, Path("ingresses", NAMESPACE, NAME) of one, Path("ingresses", NAMESPACE, NAME, "status") of its
// status. The namespace of what has none is "".
func Path(resource string, names ...string) string {
	prefix, _ := group(resource)
	var path strings.Builder
	path.WriteString(prefix)
	if len(names) > 0 && names[0] != "" {
		path.WriteString("/namespaces/" + url.PathEscape(names[0]))
	}
	path.WriteString("/" + resource)
	for _, name := range names[min(1, len(names)):] {
		path.WriteString("/" + url.PathEscape(name))
	}
	return path.String()
}

// PathOf returns the path of an object by its kind, namespace and name.
func PathOf(object Object) string {
	kind, _ := object["kind"].(string)
	metadata := object.Metadata()
	namespace, _ := metadata["namespace"].(string)
	name, _ := metadata["name"].(string)
	resource := strings.ToLower(kind) + "s"
	if strings.HasSuffix(kind, "ss") {
		resource = strings.ToLower(kind) + "es"
	}
	return Path(resource, namespace, name)
}

// Metadata returns the object's metadata, never nil.
func (o Object) Metadata() map[string]any { return o.Map("metadata") }

// Namespace returns the object's namespace.
func (o Object) Namespace() string { return text(o.Metadata()["namespace"]) }

// Name returns the object's name.
func (o Object) Name() string { return text(o.Metadata()["name"]) }

// UID returns the object's UID.
func (o Object) UID() string { return text(o.Metadata()["uid"]) }

// Annotation returns one of the object's annotations, or "".
func (o Object) Annotation(name string) string {
	annotations, _ := o.Metadata()["annotations"].(map[string]any)
	return text(annotations[name])
}

// Map returns the map at a path of fields, never nil.
func (o Object) Map(fields ...string) map[string]any {
	at := map[string]any(o)
	for _, field := range fields {
		next, ok := at[field].(map[string]any)
		if !ok {
			return map[string]any{}
		}
		at = next
	}
	return at
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
