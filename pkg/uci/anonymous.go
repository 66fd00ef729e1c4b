package uci

import "fmt"

// anonymousName is the name that libuci gives to a section without one when it reads it (uci_fixup_section): cfg, its
// position from 1 in the file in at least two hexadecimal digits, and four of a hash of its type. (The options, which
// libuci's hash covers too, have not been read yet when it does this.)
func anonymousName(position int, typ string) string {
	return fmt.Sprintf("cfg%02x%04x", position, djbHash(typ)%(1<<16))
}

// djbHash is libuci's variant of D. J. Bernstein's hash, cut to 31 bits.
func djbHash(s string) uint32 {
	h := uint32(5381)
	for i := range len(s) {
		h = h<<5 + h + uint32(s[i])
	}
	return h & 0x7fffffff
}
