package sni_test

import (
	"fmt"
	"strings"
)

// describe puts what a hello holds in words, a line each. Its decoder is the slow one, and knows nothing of Parser. The
// hello must be a valid one and fill b.
func describe(b []byte) string {
	var lines strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&lines, "%s: %s\n", key, value)
		}
	}
	var records []string
	var message bytesLeft
	for left := bytesLeft(b); len(left) > 0; {
		header := left.take(3)
		fragment := left.vector(2, 1, 1<<14)
		records = append(records, fmt.Sprintf("%d bytes (%d.%d)", len(fragment), header[1], header[2]))
		message = append(message, fragment...)
	}
	line("bytes", fmt.Sprint(len(b)))
	line("records", strings.Join(records, ", "))

	message.take(4)
	line("version", numbers(message.take(2)))
	message.take(32)
	line("session id", fmt.Sprintf("%d bytes", len(message.vector(1, 0, 32))))
	line("cipher suites", numbers(message.vector(2, 2, 1<<16-2)))
	line("compression", fmt.Sprintf("%x", []byte(message.vector(1, 1, 255))))
	if len(message) == 0 {
		return lines.String()
	}
	extensions := message.vector(2, 0, 1<<16-1)
	message.end()
	var kinds []string
	for len(extensions) > 0 {
		kind := extensions.take(2)
		data := extensions.vector(2, 0, 1<<16-1)
		kinds = append(kinds, fmt.Sprintf("%s(%d)", extensionName(kind), len(data)))
		switch int(kind[0])<<8 | int(kind[1]) {
		case 0:
			data = data.vector(2, 1, 1<<16-1)
			data.take(1)
			line("name", string(data.vector(2, 1, 1<<16-1)))
			data.end()
		case 10:
			line("groups", numbers(data.vector(2, 2, 1<<16-1)))
		case 16:
			var protocols []string
			for data = data.vector(2, 2, 1<<16-1); len(data) > 0; {
				protocols = append(protocols, string(data.vector(1, 1, 255)))
			}
			line("protocols", strings.Join(protocols, " "))
		case 43:
			line("versions", numbers(data.vector(1, 2, 254)))
		case 51:
			var shares []string
			for data = data.vector(2, 0, 1<<16-1); len(data) > 0; {
				group := numbers(data.take(2))
				shares = append(shares, fmt.Sprintf("%s(%d)", group, len(data.vector(2, 1, 1<<16-1))))
			}
			line("key shares", strings.Join(shares, " "))
		case 0xfe0d:
			line("encrypted client hello", "offered")
		}
	}
	line("extensions", strings.Join(kinds, " "))
	return lines.String()
}

// numbers lists numbers of two bytes in hexadecimal.
func numbers(b bytesLeft) string {
	var list []string
	for len(b) > 0 {
		list = append(list, number(b.take(2)))
	}
	return strings.Join(list, " ")
}

// number is a number of two bytes in hexadecimal, or GREASE for those that mean nothing (RFC 8701 2).
func number(b []byte) string {
	if b[0] == b[1] && b[0]&15 == 10 {
		return "GREASE"
	}
	return fmt.Sprintf("%x", b)
}

// extensionName returns the name that IANA's registry of TLS extensions has for a type, for those seen here.
func extensionName(kind []byte) string {
	names := map[int]string{
		0: "server_name", 5: "status_request", 10: "supported_groups", 11: "ec_point_formats",
		13: "signature_algorithms", 16: "alpn", 18: "signed_certificate_timestamp", 21: "padding",
		22: "encrypt_then_mac", 23: "extended_master_secret", 27: "compress_certificate", 28: "record_size_limit",
		35: "session_ticket", 41: "pre_shared_key", 42: "early_data", 43: "supported_versions",
		45: "psk_key_exchange_modes", 49: "post_handshake_auth", 50: "signature_algorithms_cert", 51: "key_share",
		0x4469: "application_settings(old)", 0x44cd: "application_settings", 0xca34: "trust_anchors",
		0xfe0d: "encrypted_client_hello", 0xff01: "renegotiation_info",
	}
	if name := names[int(kind[0])<<8|int(kind[1])]; name != "" {
		return name
	}
	return number(kind)
}
