package proxy

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

// The PROXY protocol tells a server who its client is, in front of the first bytes (HAProxy's doc/proxy-protocol.txt).

// How its two versions begin (2.1 and 2.2 there).
var (
	proxyV1 = []byte("PROXY ")
	proxyV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

const (
	maxHeaderV1 = 107     // with its CRLF (2.1)
	maxHeaderV2 = 4 << 10 // ours: the addresses and more TLVs than anybody sends
	fixedV2     = 16      // signature, command, family, length

	maxOwnHeader = fixedV2 + 36 + 3 + 253 + 3 + 255 // IPv6 addresses, a host name, a protocol

	typeALPN      = 0x01 // of TLVs (2.2.1)
	typeAuthority = 0x02
)

// proxyHeader says whether received opens a PROXY protocol header, or may turn out to when more arrives.
func proxyHeader(received []byte) (is, may bool) {
	for _, opening := range [...][]byte{proxyV1, proxyV2} {
		if bytes.HasPrefix(received, opening) {
			return true, true
		}
		may = may || bytes.HasPrefix(opening, received)
	}
	return false, may
}

// readHeader reads the PROXY protocol header that received begins with: its length, and the client that it names, which
// is not valid where the sender speaks for itself. A length of 0 means that more must arrive first; ok is false where
// it is no header, or a wrong one.
func readHeader(received []byte) (length int, client netip.AddrPort, ok bool) {
	switch is, may := proxyHeader(received); {
	case !is:
		return 0, client, may
	case received[0] == proxyV1[0]:
		return readHeaderV1(received)
	}
	return readHeaderV2(received)
}

func readHeaderV1(received []byte) (length int, client netip.AddrPort, ok bool) {
	end := bytes.Index(received[:min(len(received), maxHeaderV1)], []byte("\r\n"))
	if end < 0 {
		return 0, client, len(received) < maxHeaderV1
	}
	length = end + 2
	words := strings.Split(string(received[:end]), " ")
	if len(words) >= 2 && words[1] == "UNKNOWN" {
		return length, client, true
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return 0, client, false
	}
	source, err := netip.ParseAddr(words[2])
	destination, errD := netip.ParseAddr(words[3])
	port, errP := strconv.ParseUint(words[4], 10, 16)
	_, errDP := strconv.ParseUint(words[5], 10, 16)
	is4 := words[1] == "TCP4"
	if err != nil || errD != nil || errP != nil || errDP != nil || source.Zone() != "" ||
		source.Is4() != is4 || destination.Is4() != is4 {
		return 0, client, false
	}
	return length, netip.AddrPortFrom(source.Unmap(), uint16(port)), true
}

func readHeaderV2(received []byte) (length int, client netip.AddrPort, ok bool) {
	if len(received) < fixedV2 {
		return 0, client, true
	}
	command, family := received[12], received[13]
	length = fixedV2 + int(binary.BigEndian.Uint16(received[14:]))
	if command>>4 != 2 || command&15 > 1 || length > maxHeaderV2 {
		return 0, client, false
	}
	if len(received) < length {
		return 0, client, true
	}
	addresses := received[fixedV2:length]
	switch {
	case command&15 == 0: // LOCAL: a check of the sender's own
	case family == 0x11: // TCP over IPv4
		if len(addresses) < 12 {
			return 0, client, false
		}
		client = netip.AddrPortFrom(netip.AddrFrom4([4]byte(addresses)), binary.BigEndian.Uint16(addresses[8:]))
	case family == 0x21: // TCP over IPv6
		if len(addresses) < 36 {
			return 0, client, false
		}
		client = netip.AddrPortFrom(netip.AddrFrom16([16]byte(addresses)).Unmap(), binary.BigEndian.Uint16(addresses[32:]))
	}
	return length, client, true
}

// appendHeader appends the header of a connection from client to listener. hello is nil where the client does not speak
// TLS; version 2 carries its server name and the protocol that it offers, if it is one.
func appendHeader(b []byte, version route.ProxyProtocol, client, listener netip.AddrPort, hello *sni.ClientHello) []byte {
	is4 := client.Addr().Is4()
	if listener.Addr().Is4() != is4 { // whoever introduced the client came by the other protocol
		listener = netip.AddrPortFrom(netip.IPv6Unspecified(), listener.Port())
		if is4 {
			listener = netip.AddrPortFrom(netip.IPv4Unspecified(), listener.Port())
		}
	}
	if version == route.ProxyV1 {
		b = append(b, "PROXY TCP6 "...)
		if is4 {
			b[len(b)-2] = '4'
		}
		b = append(client.Addr().AppendTo(b), ' ')
		b = append(listener.Addr().AppendTo(b), ' ')
		b = append(strconv.AppendUint(b, uint64(client.Port()), 10), ' ')
		return append(strconv.AppendUint(b, uint64(listener.Port()), 10), "\r\n"...)
	}
	b = append(append(b, proxyV2...), 0x21, 0x21, 0, 0)
	start := len(b)
	if is4 {
		b[start-3] = 0x11
	}
	b = append(append(b, client.Addr().AsSlice()...), listener.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	b = binary.BigEndian.AppendUint16(b, listener.Port())
	if hello != nil {
		b = appendTLV(b, typeAuthority, hello.Name)
		b = appendTLV(b, typeALPN, hello.OnlyALPN())
	}
	binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
	return b
}

func appendTLV(b []byte, kind byte, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(value)))
	return append(b, value...)
}
