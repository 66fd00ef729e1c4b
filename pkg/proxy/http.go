package proxy

import (
	"fmt"
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
)

// A plain-HTTP listener serves what must not be TLS: challenges by which an ACME server convinces itself that a host is
// ours. The rest is redirected to https, or routed by Host as TLS is by SNI.

// Answers that end a connection.
const (
	badRequest = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	notFound   = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	badGateway = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

// peekRequest judges what was received on a plain-HTTP listener, of which it was shown so many bytes before. It reports
// false where more must arrive first.
func (c *conn) peekRequest(l *loop, received []byte, before int) (decided, done bool) {
	head, complete, ok := readRequest(received[c.header:], max(before-int(c.header), 0))
	switch {
	case !ok:
		return true, c.refuse(l, decision{backend: route.NoBackend, refused: rejectMalformed, answer: badRequest})
	case !complete:
		return false, false
	}
	d := decideRequest(l.plan, &l.listeners[c.listener].Listener, &head, c.clientAddress())
	d.name = head.host
	return true, c.forward(l, d, received)
}

// decideRequest chooses for a complete request head. As for TLS, a host that is not exposed is refused as an unknown one.
func decideRequest(p *plan, l *Listener, head *requestHead, client netip.Addr) decision {
	var r *route.Route
	if len(head.host) > 0 {
		r = p.table.Lookup(l.Name, head.host, nil)
	}
	if head.isChallenge() {
		d := decideChallenge(p, l, head, r, client)
		d.request = head.alone()
		return d
	}
	if l.HTTPRoute {
		return decideHTTP(p, l, r, client)
	}
	if len(head.host) == 0 {
		return refuseHTTP(rejectUnrouted, badRequest)
	}
	port := ""
	if l.HTTPSPort != 443 && l.HTTPSPort != 0 {
		port = fmt.Sprintf(":%d", l.HTTPSPort)
	}
	return refuseHTTP(redirected, "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://"+string(head.host)+port+
		string(head.target)+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// decideChallenge sends a challenge to the solver that stands for the host, or to the host's own servers.
func decideChallenge(p *plan, l *Listener, head *requestHead, r *route.Route, client netip.Addr) decision {
	challenge := p.table.Challenge(head.host)
	if challenge == nil {
		if r != nil && !r.Exposed && l.ACMEInternal && len(r.Challenge) > 0 {
			return decision{backend: p.solvers[r.Host]}
		}
		return decideHTTP(p, l, r, client)
	}
	exposed := challenge.Exposed
	if r != nil {
		exposed = r.Exposed
	}
	if !exposed && !l.ACMEInternal {
		return refuseHTTP(rejectInternal, notFound)
	}
	return decision{backend: p.solvers[challenge.Host]}
}

// decideHTTP is decide for plain HTTP.
func decideHTTP(p *plan, l *Listener, r *route.Route, client netip.Addr) decision {
	backend := p.table.Default(l.Name)
	if r != nil {
		switch {
		case !r.Exposed || r.Backend == route.NoBackend:
			return refuseHTTP(rejectInternal, notFound)
		case !admits(r.Allow, r.Deny, client):
			return refuseHTTP(rejectDenied, notFound)
		}
		backend = r.Backend
	}
	if backend == route.NoBackend || p.http[backend] == route.NoBackend {
		return refuseHTTP(rejectUnrouted, notFound)
	}
	return decision{backend: p.http[backend], route: r}
}

func refuseHTTP(why reason, answer string) decision {
	return decision{backend: route.NoBackend, refused: why, answer: answer}
}
