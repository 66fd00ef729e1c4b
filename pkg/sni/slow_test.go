package sni_test

import (
	"strings"

	"github.com/sniroute/sniroute/pkg/sni"
)

// A reading is all that can be learnt from the bytes received so far.
type reading struct {
	verdict sni.Verdict
	alert   sni.Alert
	name    string
	named   bool
	alpn    []string
	session string
	ech     bool
	length  int
}

// slow reads what Parser reads, in the plainest way: from the first byte each time, one byte after the other, with every
// part copied. It stops at the first byte that decides.
func slow(received []byte) (r reading) {
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case sni.Alert:
			r = reading{verdict: sni.Malformed, alert: problem}
		default:
			panic(problem)
		}
	}()
	var header, message []byte
	missing := 0 // bytes of the current record
	total := -1  // length of the message, once known
	for i, c := range received {
		if missing > 0 {
			missing--
			message = append(message, c)
			if len(message) == 1 && c != 1 {
				panic(sni.IllegalParameter)
			}
			if len(message) == 4 {
				total = 4 + int(message[1])<<16 + int(message[2])<<8 + int(message[3])
				if total < 45 || total > 65536-4*5 || len(message)+missing > total {
					panic(sni.DecodeError)
				}
			}
			if len(message) == total {
				r = slowMessage(message[4:])
				r.length = i + 1
				return r
			}
			continue
		}
		header = append(header, c)
		if len(header) == 1 && c != 22 || len(header) == 2 && c != 3 {
			if i < 2 {
				return reading{verdict: sni.NotTLS}
			}
			panic(sni.IllegalParameter)
		}
		if len(header) == 5 {
			missing = int(header[3])<<8 + int(header[4])
			header = nil
			if missing == 0 || missing > 16384 || i+1+missing > 65536 || total > 0 && len(message)+missing > total {
				panic(sni.DecodeError)
			}
		}
	}
	return reading{verdict: sni.NeedMore}
}

// bytesLeft takes parts off its front. A part that is not there is a decode error.
type bytesLeft []byte

func (b *bytesLeft) take(n int) []byte {
	if n > len(*b) {
		panic(sni.DecodeError)
	}
	part := append([]byte{}, (*b)[:n]...)
	*b = (*b)[n:]
	return part
}

func (b *bytesLeft) number(width int) (n int) {
	for _, c := range b.take(width) {
		n = n<<8 + int(c)
	}
	return n
}

// vector takes a part whose length stands before it and lies in the limits (RFC 8446 3.4).
func (b *bytesLeft) vector(width, least, most int) bytesLeft {
	n := b.number(width)
	if n < least || n > most {
		panic(sni.DecodeError)
	}
	return b.take(n)
}

func (b bytesLeft) end() {
	if len(b) > 0 {
		panic(sni.DecodeError)
	}
}

func slowMessage(message []byte) reading {
	r := reading{verdict: sni.Hello}
	left := bytesLeft(message)
	left.take(2 + 32)
	r.session = string(left.vector(1, 0, 32))
	if len(left.vector(2, 2, 65535))%2 != 0 {
		panic(sni.DecodeError)
	}
	left.vector(1, 1, 255)
	if len(left) == 0 {
		return r
	}
	extensions := left.vector(2, 0, 65535)
	left.end()
	seen := map[int]bool{}
	for len(extensions) > 0 {
		kind := extensions.number(2)
		data := extensions.vector(2, 0, 65535)
		if seen[kind] && (kind < 64 || kind == 0xfe0d) {
			panic(sni.IllegalParameter)
		}
		seen[kind] = true
		switch kind {
		case 0:
			names := data.vector(2, 1, 65535)
			data.end()
			for len(names) > 0 {
				kind := names.number(1)
				value := names.vector(2, 0, 65535)
				if kind != 0 {
					continue
				}
				if r.named {
					panic(sni.IllegalParameter)
				}
				if len(value) == 0 {
					panic(sni.DecodeError)
				}
				r.name, r.named = slowName(string(value)), true
			}
		case 16:
			protocols := data.vector(2, 2, 65535)
			data.end()
			for len(protocols) > 0 {
				r.alpn = append(r.alpn, string(protocols.vector(1, 1, 255)))
			}
		case 0xfe0d:
			r.ech = true
		}
	}
	return r
}

func slowName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		panic(sni.IllegalParameter)
	}
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters+strings.ToUpper(letters)+"0123456789-_") != "" {
			panic(sni.IllegalParameter)
		}
	}
	return name
}
