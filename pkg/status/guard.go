package status

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// admits reports whether the client may ask at all.
func (s *Server) admits(conn net.Conn) bool {
	client := peer(conn)
	if client.IsLoopback() {
		return true
	}
	for _, prefix := range s.options.Allow {
		if prefix.Contains(client) {
			return true
		}
	}
	s.options.Logger.Debug("turned a client of the status server away", "client", client)
	return false
}

// guard lets only reads through, and only those that name the router as a person or a program on the LAN does. Without
// the latter, a web page could point a name of its own at the router (DNS rebinding) and read as of its own origin.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", contentPolicy(""))
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, "this server only shows: GET")
		case !s.knows(r.Host):
			writeText(w, http.StatusForbidden, "ask by IP address, or by a name that the configuration has")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// contentPolicy is the Content-Security-Policy of an answer that runs and loads nothing but what allowed says.
func contentPolicy(allowed string) string {
	return "default-src 'none'; " + allowed + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// knows reports whether a Host header is an IP address, localhost or a configured name, with or without a port.
func (s *Server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	for _, name := range s.options.Names {
		if name != "" && strings.EqualFold(host, strings.TrimSuffix(name, ".")) {
			return true
		}
	}
	return false
}
