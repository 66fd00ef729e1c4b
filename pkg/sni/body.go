package sni

// Extension types.
const (
	extServerName = 0      // RFC 6066 3
	extALPN       = 16     // RFC 7301 3.1
	extECH        = 0xfe0d // RFC 9849 5
)

// read reads the body of a ClientHello (RFC 8446 4.1.2) and fills in hello, all but its length, if the body is sound.
func (p *Parser) read(b []byte, hello *ClientHello) Verdict {
	const sessionID = 2 + 32 // behind version and random
	if len(b) <= sessionID {
		return p.refuse(DecodeError)
	}
	n := int(b[sessionID])
	at := sessionID + 1 + n
	if n > 32 || at+2 > len(b) {
		return p.refuse(DecodeError)
	}
	session := b[sessionID+1 : at : at]

	n = int(b[at])<<8 | int(b[at+1]) // cipher suites
	at += 2 + n
	if n == 0 || n&1 != 0 || at >= len(b) {
		return p.refuse(DecodeError)
	}
	n = int(b[at]) // compression methods
	at += 1 + n
	if n == 0 || at > len(b) {
		return p.refuse(DecodeError)
	}
	var e extensions
	if at < len(b) { // they may be left out
		if at+2 > len(b) || int(b[at])<<8|int(b[at+1]) != len(b)-at-2 {
			return p.refuse(DecodeError)
		}
		if alert := e.read(b[at+2:]); alert != 0 {
			return p.refuse(alert)
		}
	}
	hello.Name, hello.ALPN, hello.ECH, hello.SessionID = e.name, e.alpn, e.ech, session
	return Hello
}

// What is read of the extensions.
type extensions struct {
	name, alpn []byte
	ech        bool
}

// read reads a block of extensions without its length (RFC 8446 4.2). It returns the alert to refuse it with, or 0.
func (e *extensions) read(b []byte) Alert {
	var seen uint64 // types below 64
	at := 0
	for at < len(b)-3 {
		kind := uint32(b[at])<<8 | uint32(b[at+1])
		start := at + 4
		end := start + (int(b[at+2])<<8 | int(b[at+3]))
		if end > len(b) {
			return DecodeError
		}
		at = end
		if kind < 64 {
			if seen&(1<<kind) != 0 {
				return IllegalParameter
			}
			seen |= 1 << kind
			switch kind {
			case extServerName:
				name, alert := hostName(b[start:end])
				if alert != 0 {
					return alert
				}
				e.name = name
			case extALPN:
				if !validALPN(b[start:end]) {
					return DecodeError
				}
				e.alpn = b[start+2 : end : end]
			}
		} else if kind == extECH {
			if e.ech {
				return IllegalParameter
			}
			e.ech = true
		}
	}
	if at != len(b) {
		return DecodeError
	}
	return 0
}

// validALPN reports whether an ALPN extension holds a list of at least one protocol and nothing else.
func validALPN(b []byte) bool {
	if len(b) < 4 || int(b[0])<<8|int(b[1]) != len(b)-2 {
		return false
	}
	for b = b[2:]; len(b) > 0; {
		n := int(b[0])
		if n == 0 || n >= len(b) {
			return false
		}
		b = b[1+n:]
	}
	return true
}
