package main

// A difference is what sniroute, as the import's remarks say, does other than HAProxy with a file.
type difference struct {
	hello             string // empty: all for which the rest is so
	haproxy, sniroute string
	why               string
}

// differences returns those that are known, for each file.
func differences() map[string][]difference {
	const oneBackend = "a host has one backend for all clients"
	return map[string][]difference{
		"anonymous.cfg": {
			{"cloud.example.com", "web", "cloud", oneBackend},
			{"admin.example.com from 127.1.0.1", "web", refused, oneBackend + ": it is for the LAN, others are refused"},
		},
		"beginning.cfg": {
			{"", "web", refused, "a name's beginning is nothing that a route can tell apart: what may be rejected is refused"},
			{"", "k8s", refused, "a name's beginning is nothing that a route can tell apart: what may be rejected is refused"},
		},
		"horizon.cfg": {
			{"", "nas_lan", "nas", "a listener has one default backend for all clients"},
			{"cloud.example.com", "cloud_lan", "cloud", oneBackend},
			{"admin.example.com from 127.1.0.1", "nas", refused, oneBackend + ": it is for the LAN, others are refused"},
		},
		"map.cfg": {
			{"no name", "bk_default", "bk_other", "names without a route and no name have one default backend"},
		},
		"order.cfg": {
			{"badexample.com", "sixth", "last", "a route is a name and those below it, not all that merely end so"},
		},
		"regular.cfg": {
			{"a.b.apps.example.com", "b_rest", "b_apps", "a wildcard takes names with any number of labels more"},
			{"node7.example.com", "b_numbers", "b_rest", "a route has no regular expression"},
		},
		"ssh.cfg": {
			{"HTTP", "cloud", "ssh", "what is not TLS has one backend"},
			{"zeros", "cloud", "ssh", "what is not TLS has one backend"},
			{"silence", "cloud", "ssh", "what is not TLS has one backend"},
		},
		"strict.cfg": {
			{"", "k8s", "web", "what a name contains is nothing that a route can tell apart"},
		},
	}
}

// explain says why the two differ. It reports false where nothing explains it, or where they agree and should not.
func (r result) explain(all []result, known []difference) (why string, explained bool) {
	if r.hello.as != "" && r.haproxy != r.sniroute {
		want := refused
		for _, o := range all {
			if o.front == r.front && o.hello.name == r.hello.as {
				want = o.sniroute // which is compared itself
			}
		}
		if r.sniroute == want {
			return r.hello.why, true
		}
	}
	for _, k := range known {
		if k.hello != "" && k.hello != r.hello.name {
			continue
		}
		if k.haproxy == r.haproxy && k.sniroute == r.sniroute {
			return k.why, true
		}
		if k.hello != "" {
			return "it is said to be different: " + k.why, false
		}
	}
	return "", r.haproxy == r.sniroute
}
