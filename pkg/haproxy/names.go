package haproxy

import (
	"net/netip"
	"strings"
)

// A names is a population of server names (of Host headers, on plain HTTP) that has one route at most.
type names struct {
	kind namesKind
	text string // the name, or what lies below: "example.com"
}

type namesKind uint8

const (
	noName   namesKind = iota // there is none
	oneName                   // exactly that
	oneBelow                  // one label and text, but for names that have a population of their own
	farBelow                  // several labels and text, likewise
	allOther                  // all names that have no population of their own
)

// hasBytesOfHost reports whether s could be part of a host name.
func hasBytesOfHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && !isLetter(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

// isHost reports whether s, in lower case, is a name that can have a route: labels of 1 to 63 bytes, 253 in all, no
// address and nothing that reads as one.
func isHost(s string) bool {
	if len(s) > 253 || !hasBytesOfHost(s) {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(last, "0x"); ok && strings.Trim(hex, "0123456789abcdef") == "" {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err != nil
}

// lower returns s in lower case, as far as host names go: ASCII.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
