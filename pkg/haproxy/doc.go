// Package haproxy reads an haproxy.cfg and says the same as a configuration of sniroute:
//
//	file, remarks, err := haproxy.Import(text, os.ReadFile)
//
// What it returns does what HAProxy does with that file, as far as sniroute can, and a remark for each thing that it
// cannot: one line, with the line of haproxy.cfg that it is about and the reason. Terminated TLS, HTTP rules and host
// names as servers are such things.
//
// HAProxy decides by rules, of which the first that applies counts. sniroute has routes, of which the most specific
// counts. So rules are not translated one by one. Instead, every name that the file mentions, every wildcard, the rest
// of all names, connections without a name, those of other protocols, and every group of client addresses is sent
// through the rules, and what becomes of it is written down: as routes, default_backend, non_tls, allow and deny. A
// condition may be undecided for such a population (names that begin with 'git', the time of day). Then:
//
//   - A rule that rejects is taken to reject all of it. What might be rejected is never let in.
//   - Any other rule is left out for it.
//
// Either is a remark. Conditions know the criteria that TCP frontends use: req.ssl_sni and all its ways of matching,
// src, req.ssl_hello_type, req.ssl_alpn, the first bytes of other protocols, maps, files of patterns, and for plain
// HTTP the Host header. HAProxy's manual (2.6, sections 2, 4, 5 and 7) and its sources (tools.c, acl.c) are what this
// follows.
//
// A file is data from whoever wrote it: its size and that of the files that it names are bounded, and so is the work.
package haproxy
