package route

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Lengths in text form, without the trailing dot (RFC 1035 2.3.4).
const (
	maxName  = 253
	maxLabel = 63
)

// normalize returns the host in lower case without one trailing dot, or a problem: what is wrong with its spelling.
// Letters, digits, hyphen and underscore are admitted, and '*' alone as the first label. Punycode is letters and digits;
// anything outside ASCII is not a name that a ClientHello can carry (RFC 6066 3).
func normalize(host string) (name, problem string) {
	name = strings.TrimSuffix(host, ".")
	if name == "" {
		return "", "the name is empty"
	}
	if len(name) > maxName {
		return "", "the name is longer than 253 bytes"
	}
	rest, _ := cutWildcard(name)
	upper, start := false, 0
	for i := 0; i <= len(rest); i++ {
		if i == len(rest) || rest[i] == '.' {
			if i == start {
				return "", "the name has an empty label"
			}
			if i-start > maxLabel {
				return "", "the name has a label longer than 63 bytes"
			}
			start = i + 1
			continue
		}
		switch c := rest[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '*':
			return "", "a wildcard is '*.' before a name, and nothing else"
		default:
			return "", "the name has a character that is no letter, digit, hyphen or underscore"
		}
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, ""
}

// cutWildcard returns the host without "*." and whether that stood there.
func cutWildcard(host string) (base string, wildcard bool) { return strings.CutPrefix(host, "*.") }

// below reports whether name lies below domain, on whole labels.
func below(name, domain string) bool {
	n := len(name) - len(domain) - 1
	return n > 0 && name[n] == '.' && name[n+1:] == domain
}

// atOrBelow reports whether name is domain or lies below it.
func atOrBelow(name, domain string) bool { return name == domain || below(name, domain) }

// atOrBelowAny reports whether name is one of the domains or lies below one.
func atOrBelowAny(name string, domains []string) bool {
	for _, d := range domains {
		if atOrBelow(name, d) {
			return true
		}
	}
	return false
}

// oneLabelBelow reports whether name is one label and domain.
func oneLabelBelow(name, domain string) bool {
	return below(name, domain) && strings.IndexByte(name, '.') == len(name)-len(domain)-1
}

// parent returns the name without its first label; ok is false at the top.
func parent(name string) (up string, ok bool) {
	_, up, ok = strings.Cut(name, ".")
	return up, ok
}

// numericTop reports whether the last label is a number. Such a name is an IPv4 literal or would be taken for one
// (WHATWG URL, "ends in a number"); no top-level domain is (RFC 3696 2).
func numericTop(name string) bool {
	top := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(top, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return top != "" && strings.Trim(top, "0123456789") == ""
}

// isPublicSuffix reports whether anybody may register names directly below name: a top-level domain, co.uk, and the
// private section of the list too (github.io, duckdns.org). Who held such a name would speak for strangers.
func isPublicSuffix(name string) bool {
	suffix, _ := publicsuffix.PublicSuffix(name)
	return suffix == name
}

// clip bounds what a source can make the Table keep and print.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
