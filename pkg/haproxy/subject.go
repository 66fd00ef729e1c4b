package haproxy

// challengePath is where ACME challenges are asked for (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// A subject is a population of connections to one frontend, of which the rules make the same as far as they are
// understood.
type subject struct {
	opening   opening
	names     names
	alpn      string // the only protocol that they offer; empty: any others than those that rules ask for
	clients   int    // the group that they come from
	challenge bool   // of HTTP: an ACME challenge; otherwise any other path

	im    *importer
	front *proxy // where they arrive

	hopeful bool // what is undecided lets them through: to see which rules may come to apply
	vague   bool // something undecided kept them from going on
}

// An opening is how a client begins.
type opening uint8

const (
	opensTLS     opening = iota // with a ClientHello
	opensSSH                    // with its version
	opensHTTP                   // with a request
	opensOther                  // with something else
	opensNothing                // not at all: it waits for the server
)

// known is how it is known to begin, which is all where that is shorter than what is asked for.
func (o opening) known() string {
	switch o {
	case opensTLS:
		return "\x16\x03"
	case opensSSH:
		return "SSH-2.0-"
	}
	return ""
}

// String names the protocol in remarks.
func (o opening) String() string {
	return [...]string{"TLS", "SSH", "HTTP", "other protocols", "clients that wait for the server"}[o]
}
