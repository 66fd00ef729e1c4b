package haproxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A bind is a bind line: addresses to listen on.
type bind struct {
	line      int
	addresses []address
	tls       bool // terminated
	proxied   bool // accept-proxy
}

// An address is one to listen on. 0.0.0.0 is all of IPv4, [::] all of both families unless only6 is set.
type address struct {
	at    netip.AddrPort
	only6 bool
}

// String writes it as a listener takes it.
func (a address) String() string {
	if a.at.Addr() == netip.IPv6Unspecified() {
		return ":" + strconv.Itoa(int(a.at.Port()))
	}
	return a.at.String()
}

// covers reports whether who listens on a takes connections to b too.
func (a address) covers(b address) bool {
	if a.at.Port() != b.at.Port() {
		return false
	}
	switch a.at.Addr() {
	case b.at.Addr():
		return true
	case netip.IPv6Unspecified():
		return !a.only6 || b.at.Addr().Is6()
	case netip.IPv4Unspecified():
		return b.at.Addr().Is4()
	}
	return false
}

// readBind takes in a bind line (manual, section 5.1).
func (im *importer) readBind(p *proxy, st *statement) {
	b := &bind{line: st.line}
	problem := st.problem
	family := ""
	words := st.from(2)
	for i := 0; i < len(words); i++ {
		value := func() { i++ }
		switch w := words[i]; w {
		case "ssl", "crt", "crt-list", "ca-file", "verify":
			b.tls = true
			if w != "ssl" {
				value()
			}
		case "accept-proxy":
			b.proxied = true
		case "v4v6", "v6only":
			family = w
		case "interface", "namespace":
			problem = "listeners have addresses, not interfaces or network namespaces"
			value()
		case "transparent":
			problem = "listeners take only connections to the router itself"
		case "accept-netscaler-cip":
			problem = "NetScaler's header is not read"
			value()
		case "name", "id", "maxconn", "backlog", "nice", "process", "thread", "mss", "tcp-ut", "level", "severity-output",
			"user", "uid", "group", "gid", "mode", "shards", "alpn", "npn", "ciphers", "ciphersuites", "curves", "ecdhe",
			"ssl-min-ver", "ssl-max-ver", "tls-ticket-keys", "proto", "crl-file", "ca-verify-file", "ca-sign-file",
			"ca-sign-pass", "crt-ignore-err", "ca-ignore-err", "client-sigalgs", "sigalgs", "quic-cc-algo":
			value()
		}
	}
	for _, word := range strings.Split(st.word(1), ",") {
		addresses, err := parseBind(word, family)
		if err != nil && problem == "" {
			problem = err.Error()
		}
		b.addresses = append(b.addresses, addresses...)
	}
	if problem != "" && !b.tls {
		p.remark(st.line, "%s: left out: %s", st, problem)
		return
	}
	p.binds = append(p.binds, b)
}

// maxPorts bounds the range of ports of one address.
const maxPorts = 64

// parseBind reads an address to listen on: HOST:PORT, where HOST may be empty, * or a family and @ in front, and PORT
// may be a range.
func parseBind(word, family string) ([]address, error) {
	word = strings.TrimPrefix(strings.TrimPrefix(word, "tcp@"), "tcp4@")
	word, is4 := strings.CutPrefix(word, "ipv4@")
	word, is6 := strings.CutPrefix(word, "ipv6@")
	if strings.Contains(word, "@") || strings.HasPrefix(word, "/") {
		return nil, fmt.Errorf("%s is no TCP address", shown(word))
	}
	colon := strings.LastIndexByte(word, ':')
	if colon < 0 {
		return nil, fmt.Errorf("%s has no port", shown(word))
	}
	host, ports := strings.Trim(word[:colon], "[]"), word[colon+1:]
	low, high, isRange := strings.Cut(ports, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return nil, fmt.Errorf("%s has no port from 1 to 65535", shown(word))
	}
	if last-first >= maxPorts {
		return nil, fmt.Errorf("%s has more than %d ports", shown(word), maxPorts)
	}
	var ip netip.Addr
	switch {
	case (host == "" || host == "*") && is6:
		ip = netip.IPv6Unspecified()
	case host == "" || host == "*":
		ip = netip.IPv4Unspecified()
	default:
		var err error
		if ip, err = netip.ParseAddr(host); err != nil || ip.Zone() != "" || ip.IsMulticast() {
			return nil, fmt.Errorf("%s is no address of the router", shown(word))
		}
		ip = ip.Unmap()
		if is4 && !ip.Is4() || is6 && ip.Is4() {
			return nil, fmt.Errorf("%s is an address of another family", shown(word))
		}
	}
	var list []address
	for port := first; port <= last; port++ {
		only6 := family == "v6only" && ip == netip.IPv6Unspecified()
		list = append(list, address{netip.AddrPortFrom(ip, uint16(port)), only6})
	}
	return list, nil
}

// addresses returns where a frontend listens without terminating TLS: each once, none that another covers. What cannot
// be listened on, or is another listener's already, is a remark.
func (im *importer) addresses(p *proxy) []address {
	var list []address
	for _, b := range p.binds {
		if b.tls {
			continue
		}
		list = append(list, b.addresses...)
	}
	im.workAll(1+len(list), 1+len(list)+len(im.taken))
	both := func(a address) bool { // [::] for IPv6 alone, beside 0.0.0.0, is [::] for both
		for _, o := range list {
			if o.at == netip.AddrPortFrom(netip.IPv4Unspecified(), a.at.Port()) {
				return true
			}
		}
		return false
	}
	var kept []address
	for i, a := range list {
		if a.only6 {
			if !both(a) {
				p.remark(p.line, "%s: left out: [::]:%d for IPv6 alone, since a listener takes both families there",
					shown(p.name), a.at.Port())
				continue
			}
			a.only6 = false
		}
		covered := false
		for j, o := range list {
			if o.only6 && both(o) {
				o.only6 = false
			}
			if j != i && o.covers(a) && (o != a || j < i) {
				covered = true
			}
		}
		if !covered {
			kept = append(kept, a)
		}
	}
	var free []address
	for _, a := range kept {
		taken := false
		for _, o := range im.taken {
			if o.covers(a) || a.covers(o) {
				taken = true
			}
		}
		if taken {
			p.remark(p.line, "%s: left out: the address %s, which is another section's too", shown(p.name), a)
			continue
		}
		im.taken = append(im.taken, a)
		free = append(free, a)
	}
	return free
}
