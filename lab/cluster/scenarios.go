package main

// scenarios returns all of them, in the order in which they run.
func scenarios() []Scenario {
	return []Scenario{
		{"the blog post as it stands", blogPost},
		{"OAuth2 Proxy's Ingress for the same host in another namespace", oauth2Proxy},
		{"a cert-manager solver comes and goes", solver},
		{"the class as annotation", classAnnotation},
		{"the default class", defaultClass},
		{"a Service with a host name", serviceHostname},
		{"a node asks the router's DNS", nodeQuery},
		{"MetalLB moves an address", moveAddress},
		{"an Ingress is deleted", deleted},
		{"an Ingress changes class", classChanges},
		{"the status is emptied and refilled", emptied},
		{"the API server is killed and restarted", apiRestarted},
		{"the API server gets another certificate", apiReplaced},
		{"the token is revoked and replaced", tokenRevoked},
		{"the cluster is away for long", offline},
		{"the router restarts while the cluster is down", routerRestarted},
		{"the router has no clock", noClock},
		{"the cluster is not there at the first start", firstStart},
		{"history is compacted during an outage of the watch", compacted},
		{"RBAC forbids one kind", forbidden},
		{"a kubeconfig that runs a program", execPlugin},
		{"a kubeconfig with a client certificate", clientCertificate},
		{"an administrator's kubeconfig", adminKubeconfig},
		{"hostile objects", hostile},
		{"wildcards", wildcards},
		{"from apply to routed", latency},
		{"3,000 Ingresses in a burst", burst},
		{"two clusters", twoClusters},
		{"two routers", twoRouters},
		{"nothing else was ever dialled", nothingElseDialled},
	}
}
