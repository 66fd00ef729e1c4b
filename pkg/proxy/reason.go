package proxy

// A reason says why a connection was not forwarded. It is a metric's label, so there are few and clients choose none.
type reason uint8

const (
	accepted reason = iota
	rejectLimit
	rejectSource
	rejectRate
	rejectDenied
	rejectLoop
	rejectPeekMemory
	rejectTimeout
	rejectClosed
	rejectMalformed
	rejectNotTLS
	rejectProxyHeader
	rejectUnrouted
	rejectInternal
	rejectUnavailable
	rejectShutdown
	rejectFault
	redirected
	reasons
)

var reasonNames = [reasons]string{
	accepted:          "",
	rejectLimit:       "limit",        // as many connections as are admitted, none of them with an unfinished hello
	rejectSource:      "source_limit", // too many connections of this source
	rejectRate:        "source_rate",  // too many new connections of this source
	rejectDenied:      "denied",       // by an allow or deny list
	rejectLoop:        "loop",         // a connection of our own came back
	rejectPeekMemory:  "peek_memory",  // the oldest unfinished hello made room
	rejectTimeout:     "timeout",      // the hello was not complete in time
	rejectClosed:      "closed",       // the client left before its hello was complete
	rejectMalformed:   "malformed",
	rejectNotTLS:      "not_tls",
	rejectProxyHeader: "proxy_header", // a PROXY protocol header from a peer that may not send one
	rejectUnrouted:    "no_route",
	rejectInternal:    "not_exposed",
	rejectUnavailable: "no_server", // every server of the route is down
	rejectShutdown:    "shutdown",
	rejectFault:       "fault",      // of ours: the kernel refused, or a bug
	redirected:        "redirected", // from plain HTTP to https
}

// A result says how a forwarded connection ended.
type result uint8

const (
	resultOK      result = iota
	resultTimeout        // idle for too long
	resultReset          // one side broke it off
	resultDrained        // its listener or exposure went away, or the daemon stopped
	results
)

var resultNames = [results]string{"ok", "timeout", "reset", "drained"}
