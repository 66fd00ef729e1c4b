package sni

// ServerSessionID returns the session id of the ServerHello that b, the first bytes from a server, begins with (RFC
// 5246 7.4.1.3, RFC 8446 4.1.3): 1 to 32 bytes, which alias b. It returns nil where b is something else, does not hold
// all of the id, or the server gave none. Up to TLS 1.2 a client that resumes the session sends the id in its
// ClientHello.
func ServerSessionID(b []byte) []byte {
	const (
		typeServerHello = 2
		at              = recordHeader + messageHeader + 2 + 32 // of the id's length, behind version and random
	)
	if len(b) <= at || b[0] != typeHandshake || b[1] != 3 || b[recordHeader] != typeServerHello {
		return nil
	}
	end := at + 1 + int(b[at])
	record := recordHeader + (int(b[3])<<8 | int(b[4]))
	message := recordHeader + messageHeader + (int(b[6])<<16 | int(b[7])<<8 | int(b[8]))
	if b[at] == 0 || b[at] > 32 || end > len(b) || end > record || end > message {
		return nil
	}
	return b[at+1 : end : end]
}
