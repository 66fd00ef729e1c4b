package proxy

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

func TestReadHeader(t *testing.T) {
	v2 := func(rest ...byte) string { return string(proxyV2) + string(rest) }
	for _, test := range []struct {
		name, header, client string
		ok                   bool
	}{
		{"v1 IPv4", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324", true},
		{"v1 IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1", true},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "invalid AddrPort", true},
		{"v1 unknown with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "invalid AddrPort", true},
		{"v1 longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", true},
		{"v1 wrong family", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "", false},
		{"v1 mixed families", "PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n", "", false},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "", false},
		{"v1 port", "PROXY TCP4 192.0.2.1 198.51.100.1 65536 443\r\n", "", false},
		{"v1 words", "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", "", false},
		{"v1 two spaces", "PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "", false},
		{"v1 endless", "PROXY " + strings.Repeat("x", 200), "", false},
		{"v2 IPv4", v2(0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 1, 2, 3, 4), "192.0.2.1:258", true},
		{"v2 local", v2(0x20, 0, 0, 0), "invalid AddrPort", true},
		{"v2 UDP", v2(0x21, 0x12, 0, 1, 7), "invalid AddrPort", true},
		{"v2 short address", v2(0x21, 0x11, 0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "", false},
		{"v2 version 3", v2(0x31, 0x11, 0, 0), "", false},
		{"v2 command 2", v2(0x22, 0x11, 0, 0), "", false},
		{"v2 too long", v2(0x21, 0x11, 0xff, 0xff), "", false},
		{"something else", "GET / HTTP/1.1\r\n", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			behind := []byte("behind")
			length, client, ok := readHeader(append([]byte(test.header), behind...))
			if ok != test.ok {
				t.Fatalf("ok is %v, want %v", ok, test.ok)
			}
			if !ok {
				return
			}
			if length != len(test.header) || client.String() != test.client {
				t.Errorf("got %d bytes, client %s, want %d, %s", length, client, len(test.header), test.client)
			}
			for cut := 1; cut < len(test.header); cut++ {
				if length, _, ok := readHeader([]byte(test.header[:cut])); length != 0 || !ok {
					t.Fatalf("cut at %d: got %d, %v, want to wait for more", cut, length, ok)
				}
			}
		})
	}
}

func TestAppendHeader(t *testing.T) {
	hello := &sni.ClientHello{Name: []byte("app.example.com"), ALPN: []byte("\x02h2")}
	for _, addresses := range [][2]string{
		{"192.0.2.1:1000", "198.51.100.1:443"},
		{"[2001:db8::1]:1000", "[2001:db8::2]:443"},
	} {
		client, listener := netip.MustParseAddrPort(addresses[0]), netip.MustParseAddrPort(addresses[1])
		for _, version := range []route.ProxyProtocol{route.ProxyV1, route.ProxyV2} {
			header := appendHeader([]byte("before"), version, client, listener, hello)[6:]
			length, got, ok := readHeader(header)
			if !ok || length != len(header) || got != client {
				t.Errorf("%q reads back as %d bytes, %s, %v", header, length, got, ok)
			}
			if named := bytes.Contains(header, append([]byte{0, 15}, hello.Name...)); named != (version == route.ProxyV2) {
				t.Errorf("%q names the host: %v", header, named)
			}
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(append(bytes.Clone(proxyV2), 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 1, 2, 3, 4))
	f.Add(append(bytes.Clone(proxyV2), 0x21, 0x21, 0, 36))
	f.Fuzz(func(t *testing.T, received []byte) {
		length, client, ok := readHeader(received)
		if length < 0 || length > len(received) || length > maxHeaderV2 || !ok && length != 0 {
			t.Fatalf("%d bytes of %d, %v", length, len(received), ok)
		}
		if length > 0 { // the same, however much lies behind
			again, same, _ := readHeader(received[:length])
			if again != length || same != client {
				t.Fatalf("%d bytes and %s, without what lies behind %d and %s", length, client, again, same)
			}
		}
		if client.IsValid() {
			for _, version := range []route.ProxyProtocol{route.ProxyV1, route.ProxyV2} {
				listener := netip.AddrPortFrom(netip.IPv6Loopback(), 443)
				header := appendHeader(nil, version, client, listener, nil)
				if n, back, ok := readHeader(header); n != len(header) || back != client || !ok {
					t.Fatalf("%s is written as %q, which reads as %d bytes, %s, %v", client, header, n, back, ok)
				}
			}
		}
	})
}

// askProxied returns what the server got: the header, the client that it names, and the rest.
func (w *world) askProxied(t *testing.T, send ...[]byte) (client netip.AddrPort, header, rest []byte) {
	t.Helper()
	got, err := ask(w.dial(), nil, send...)
	got, ok := bytes.CutPrefix(got, []byte("app:"))
	if err != nil || !ok {
		t.Fatalf("got %q (%v)", got, err)
	}
	length, client, ok := readHeader(got)
	if !ok || length == 0 {
		t.Fatalf("no header: %q", got)
	}
	return client, got[:length], got[length:]
}

// A server that wants to know its client gets a header, and then every byte.
func TestSendProxy(t *testing.T) {
	for _, version := range []route.ProxyProtocol{route.ProxyV1, route.ProxyV2} {
		w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
		w.policy.Backends[1].Options.SendProxy = version
		w.apply()
		for _, pieces := range [][][]byte{{appHello}, {appHello[:100], appHello[100:]}} {
			client, header, rest := w.askProxied(t, pieces...)
			if !client.Addr().IsLoopback() || client.Port() == 0 || !bytes.Equal(rest, appHello) {
				t.Errorf("client %s, %d bytes, want %d", client, len(rest), len(appHello))
			}
			if version == route.ProxyV2 && !bytes.Contains(header, []byte("\x02\x00\x0fapp.example.com")) {
				t.Errorf("no authority in %q", header)
			}
		}
	}
}

// A peer that must introduce its clients does, in whatever pieces, and the client is who counts from then on.
func TestAcceptProxy(t *testing.T) {
	w := newWorld(t, 1, map[string]string{"app.example.com": "app"})
	w.policy.Backends[1].Options.SendProxy = route.ProxyV1
	w.setup.Listeners[0].AcceptProxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	w.setup.Listeners[0].Deny = []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32")}
	w.setup.Limits.PerSource = 2
	w.apply()
	listener := w.setup.Listeners[0].Addresses[0]
	from := func(client string) [][]byte {
		return [][]byte{
			appendHeader(nil, route.ProxyV1, netip.MustParseAddrPort(client), listener, nil),
			appendHeader(nil, route.ProxyV2, netip.MustParseAddrPort(client), listener, &sni.ClientHello{Name: []byte("x")}),
		}
	}
	for _, header := range from("192.0.2.1:1234") {
		for _, cut := range []int{0, 1, len(header) - 1, len(header), len(header) + 1, len(header) + 200} {
			sent := append(bytes.Clone(header), appHello...)
			client, _, rest := w.askProxied(t, sent[:cut], sent[cut:])
			if client != netip.MustParseAddrPort("192.0.2.1:1234") || !bytes.Equal(rest, appHello) {
				t.Errorf("cut at %d: client %s, %d bytes", cut, client, len(rest))
			}
		}
	}
	for name, sent := range map[string][]byte{
		"no header": appHello,
		"two":       append(append(bytes.Clone(from("192.0.2.1:1")[0]), from("192.0.2.1:1")[0]...), appHello...),
		"denied":    append(bytes.Clone(from("192.0.2.66:1")[1]), appHello...),
	} {
		if got, _ := ask(w.dial(), nil, sent); len(got) > 0 {
			t.Errorf("%s: got %d bytes", name, len(got))
		}
	}
	for i := range 3 { // the third of one client is one too many, though the peer may have any number
		c := w.dial()
		c.Write(from("192.0.2.7:7")[0])
		w.until("the header is read", func(s Stats) bool {
			return s.Peeking == min(i+1, 2) && (i < 2 || s.Listeners[0].Rejected["source_limit"] == 1)
		})
	}
	w.until("they are counted", func(s Stats) bool {
		r := s.Listeners[0].Rejected
		return r["proxy_header"] == 2 && r["denied"] == 1
	})
}
