package haproxy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A proxy is a frontend, a backend, or a listen section, which is both.
type proxy struct {
	*section
	front, back bool
	http        bool // mode http
	disabled    bool
	remarks     []Remark // about its statements; they count once it is used

	// Of a frontend.
	binds     []*bind
	port      uint16                // that all connections come to; 0: there are several
	variables map[string]expression // that rules set for all connections
	fallback  fallback
	expects   []*condition // for whom a PROXY header is expected (expect-proxy)
	inspects  time.Duration
	stats     stats

	// Of both.
	acls     map[string][]*test
	rules    [stages][]*rule
	timeouts map[string]time.Duration
	maxconn  *statement

	// Of a backend.
	servers  []*server
	portless bool // a server has no port of its own
	pool     pool
}

// A fallback is a default_backend statement.
type fallback struct {
	backend string
	line    int
}

// remark notes what a statement of the proxy cannot do here.
func (p *proxy) remark(line int, format string, args ...any) {
	p.remarks = append(p.remarks, Remark{line, fmt.Sprintf(format, args...)})
}

// newProxy reads a section and the defaults before it.
func (im *importer) newProxy(s *section) *proxy {
	p := &proxy{section: s, acls: make(map[string][]*test), variables: make(map[string]expression),
		timeouts: make(map[string]time.Duration)}
	p.front = s.kind != "backend"
	p.back = s.kind != "frontend"
	p.pool = newPool()
	statements := s.all()
	im.work(len(statements))
	for _, st := range statements {
		switch {
		case st.words[0] == "acl" && st.problem == "":
			name := st.word(1)
			p.acls[name] = append(p.acls[name], im.newTest(st.line, st.from(2)))
		case st.words[0] == "acl":
			p.acls[st.word(1)] = append(p.acls[st.word(1)], &test{line: st.line, problem: st.problem})
		case st.words[0] == "mode":
			p.http = st.word(1) == "http"
		}
	}
	for _, st := range statements {
		im.read(p, st)
	}
	p.port = p.onePort()
	return p
}

// read takes in one statement. Those that have no counterpart and change nothing of what becomes of a connection (logs,
// what sniroute does anyway) are passed over; any other that is not taken in is a remark.
func (im *importer) read(p *proxy, st *statement) {
	if st.problem != "" && !isRule(st.words[0]) && st.words[0] != "acl" && st.words[0] != "bind" &&
		st.words[0] != "server" {
		p.remark(st.line, "%s: %s", st, st.problem)
		return
	}
	switch keyword := st.words[0]; keyword {
	case "acl", "mode", "log", "log-format", "log-format-sd", "error-log-format", "log-tag", "unique-id-format",
		"unique-id-header", "description", "id", "guid", "bind-process", "backlog", "declare", "capture", "clitcpka-cnt",
		"clitcpka-idle", "clitcpka-intvl", "srvtcpka-cnt", "srvtcpka-idle", "srvtcpka-intvl", "enabled", "grace",
		"errorfile", "errorfiles", "errorloc", "errorloc302", "errorloc303", "http-error", "retries", "retry-on",
		"fullconn", "http-reuse", "max-keep-alive-queue", "load-server-state-from-file", "server-state-file-name",
		"hash-balance-factor", "http-after-response", "http-response", "ignore-persist", "force-persist", "cookie",
		"http-send-name-header", "compression", "max-session-srv-conns":
	case "tcp-response":
		if slices.Contains(st.words, "reject") || slices.Contains(st.words, "close") {
			p.remark(st.line, "%s: what servers answer is passed on without being looked at", st)
		}
	case "disabled":
		p.disabled = true
	case "bind":
		im.readBind(p, st)
	case "default_backend":
		p.fallback = fallback{st.word(1), st.line}
	case "use_backend", "use-server", "tcp-request", "http-request", "redirect":
		im.readRule(p, st)
	case "timeout":
		p.readTimeout(st)
	case "maxconn":
		p.maxconn = st
	case "stats":
		p.stats.read(p, st)
	case "option":
		p.readOption(st, st.from(1), true)
	case "no":
		if st.word(1) == "option" {
			p.readOption(st, st.from(2), false)
		}
	case "server", "default-server", "server-template", "balance", "hash-type", "stick", "stick-table", "source",
		"tcp-check", "http-check", "dispatch", "external-check", "email-alert":
		p.pool.read(p, st)
	case "monitor", "monitor-uri", "monitor-net":
		p.remark(st.line, "%s: there is no monitoring address: /healthz on the status page answers such questions", st)
	case "rate-limit":
		p.remark(st.line, "%s: new connections are limited for each client alone (connection_rate_per_source)", st)
	case "filter":
		p.remark(st.line, "%s: connections cannot be filtered", st)
	default:
		p.remark(st.line, "%s: this statement is not known here", st)
	}
}

