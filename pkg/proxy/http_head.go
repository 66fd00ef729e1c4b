package proxy

import (
	"bytes"
	"strings"
)

// maxHead is how long the head of an HTTP request may be in bytes.
const maxHead = 8 << 10

// A requestHead is the head of an HTTP/1 request (RFC 9112), as far as routing needs it. Its slices alias what was read.
type requestHead struct {
	method []byte
	host   []byte // in the client's spelling, without port and trailing dot; empty: none (HTTP/1.0)
	target []byte // path and query, as sent
	fields [][]byte
	length int // of the head, with the empty line
}

// readRequest reads the head that received begins with. It is strict, so that whoever gets the request cannot see
// another host in it: lines end in CRLF, nothing is folded, there is one Host, and an absolute target agrees with it
// (RFC 9112 2.2, 3.2, 5.2). complete is false while more must arrive; ok is false where the request is to be refused.
// What was read before and found to be incomplete, the first judged bytes, is not looked at again until all is there.
func readRequest(received []byte, judged int) (head requestHead, complete, ok bool) {
	again := max(judged-3, 0) // the empty line may have begun there
	end := bytes.Index(received[again:], []byte("\r\n\r\n"))
	if end < 0 {
		return head, false, len(received) < maxHead && mayBeHead(received, again)
	}
	end += again
	head.length = end + 4
	if head.length > maxHead || !mayBeHead(received[:head.length], again) {
		return head, true, false
	}
	lines := bytes.Split(received[:end], []byte("\r\n"))
	method, rest, _ := bytes.Cut(lines[0], []byte(" "))
	target, version, _ := bytes.Cut(rest, []byte(" "))
	minor, http1 := bytes.CutPrefix(version, []byte("HTTP/1."))
	if !isToken(method) || len(target) == 0 || !http1 || len(minor) != 1 || minor[0] != '0' && minor[0] != '1' {
		return head, true, false
	}
	head.method, head.fields = method, lines[1:]
	hosts := 0
	for _, line := range head.fields {
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !isToken(name) {
			return head, true, false
		}
		if bytes.EqualFold(name, []byte("host")) {
			hosts++
			head.host = bytes.Trim(value, " \t")
		}
	}
	if hosts > 1 || hosts == 0 && minor[0] == '1' {
		return head, true, false
	}
	if head.target = target; target[0] != '/' {
		authority, path, absolute := cutAbsolute(target)
		if !absolute || hosts == 1 && !bytes.EqualFold(authority, head.host) {
			return head, true, false
		}
		head.host, head.target = authority, path
	}
	head.host, ok = hostOf(head.host)
	return head, true, ok
}

// mayBeHead says whether all bytes from one on are such as a head may have: visible ASCII, blanks and CRLF. A head begins
// with no CR or LF, and no line with a blank.
func mayBeHead(b []byte, from int) bool {
	for i := from; i < len(b); i++ {
		switch c := b[i]; {
		case c > ' ' && c < 0x7f || c == ' ' || c == '\t':
			if (c == ' ' || c == '\t') && (i == 0 || b[i-1] == '\n') {
				return false
			}
		case c == '\r':
			if i == 0 || i+1 < len(b) && b[i+1] != '\n' {
				return false
			}
		case c == '\n':
			if i == 0 || b[i-1] != '\r' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isToken(b []byte) bool { // RFC 9110 5.6.2
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// cutAbsolute splits a target in absolute form, "http://AUTHORITY/PATH".
func cutAbsolute(target []byte) (authority, path []byte, ok bool) {
	const scheme = "http://"
	if len(target) < len(scheme) || !bytes.EqualFold(target[:len(scheme)], []byte(scheme)) {
		return nil, nil, false
	}
	rest := target[len(scheme):]
	slash := bytes.IndexAny(rest, "/?#")
	if slash < 0 {
		return rest, []byte("/"), true
	}
	if rest[slash] != '/' {
		return nil, nil, false
	}
	return rest[:slash], rest[slash:], true
}

// hostOf takes the port and a trailing dot off a Host field (RFC 9110 7.2). It accepts what a host name is made of, and
// IPv6 addresses, which no route has: they count as unnamed.
func hostOf(field []byte) (host []byte, ok bool) {
	if len(field) > 0 && field[0] == '[' {
		return nil, bytes.IndexByte(field, ']') > 0
	}
	host, port, found := bytes.Cut(field, []byte(":"))
	for _, c := range port {
		if c < '0' || c > '9' {
			return nil, false
		}
	}
	if found && len(port) > 5 {
		return nil, false
	}
	for i, c := range host {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		case c == '.' && i > 0 && host[i-1] != '.':
		default:
			return nil, false
		}
	}
	host = bytes.TrimSuffix(host, []byte("."))
	return host, len(host) <= 253
}

// isChallenge says whether the request asks for an HTTP-01 challenge and nothing else (RFC 8555 8.3).
func (h *requestHead) isChallenge() bool {
	if string(h.method) != "GET" && string(h.method) != "HEAD" {
		return false
	}
	token, ok := bytes.CutPrefix(h.target, []byte("/.well-known/acme-challenge/"))
	for _, c := range token {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return ok && len(token) > 0
}

// alone returns the request rewritten so that its server closes after the answer, without a body.
func (h *requestHead) alone() []byte {
	b := append([]byte(nil), h.method...)
	b = append(append(append(b, ' '), h.target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, h.host...), "\r\n"...)
	for _, line := range h.fields {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(name)) {
		case "host", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect",
			"content-length", "transfer-encoding":
		default:
			b = append(append(b, line...), "\r\n"...)
		}
	}
	return append(b, "Connection: close\r\n\r\n"...)
}
