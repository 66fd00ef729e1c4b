package api

import "testing"

func TestPath(t *testing.T) {
	for _, test := range []struct {
		got, want string
	}{
		{Path("ingresses"), "/apis/networking.k8s.io/v1/ingresses"},
		{Path("ingresses", "blog"), "/apis/networking.k8s.io/v1/namespaces/blog/ingresses"},
		{Path("ingresses", "blog", "app1", "status"), "/apis/networking.k8s.io/v1/namespaces/blog/ingresses/app1/status"},
		{Path("clusterroles", "", "system:node"), "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node"},
		{Path("services", "a", "b/c"), "/api/v1/namespaces/a/services/b%2Fc"},
		{PathOf(object("Ingress", "blog", "app1")), Path("ingresses", "blog", "app1")},
		{PathOf(object("IngressClass", "", "nginx")), Path("ingressclasses", "", "nginx")},
		{PathOf(object("Namespace", "", "blog")), "/api/v1/namespaces/blog"},
		{PathOf(object("IPAddressPool", "metallb-system", "external")),
			"/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/external"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

func object(kind, namespace, name string) Object {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return Object{"kind": kind, "metadata": metadata}
}
