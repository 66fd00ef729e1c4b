package haproxy

import (
	"slices"
	"time"
)

// A pool is what a backend says about its servers as a whole.
type pool struct {
	defaults  server // of default-server
	balance   string
	check     string // of option: ssl-hello-chk, tcp-check, httpchk, ...
	checkAt   *statement
	client    bool // source 0.0.0.0 usesrc clientip
	stick     string
	stickSize int  // 0: not said
	templates bool // there are servers that are not listed
	expire    time.Duration
}

func newPool() pool {
	return pool{defaults: server{weight: 1}, balance: "roundrobin"}
}

// read takes in a statement about servers.
func (o *pool) read(p *proxy, st *statement) {
	switch st.words[0] {
	case "server":
		s := newServer(p, st, o.defaults)
		p.servers = append(p.servers, s)
		p.portless = p.portless || s.port == 0
	case "default-server":
		o.defaults.name = "default-server"
		o.defaults.options(p, st, st.from(1))
	case "server-template":
		o.templates = true
		p.remark(st.line, "%s: left out: servers have addresses, one each", st)
	case "dispatch":
		o.templates = true
		p.remark(st.line, "%s: left out: it is no server line", st)
	case "balance":
		switch algorithm := st.word(1); algorithm {
		case "roundrobin", "leastconn", "source":
			o.balance = algorithm
		case "static-rr":
			o.balance = "roundrobin"
		default:
			o.balance = "roundrobin"
			p.remark(st.line, "%s: it is roundrobin here: there are roundrobin, leastconn and source", st)
		}
	case "stick-table":
		o.readTable(p, st)
	case "stick":
		o.readStick(p, st)
	case "source":
		if st.word(2) == "usesrc" {
			var s server
			s.setSource(p, st, st.word(3))
			o.client = s.client
		} else {
			p.remark(st.line, "%s: left out: the router chooses the address, or the client's is kept", st)
		}
	case "tcp-check", "http-check":
		if st.word(1) != "comment" && st.word(1) != "connect" {
			p.remark(st.line, "%s: left out: checks are a connection (tcp) or a TLS handshake (tls)", st)
		}
	case "external-check", "email-alert":
		p.remark(st.line, "%s: left out: metrics tell who is up", st)
	}
}

// readTable takes in how much a stick table holds, for how long.
func (o *pool) readTable(p *proxy, st *statement) {
	for i, w := range st.words[:len(st.words)-1] {
		var err error
		switch w {
		case "size":
			o.stickSize, err = parseSize(st.words[i+1])
		case "expire":
			o.expire, err = parseTime(st.words[i+1])
		case "peers":
			p.remark(st.line, "%s: left out: peers: each daemon keeps its own table; balance source needs none", st)
		}
		if err != nil {
			p.remark(st.line, "%s: %v is not understood", st, err)
		}
	}
}

// readStick takes in what servers are remembered by: the client's address or the session id of the ClientHello, which
// is what payload_lv(43,1) is (the byte at 43 is its length).
func (o *pool) readStick(p *proxy, st *statement) {
	if slices.Contains(st.words, "table") {
		p.remark(st.line, "%s: left out: table: each backend has its own", st)
	}
	i := 2
	if st.word(1) == "store-response" || st.word(1) == "store-request" || st.word(1) == "match" || st.word(1) == "on" {
		switch x := parseExpression(st.word(i)); {
		case x.name == "src" && len(x.converters) == 0:
			o.stick = "source"
			return
		case x.name == "payload_lv" || x.name == "req.payload_lv" || x.name == "res.payload_lv":
			if x.arg(0) == "43" && x.arg(1) == "1" && len(x.converters) == 0 {
				o.stick = "session_id"
				return
			}
		}
	}
	p.remark(st.line, "%s: left out: clients are remembered by their address (stick source) or session id (session_id)",
		st)
}

// setCheck takes in how servers are checked.
func (o *pool) setCheck(p *proxy, st *statement, name string, on bool) {
	if !on {
		if o.check == name {
			o.check, o.checkAt = "", nil
		}
		return
	}
	o.check, o.checkAt = name, st
}
