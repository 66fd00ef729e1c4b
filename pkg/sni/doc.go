// Package sni reads the TLS ClientHello at the start of a connection, without terminating TLS and without copying it:
// the name that the client asks for, the protocols that it offers, its session id, whether it offers Encrypted Client
// Hello, and where the hello ends.
//
// Each time bytes arrive, hand everything received so far to Parse:
//
//	var parser sni.Parser
//	var hello sni.ClientHello
//	switch parser.Parse(received, &hello) {
//	case sni.NeedMore: // read on, call again with the old bytes and the new ones
//	case sni.Hello: // route by hello.Name, then pass all that was received to the backend
//	case sni.NotTLS: // something else speaks
//	case sni.Malformed: // answer parser.Alert().Record() and close
//	}
//
// What it promises:
//
//   - A hello may arrive in any pieces and be spread over any number of TLS records; feeding it byte by byte costs linear
//     time. A refusal comes as soon as the bytes that justify it are there.
//   - A hello that lies in one record is read in place: nothing is copied or allocated. One that is spread over several
//     is joined in a buffer that the ClientHello keeps for the next time.
//   - At most MaxHello bytes, record headers included, belong to a hello.
//   - What it accepts has one reading only. Ambiguous or contradictory hellos are Malformed, so that the backend cannot
//     see another name than the one that was routed by.
//
// What is Malformed, with decode_error where the syntax of RFC 8446 is broken and illegal_parameter where it is kept:
//
//   - Records (RFC 8446 5.1): before the hello is complete, any that is not a handshake record, is empty, or is over 2^14
//     bytes. The minor version is ignored. The last record must end with the hello: a client has nothing more to say in
//     the clear before the server has answered.
//   - Messages (RFC 8446 4): a first message that is no ClientHello, or one that cannot fit in MaxHello.
//   - Fields (RFC 8446 4.1.2): a session id over 32 bytes, an odd or empty cipher list, no compression method, extensions
//     that do not fill the message exactly. No extensions at all is valid; so is an unknown version.
//   - Extensions (RFC 8446 4.2): one of the types below 64 or encrypted_client_hello twice. That bounds the memory of the
//     check to a word and covers all that are in use and carry meaning here; others are the backend's to refuse.
//   - server_name (RFC 6066 3): an empty extension, list or name, two host names. Names of unknown types are skipped.
//   - Host names (RFC 1035 2.3.4, after one trailing dot is removed): over 253 bytes, a label that is empty or over 63,
//     any byte but letters, digits, hyphen and underscore. IPv4 addresses pass as names.
//   - ALPN (RFC 7301 3.1): an empty extension, list or protocol name.
package sni