// isRule reports whether the statement decides about connections.
func isRule(keyword string) bool {
	switch keyword {
	case "use_backend", "use-server", "tcp-request", "http-request", "redirect":
		return true
	}
	return false
}

// readTimeout takes in a timeout; those that have no counterpart are covered by one that has.
func (p *proxy) readTimeout(st *statement) {
	switch name := st.word(1); name {
	case "client", "server", "tunnel", "connect":
		d, err := parseTime(st.word(2))
		if err != nil {
			p.remark(st.line, "%s: %v is not understood", st, err)
			return
		}
		p.timeouts[name] = d
	case "client-fin", "server-fin", "queue", "http-request", "http-keep-alive", "tarpit":
	case "check":
		p.remark(st.line, "%s: checks have no timeout of their own: connect_timeout is theirs too", st)
	default:
		p.remark(st.line, "%s: this timeout is not known here", st)
	}
}

// readOption takes in an option, or its opposite where on is false.
func (p *proxy) readOption(st *statement, words []string, on bool) {
	if len(words) == 0 {
		return
	}
	switch name := words[0]; name {
	case "ssl-hello-chk", "tcp-check", "httpchk", "ldap-check", "mysql-check", "pgsql-check", "redis-check", "smtpchk",
		"spop-check", "external-check":
		p.pool.setCheck(p, st, name, on)
	case "transparent", "http_proxy":
		if on {
			p.remark(st.line, "%s: only configured servers are connected to, never where a client wanted to go", st)
		}
	case "independent-streams":
		if on {
			p.remark(st.line, "%s: bytes either way keep a connection open", st)
		}
	case "forwardfor", "originalto":
		if on && p.http {
			p.remark(st.line, "%s: headers are not changed: send_proxy or source tell a backend the client's address", st)
		}
	default:
		// Logs, keep-alives, splicing, redispatching and more: done anyway, or about HTTP that is not looked into.
		if !strings.HasPrefix(name, "http") && !knownOption(name) {
			p.remark(st.line, "%s: this option is not known here", st)
		}
	}
}

// knownOption reports whether an option changes nothing of what becomes of a connection.
func knownOption(name string) bool {
	switch name {
	case "abortonclose", "accept-invalid-http-request", "accept-invalid-http-response", "allbackups", "checkcache",
		"clitcpka", "contstats", "disable-h2-upgrade", "dontlog-normal", "dontlognull", "h1-case-adjust-bogus-client",
		"h1-case-adjust-bogus-server", "idle-close-on-response", "log-health-checks", "log-separate-errors", "logasap",
		"nolinger", "persist", "prefer-last-server", "redispatch", "socket-stats", "splice-auto", "splice-request",
		"splice-response", "srvtcpka", "tcp-smart-accept", "tcp-smart-connect", "tcpka", "tcplog", "forceclose":
		return true
	}
	return false
}

// onePort returns the port that all connections to a frontend come to, or 0 where there are several.
func (p *proxy) onePort() uint16 {
	var port uint16
	for _, b := range p.binds {
		for _, a := range b.addresses {
			if port != 0 && a.at.Port() != port {
				return 0
			}
			port = a.at.Port()
		}
	}
	return port
}

// looksAtHello reports whether rules of these stages look at what clients send.
func (p *proxy) looksAtHello(stages ...stage) bool {
	for _, s := range stages {
		for _, r := range p.rules[s] {
			if slices.ContainsFunc(r.condition.tests(), (*test).waits) || len(r.dynamic) > 0 {
				return true
			}
		}
	}
	return false
}

// waits reports whether the test is of what a client sends.
func (t *test) waits() bool {
	switch t.what.name {
	case "src", "always_true", "always_false", "dst_port", "ssl_fc":
		return false
	}
	return t.problem == ""
}
