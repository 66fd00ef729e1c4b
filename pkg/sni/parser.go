package sni

import "encoding/binary"

// MaxHello is the greatest length of a hello in bytes, record headers included.
const MaxHello = 64 << 10

const (
	recordHeader    = 5       // type, version, length (RFC 8446 5.1)
	maxFragment     = 1 << 14 // of a plaintext record
	messageHeader   = 4       // type, length (RFC 8446 4)
	minMessage      = messageHeader + 2 + 32 + 1 + 4 + 2
	maxMessage      = MaxHello - 4*recordHeader // so many records it takes
	typeHandshake   = 22
	typeClientHello = 1
)

// A Verdict says what the bytes at the start of a connection are.
type Verdict uint8

const (
	NeedMore  Verdict = iota // nothing is wrong yet, nothing is complete
	Hello                    // a complete ClientHello
	NotTLS                   // no TLS record of a handshake
	Malformed                // TLS that must be refused, see Alert
)

// String returns the verdict in words.
func (v Verdict) String() string {
	switch v {
	case NeedMore:
		return "need more"
	case Hello:
		return "hello"
	case NotTLS:
		return "not TLS"
	}
	return "malformed"
}

// A Parser remembers how far the hello of one connection has been looked at. The zero value is ready. It holds no
// pointers and may be copied.
type Parser struct {
	next    uint32 // offset of the first record that was not complete
	joined  uint32 // bytes of the message in the records before it
	need    uint32 // length of the message with its header; while that is incomplete, what it has of the length so far
	alert   Alert
	spread  bool // the message does not lie in one record
	sized   bool // need is complete
	refused bool
}

// Alert returns the alert to refuse the connection with after Malformed: DecodeError or IllegalParameter.
func (p *Parser) Alert() Alert { return p.alert }

// Parse judges buf, all bytes received since the start of the connection, and fills in hello if the verdict is Hello.
// buf may have moved since the last call, but must begin with the same bytes. After Malformed the verdict stays; after
// Hello a further call fills in hello again.
func (p *Parser) Parse(buf []byte, hello *ClientHello) Verdict {
	// The common case first: a hello that fills the first record.
	if p.next == 0 && len(buf) > recordHeader+minMessage {
		head := binary.BigEndian.Uint64(buf)
		n := int(head>>24) & 0xffff
		if head>>48 == typeHandshake<<8|3 && n <= maxFragment && recordHeader+n <= len(buf) &&
			head>>16&0xff == typeClientHello && int(head&0xffff)<<8|int(buf[8]) == n-messageHeader {
			hello.Len = recordHeader + n
			return p.read(buf[recordHeader+messageHeader:recordHeader+n], hello)
		}
	}
	return p.scan(buf, hello)
}

// scan looks at one record after the other.
func (p *Parser) scan(buf []byte, hello *ClientHello) Verdict {
	if p.refused {
		return Malformed
	}
	for !p.sized || p.joined < p.need {
		record := buf[p.next:]
		if len(record) == 0 {
			return NeedMore
		}
		if record[0] != typeHandshake || len(record) > 1 && record[1] != 3 {
			if p.next == 0 {
				return NotTLS
			}
			return p.refuse(IllegalParameter)
		}
		if len(record) < recordHeader {
			return NeedMore
		}
		n := int(record[3])<<8 | int(record[4])
		if n == 0 || n > maxFragment || int(p.next)+recordHeader+n > MaxHello {
			return p.refuse(DecodeError)
		}
		fragment := record[recordHeader:]
		complete := len(fragment) >= n
		if complete {
			fragment = fragment[:n]
		}
		sized, need := p.sized, p.need
		for i := 0; !sized && i < len(fragment); i++ {
			switch at := int(p.joined) + i; {
			case at == 0 && fragment[0] != typeClientHello:
				return p.refuse(IllegalParameter)
			case at > 0:
				need = need<<8 | uint32(fragment[i])
				if sized = at == messageHeader-1; sized {
					need += messageHeader
				}
			}
		}
		if sized && (need < minMessage || need > maxMessage || p.joined+uint32(n) > need) {
			return p.refuse(DecodeError)
		}
		if !complete {
			return NeedMore
		}
		p.spread = p.next > 0
		p.sized, p.need = sized, need
		p.joined += uint32(n)
		p.next += uint32(recordHeader + n)
	}
	hello.Len = int(p.next)
	if !p.spread {
		return p.read(buf[recordHeader+messageHeader:p.next], hello)
	}
	joined := hello.joined[:0]
	for at := 0; at < int(p.next); {
		n := int(buf[at+3])<<8 | int(buf[at+4])
		joined = append(joined, buf[at+recordHeader:at+recordHeader+n]...)
		at += recordHeader + n
	}
	hello.joined = joined
	return p.read(joined[messageHeader:], hello)
}

func (p *Parser) refuse(a Alert) Verdict {
	p.refused, p.alert = true, a
	return Malformed
}
