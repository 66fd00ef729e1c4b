package watch

import (
	"bytes"
	"fmt"
	"slices"
)

// Names in the cluster of what AccessManifest prints.
const (
	accessNamespace = "sniroute"
	accessName      = "sniroute"
	accessSecret    = "sniroute-token"
)

// AccessManifest returns the objects that give a router its access to a cluster, as YAML for `kubectl apply -f -`: a
// namespace, a ServiceAccount, a ClusterRole that may list and watch exactly what the sources ("ingress", "service")
// read, its binding, and a Secret that the cluster fills with a token for Enroll.
func AccessManifest(sources []string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `# What a router needs to follow this cluster with sniroute: it may list and watch what stands in the ClusterRole,
# and nothing else; it changes nothing. Afterwards, where kubectl and the router are within reach:
#
#   kubectl -n %[1]s get secret %[3]s -o json |
#     ssh root@ROUTER sniroute enroll https://ADDRESS-OF-THE-API-SERVER:6443
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: %[2]s
  namespace: %[1]s
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: %[2]s
rules:
`, accessNamespace, accessName, accessSecret)
	kinds := kindsOf(sources)
	for len(kinds) > 0 {
		group := kinds[0].group
		fmt.Fprintf(&out, "  - apiGroups: [%q]\n    resources:\n", group)
		for _, k := range kinds {
			if k.group == group {
				fmt.Fprintf(&out, "      - %s\n", k.resource)
			}
		}
		out.WriteString("    verbs: [list, watch]\n")
		kinds = slices.DeleteFunc(kinds, func(k kind) bool { return k.group == group })
	}
	fmt.Fprintf(&out, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: %[2]s
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: %[2]s
subjects:
  - kind: ServiceAccount
    name: %[2]s
    namespace: %[1]s
---
# The cluster writes a token that does not expire into this Secret. Delete the Secret to revoke the token.
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: %[3]s
  namespace: %[1]s
  annotations:
    kubernetes.io/service-account.name: %[2]s
`, accessNamespace, accessName, accessSecret)
	return out.Bytes()
}
