package sni

import "encoding/binary"

// Extension types.
const (
	extServerName = 0      // RFC 6066 3
	extALPN       = 16     // RFC 7301 3.1
	extECH        = 0xfe0d // RFC 9849 5
)

// read reads the body of the ClientHello (RFC 8446 4.1.2), which is at least minMessage-messageHeader long.
func (p *Parser) read(b []byte, hello *ClientHello) Verdict {
	hello.Name, hello.ALPN, hello.ECH = nil, nil, false

	const sessionID = 2 + 32 // behind version and random
	if len(b) <= sessionID {
		return p.refuse(DecodeError)
	}
	n := int(b[sessionID])
	at := sessionID + 1 + n
	if n > 32 || at+2 > len(b) {
		return p.refuse(DecodeError)
	}
	hello.SessionID = b[sessionID+1 : at : at]

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
	if at == len(b) {
		return Hello // extensions may be left out
	}
	if at+2 > len(b) || int(b[at])<<8|int(b[at+1]) != len(b)-at-2 {
		return p.refuse(DecodeError)
	}
	b = b[at+2:]

	var seen uint64 // extension types below 64
	for len(b) >= 4 {
		head := binary.BigEndian.Uint32(b)
		kind, n := head>>16, int(head&0xffff)
		if n > len(b)-4 {
			return p.refuse(DecodeError)
		}
		if kind < 64 {
			if seen&(1<<kind) != 0 {
				return p.refuse(IllegalParameter)
			}
			seen |= 1 << kind
			switch kind {
			case extServerName:
				name, alert := hostName(b[4 : 4+n])
				if alert != 0 {
					return p.refuse(alert)
				}
				hello.Name = name
			case extALPN:
				if !validALPN(b[4 : 4+n]) {
					return p.refuse(DecodeError)
				}
				hello.ALPN = b[6 : 4+n : 4+n]
			}
		} else if kind == extECH {
			if hello.ECH {
				return p.refuse(IllegalParameter)
			}
			hello.ECH = true
		}
		b = b[4+n:]
	}
	if len(b) != 0 {
		return p.refuse(DecodeError)
	}
	return Hello
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
