package sni

import "iter"

// A ClientHello is what a hello says. Its slices alias the buffer that was parsed, or a buffer of the ClientHello's own
// where the hello is spread over several records: they are good until that buffer changes or the ClientHello is handed
// to Parse again.
type ClientHello struct {
	// Name is the host name of the server_name extension, in the client's spelling, without a trailing dot. It is nil
	// if the client names no host. It holds nothing but letters, digits, hyphens, underscores and dots.
	Name []byte

	// ALPN is the protocol list as sent (RFC 7301): each name behind a byte that holds its length. It is nil if the
	// client offers no protocols, and well-formed otherwise.
	ALPN []byte

	SessionID []byte // 0 to 32 bytes
	ECH       bool   // Encrypted Client Hello is offered (RFC 9849), or pretended: Name is the outer name
	Len       int    // bytes of the buffer that belong to the hello, record headers included; more may follow

	joined []byte // the message, where it is spread over several records
}

// Protocols yields the protocols that the client offers, in its order of preference.
func (h *ClientHello) Protocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for list := h.ALPN; len(list) > 0; {
			n := 1 + int(list[0])
			if !yield(list[1:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// OnlyALPN returns the protocol that the client offers if it offers exactly one, and nil otherwise.
func (h *ClientHello) OnlyALPN() []byte {
	if len(h.ALPN) == 0 || len(h.ALPN) != 1+int(h.ALPN[0]) {
		return nil
	}
	return h.ALPN[1:]
}
