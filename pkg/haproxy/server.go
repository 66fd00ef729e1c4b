package haproxy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A server is a server line with the default-server lines before it.
type server struct {
	line       int
	name       string
	ip         netip.Addr
	port       int // 0: that of the client's connection, and offset
	offset     int // added to the client's port
	weight     int // 0: only for use-server
	backup     bool
	disabled   bool
	check      bool
	checkTLS   bool
	checkPort  int    // 0: the server's
	proxy      string // PROXY protocol: "", "v1" or "v2"
	client     bool   // source 0.0.0.0 usesrc clientip
	inter      time.Duration
	rise, fall int
	problem    string // why it is left out
}

// newServer reads the words behind "server NAME" on top of defaults, which it gets a copy of.
func newServer(p *proxy, st *statement, defaults server) *server {
	s := &defaults
	s.line, s.name = st.line, st.word(1)
	if st.problem != "" {
		s.problem = st.problem
	}
	if err := s.setAddress(st.word(2)); err != nil {
		s.problem = err.Error()
	}
	s.options(p, st, st.from(3))
	return s
}

// setAddress reads where the server is (manual, section 4.2, server).
func (s *server) setAddress(word string) error {
	text, _ := strings.CutPrefix(word, "tcp@")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "ipv4@"), "ipv6@")
	if strings.Contains(text, "@") || strings.HasPrefix(text, "/") || text == "" {
		return fmt.Errorf("%s is no address of a machine: have the other side listen on 127.0.0.1", shown(word))
	}
	host, port := text, ""
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:colon], text[colon+1:]
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err != nil && host != "" && host != "*":
		return fmt.Errorf("%s is a host name: servers have addresses, so that routing never waits for DNS", shown(host))
	case err != nil, ip.IsUnspecified():
		return errors.New("only configured servers are connected to, never where a client wanted to go")
	case ip.IsMulticast() || ip.IsLinkLocalUnicast() || ip.Zone() != "":
		return fmt.Errorf("%s is no address of a machine that is known everywhere", shown(host))
	}
	s.ip = ip.Unmap()
	if port == "" {
		return nil
	}
	n, err := strconv.ParseInt(port, 10, 32)
	switch {
	case err != nil:
		return fmt.Errorf("%s has no port that is a number", shown(word))
	case port[0] == '+' || port[0] == '-':
		s.offset = int(n)
	case n < 1 || n > 65535:
		return fmt.Errorf("%s has no port from 1 to 65535", shown(word))
	default:
		s.port = int(n)
	}
	return nil
}

// at returns the server's address for clients that came to port, or false where there is none.
func (s *server) at(port uint16) (netip.AddrPort, bool) {
	n := s.port
	if n == 0 {
		if port == 0 {
			return netip.AddrPort{}, false
		}
		n = int(port) + s.offset
	}
	if n < 1 || n > 65535 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(s.ip, uint16(n)), true
}

// options reads what stands behind the address (manual, section 5.2).
func (s *server) options(p *proxy, st *statement, words []string) {
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		takes := true
		switch w := words[i]; w {
		case "weight":
			s.weight = s.number(p, st, w, value, 0, 256)
		case "inter":
			d, err := parseTime(value)
			if err != nil {
				p.remark(st.line, "server %s: %v is not understood", shown(s.name), err)
			} else {
				s.inter = d
			}
		case "rise":
			s.rise = s.number(p, st, w, value, 1, 1<<30)
		case "fall":
			s.fall = s.number(p, st, w, value, 1, 1<<30)
		case "source":
			if i+3 < len(words) && words[i+2] == "usesrc" {
				s.setSource(p, st, words[i+3])
				i += 2
			} else {
				p.remark(st.line, "server %s: left out: source %s: the router chooses the address, or the client's is kept",
					shown(s.name), shown(value))
			}
		case "port":
			s.checkPort = s.number(p, st, w, value, 1, 65535)
		case "addr":
			p.remark(st.line, "server %s: left out: %s %s: checks go where connections go", shown(s.name), w, shown(value))
		case "fastinter", "downinter":
			p.remark(st.line, "server %s: left out: %s: check_interval holds in all states", shown(s.name), w)
		case "maxconn", "minconn", "maxqueue", "slowstart", "on-marked-down", "on-marked-up", "on-error", "track",
			"agent-addr", "agent-inter", "agent-port", "agent-send", "proxy-v2-options":
			p.remark(st.line, "server %s: left out: %s %s", shown(s.name), w, shown(value))
		case "socks4", "namespace":
			s.problem = w + " has no counterpart: servers are connected to directly"
		case "resolvers", "init-addr", "resolve-prefer", "resolve-net", "resolve-opts", "cookie", "id", "observe",
			"error-limit", "tcp-ut", "verify", "verifyhost", "ca-file", "crl-file", "crt", "ciphers", "ciphersuites", "curves",
			"sni", "alpn", "npn", "check-sni", "check-alpn", "check-proto", "ssl-min-ver", "ssl-max-ver", "proto", "ws",
			"pool-low-conn", "pool-max-conn", "pool-purge-delay", "max-reuse", "shard", "log-proto", "redir", "guid",
			"client-sigalgs", "sigalgs":
		default:
			takes = false
			s.flag(p, st, w)
		}
		if takes {
			i++
		}
	}
}

// flag reads a word without a value.
func (s *server) flag(p *proxy, st *statement, word string) {
	switch word {
	case "backup", "no-backup":
		s.backup = word == "backup"
	case "check", "no-check":
		s.check = word == "check"
	case "check-ssl", "no-check-ssl":
		s.checkTLS = word == "check-ssl"
	case "disabled", "enabled":
		s.disabled = word == "disabled"
	case "send-proxy":
		s.proxy = "v1"
	case "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn":
		s.proxy = "v2"
	case "no-send-proxy", "no-send-proxy-v2", "no-send-proxy-v2-ssl", "no-send-proxy-v2-ssl-cn":
		s.proxy = ""
	case "ssl":
		s.problem = "TLS to a server is the client's, passed on as it is: none is added"
	case "no-ssl":
	case "agent-check":
		p.remark(st.line, "server %s: left out: %s", shown(s.name), word)
	case "check-send-proxy", "check-via-socks4", "no-agent-check", "no-check-send-proxy", "no-verifyhost", "ssl-reuse",
		"no-ssl-reuse", "tfo", "no-tfo", "stick", "non-stick", "allow-0rtt", "tls-tickets", "no-tls-tickets":
	default:
		if !strings.HasPrefix(word, "force-") && !strings.HasPrefix(word, "no-tls") && !strings.HasPrefix(word, "no-ssl") {
			p.remark(st.line, "server %s: %s is not known here", shown(s.name), shown(word))
		}
	}
}

// setSource reads the address that a server is to see.
func (s *server) setSource(p *proxy, st *statement, from string) {
	switch from {
	case "clientip", "client":
		s.client = true
	default:
		p.remark(st.line, "%s: left out: usesrc %s: a server sees the router's address or the client's", st, shown(from))
	}
}

// number reads a number; what is none, or out of bounds, becomes the nearest bound, with a remark.
func (s *server) number(p *proxy, st *statement, option, word string, least, most int) int {
	n, err := parseInt(word)
	if err != nil {
		p.remark(st.line, "server %s: %s %s is no number", shown(s.name), option, shown(word))
		return least
	}
	return min(max(n, least), most)
}
