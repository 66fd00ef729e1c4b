package peers

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/house"
)

// proxyOut has two programs that want to be told their clients, in both versions, and a third that takes the header
// apart. In all, what is routed by a class is told as what is routed by hand.
const proxyOut = `
config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'

config backend 'nginx_v1'
	list server '192.168.0.3:443'
	option send_proxy 'v1'
	option check 'tls'
	option connect_timeout '1m'
config backend 'nginx_v2'
	list server '192.168.0.3:443'
	option send_proxy 'v2'
	option check 'tls'
	option connect_timeout '1m'
config backend 'haproxy_v1'
	list server '192.168.0.5:443'
	option send_proxy 'v1'
	option check 'tls'
	option connect_timeout '1m'
config backend 'haproxy_v2'
	list server '192.168.0.5:443'
	option send_proxy 'v2'
	option check 'tls'
	option connect_timeout '1m'
config backend 'apart'
	list server '192.168.0.2:7443'
	option send_proxy 'v2'
	option check 'none'

config route
	list host 'nginx-v1.example.com'
	option backend 'nginx_v1'
config route
	list host 'nginx-v2.example.com'
	option backend 'nginx_v2'
config route
	list host 'haproxy-v1.example.com'
	option backend 'haproxy_v1'
config route
	list host 'haproxy-v2.example.com'
	option backend 'haproxy_v2'
config route
	list host '*.apart.example.com'
	option backend 'apart'

config manifests 'files'
	option path '%[1]s/manifests'
	list domain 'k8s.example.com'
config class 'external'
	option cluster 'files'
	option class 'external'
	list match_address '192.168.0.5/32'
	option expose '1'
	option https_port '8443'
	option send_proxy 'v2'
	option check 'tls'
	option connect_timeout '1m'
`

// TestProxyOut: nginx and HAProxy see the client's own address and port, over IPv4 and IPv6, in both versions.
func TestProxyOut(t *testing.T) {
	h := build(t)
	pem := h.certificate("nginx.example.com")
	h.nginx(h.External, 443, `http {
	`+web+`
	log_format told '$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port '
		'$remote_addr $ssl_server_name';
	server {
		listen 443 ssl proxy_protocol;
		access_log %[1]s/told.log told;
		ssl_certificate `+pem+`;
		ssl_certificate_key `+pem+`;
		return 200 "$proxy_protocol_addr $proxy_protocol_port by nginx, from $remote_addr for ''";
	}
}`)
	h.haproxy(h.Internal, 443, `
frontend told
	mode http
	option httplog
	bind :443 accept-proxy ssl crt `+h.certificate("haproxy.example.com")+`
	bind :8443 accept-proxy ssl crt `+h.certificate("haproxy.example.com")+`
	http-request return status 200 content-type text/plain lf-string "`+
		`%[src] %[src_port] by haproxy, from %[fc_src] for '%[fc_pp_authority]'"
`)
	apart := h.takeApart(h.NAS)
	h.write("manifests/shop.yaml", house.Ingress{
		Namespace: "default", Name: "shop", Class: "external", Host: "shop.k8s.example.com", Address: "192.168.0.5",
	}.Manifest())
	h.start(proxyOut)
	if out := h.check(); strings.Contains(out, "warning") {
		t.Errorf("check warns of ports that only sniroute uses:\n%s", out)
	}

	insecure := "-k" // one certificate for all names: who answers is said in the answer
	ways := []struct {
		from    *house.Host
		at      string
		address netip.Addr
	}{
		{h.WAN, "203.0.113.1:443", h.WAN.IPv4},
		{h.WAN, "[2001:db8::1]:443", h.WAN.IPv6},
		{h.Client, "192.168.0.1:8443", h.Client.IPv4},
		{h.Client, "[fd00:c0a8::1]:8443", h.Client.IPv6},
	}
	h.until("the class has a route", func() bool {
		return h.curl(h.WAN, wan, "https://shop.k8s.example.com/", insecure).err == nil
	})
	for _, way := range ways {
		at := netip.MustParseAddrPort(way.at)
		for _, test := range []struct{ host, who, authority string }{
			{"nginx-v1.example.com", "nginx", ""},
			{"nginx-v2.example.com", "nginx", ""},
			{"haproxy-v1.example.com", "haproxy", ""},
			{"haproxy-v2.example.com", "haproxy", "haproxy-v2.example.com"},
			{"shop.k8s.example.com", "haproxy", "shop.k8s.example.com"},
		} {
			got := h.curl(way.from, at, "https://"+test.host+"/", insecure)
			if got.err != nil {
				t.Errorf("%s from %s: %v", test.host, way.address, got.err)
				continue
			}
			seen, _, _ := strings.Cut(got.body, ", from")
			want := fmt.Sprintf("%s %d by %s", way.address, got.from.Port(), test.who)
			if seen != want || got.from.Addr() != way.address || !strings.HasSuffix(got.body, "for '"+test.authority+"'") {
				t.Errorf("%s from %s: the server says %q, want %q for %q", test.host, got.from, got.body, want, test.authority)
			}
		}
	}
	log := h.read(h.path("nginx-external/told.log"))
	t.Logf("nginx logged:\n%s", log)
	for _, want := range []string{
		" 203.0.113.1 8443 192.168.0.1 nginx-v1.example.com\n", // the address that the client had reached, after the redirect
		" 2001:db8::1 8443 192.168.0.1 nginx-v2.example.com\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("nginx's log has no %q", want)
		}
	}

	t.Run("TLVs", func(t *testing.T) {
		for _, test := range []struct {
			name, host, protocols string
			authority, alpn       string
		}{
			{"one protocol", "a.apart.example.com", "h2", "a.apart.example.com", "h2"},
			{"two", "b.apart.example.com", "h2,http/1.1", "b.apart.example.com", ""},
			{"none", "c.apart.example.com", "", "c.apart.example.com", ""},
			{"acme", "d.apart.example.com", "acme-tls/1", "d.apart.example.com", "acme-tls/1"},
		} {
			arguments := []string{"s_client", "-connect", "203.0.113.1:443", "-servername", test.host}
			if test.protocols != "" {
				arguments = append(arguments, "-alpn", test.protocols)
			}
			if out, err := h.run(h.WAN, "openssl", arguments...); err != nil {
				t.Fatalf("%s: %v\n%s", test.name, err, out)
			}
			got := <-apart
			want := header{client: h.WAN.IPv4, tlvs: fmt.Sprintf("2=%s", test.authority)}
			if test.alpn != "" {
				want.tlvs += " 1=" + test.alpn
			}
			if got != want {
				t.Errorf("%s: got %+v, want %+v", test.name, got, want)
			}
		}
	})

	t.Run("checks are no clients", func(t *testing.T) { // HAProxy and nginx are told so (LOCAL, UNKNOWN)
		for _, b := range h.status().Traffic.Backends {
			for _, s := range b.Servers {
				if !s.Up {
					t.Errorf("%s of %s is down: %s", s.Address, b.Name, s.Error)
				}
			}
		}
		h.noComplaint()
	})

	t.Run("check warns of the LAN's port", func(t *testing.T) {
		h.configure(strings.Replace(proxyOut, "option https_port '8443'", "option https_port '443'", 1))
		want := "class 'external': option send_proxy: servers get a PROXY protocol header on port 443"
		if out := h.check(); !strings.Contains(out, want) {
			t.Errorf("check says of a class:\n%s", out)
		}
		const backend = "option backend 'nginx_v2'"
		h.configure(strings.Replace(proxyOut, backend, backend+"\n\tlist dns '192.168.0.3'", 1))
		if out := h.check(); !strings.Contains(out, "'192.168.0.3' is a server of backend 'nginx_v2'") {
			t.Errorf("check says of a route:\n%s", out)
		}
	})
}

// noComplaint: nginx has found nothing wrong with what the daemon sent. (That the test looked whether it listens is.)
func (h *home) noComplaint() {
	h.t.Helper()
	for line := range strings.Lines(h.read(h.path("nginx-external/error.log"))) {
		if strings.Contains(line, "[error]") && strings.Contains(line, "client: 192.168.0.1,") {
			h.t.Errorf("nginx complains: %s", line)
		}
	}
}

// A header is one of version 2, taken apart.
type header struct {
	client netip.Addr
	tlvs   string
}

// takeApart starts a TLS server that wants a header of version 2 and tells each that it gets. It was written from the
// format's description alone (HAProxy's doc/proxy-protocol.txt, 2.2).
func (h *home) takeApart(host *house.Host) <-chan header {
	h.t.Helper()
	pem, err := tls.LoadX509KeyPair(h.certificate("apart.example.com"), h.certificate("apart.example.com"))
	h.must(err)
	told := make(chan header, 16)
	h.accept(host, 7443, func(conn net.Conn) {
		got, err := readHeader(conn)
		if err != nil {
			h.t.Errorf("a header that is none: %v", err)
			return
		}
		server := tls.Server(conn, &tls.Config{
			Certificates: []tls.Certificate{pem}, NextProtos: []string{"h2", "http/1.1", "acme-tls/1"},
		})
		if err := server.Handshake(); err != nil {
			h.t.Errorf("behind the header: %v", err)
			return
		}
		told <- got
		_, _ = io.Copy(io.Discard, server)
	})
	return told
}

func readHeader(conn net.Conn) (h header, err error) {
	fixed := make([]byte, 16)
	if _, err := io.ReadFull(conn, fixed); err != nil {
		return h, err
	}
	if string(fixed[:12]) != "\r\n\r\n\x00\r\nQUIT\n" || fixed[12] != 0x21 || fixed[13] != 0x11 {
		return h, fmt.Errorf("% x", fixed)
	}
	rest := make([]byte, binary.BigEndian.Uint16(fixed[14:]))
	if _, err := io.ReadFull(conn, rest); err != nil {
		return h, err
	}
	h.client = netip.AddrFrom4([4]byte(rest))
	var tlvs []string
	for rest = rest[12:]; len(rest) >= 3; {
		length := 3 + int(binary.BigEndian.Uint16(rest[1:]))
		if length > len(rest) {
			break
		}
		tlvs = append(tlvs, fmt.Sprintf("%d=%s", rest[0], rest[3:length]))
		rest = rest[length:]
	}
	if len(rest) != 0 {
		return h, fmt.Errorf("%d bytes behind the last TLV", len(rest))
	}
	h.tlvs = strings.Join(tlvs, " ")
	return h, nil
}

// proxyIn has a front before the router, as a rented server or another router would be.
const proxyIn = `
config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'
	list accept_proxy '192.168.0.20/32'
	list accept_proxy 'fd00:c0a8::20/128'
	option default_backend 'told'
	option non_tls 'told'
config listener 'http'
	option proto 'http'
	list listen ':8080'
	list accept_proxy '192.168.0.20/32'

config backend 'told'
	list server '192.168.0.3:443'
	option send_proxy 'v2'
	option check 'none'
config route
	list host 'told.example.com'
	option backend 'told'
config route
	list host 'denied.example.com'
	option backend 'told'
	list deny '192.168.0.100/32'
	list deny 'fd00:c0a8::100/128'
config route
	list host 'allowed.example.com'
	option backend 'told'
	list allow '192.168.0.100/32'
	list allow 'fd00:c0a8::100/128'
`

// TestProxyIn: HAProxy and nginx stand in front and say who the client is; the daemon believes them, and only them, and
// passes it on to nginx behind it.
func TestProxyIn(t *testing.T) {
	h := build(t)
	front, err := h.AddHost("front", 20)
	h.must(err)
	pem := h.certificate("told.example.com")
	h.nginx(h.External, 443, `http {
	`+web+`
	server {
		listen 443 ssl proxy_protocol;
		access_log %[1]s/access.log;
		ssl_certificate `+pem+`;
		ssl_certificate_key `+pem+`;
		return 200 "$proxy_protocol_addr $proxy_protocol_port";
	}
}`)
	h.start(proxyIn)
	h.haproxy(front, 1001, `
listen v1
	mode tcp
	bind :::1001 v4v6
	server router 192.168.0.1:8443 send-proxy check
listen v2
	mode tcp
	bind :::1002 v4v6
	server router 192.168.0.1:8443 send-proxy-v2 check check-send-proxy
listen v2_authority
	mode tcp
	retries 0
	bind :::1003 v4v6 ssl crt `+pem+`
	default-server proxy-v2-options ssl,cert-cn,crc32c,unique-id,authority check-sni told.example.com
	server router 192.168.0.1:8443 send-proxy-v2 ssl verify none sni ssl_fc_sni check check-send-proxy
listen over_ipv6
	mode tcp
	bind :::1004 v4v6
	server router [fd00:c0a8::1]:8443 send-proxy-v2
listen without
	mode tcp
	bind :::1005 v4v6
	server router 192.168.0.1:8443
listen plain_http
	mode tcp
	bind :::1006 v4v6
	server router 192.168.0.1:8080 send-proxy-v2
`)
	h.nginx(front, 2001, `stream {
	proxy_protocol on;
	server { listen [::]:2001 ipv6only=off; proxy_pass 192.168.0.1:8443; }
	server { listen [::]:2002 ipv6only=off; proxy_pass [fd00:c0a8::1]:8443; }
}`)

	h.until("the front has checked the router by each way", func() bool {
		log := h.read(h.path("log/haproxy-front"))
		for _, way := range []string{"v1", "v2", "v2_authority"} {
			if !strings.Contains(log, "Health check for server "+way+"/router succeeded") {
				return false
			}
		}
		return true
	})
	ways := map[string]uint16{
		"HAProxy, v1": 1001, "HAProxy, v2": 1002, "HAProxy, v2 with all it has to say": 1003, "HAProxy, v2 over IPv6": 1004,
		"nginx": 2001, "nginx over IPv6": 2002,
	}
	for name, port := range ways {
		t.Run(name, func(t *testing.T) {
			for _, address := range []netip.Addr{front.IPv4, front.IPv6} {
				at := netip.AddrPortFrom(address, port)
				for _, host := range []string{"told", "allowed"} {
					got := h.curl(h.Client, at, "https://"+host+".example.com/", "-k")
					if want := fmt.Sprintf("%s %d", got.from.Addr(), got.from.Port()); got.err != nil || got.body != want {
						t.Errorf("%s: the server was told %q (%v), the client is %s", host, got.body, got.err, want)
					}
				}
				if got := h.curl(h.Client, at, "https://denied.example.com/", "-k"); got.err == nil {
					t.Errorf("a client that is denied got %q", got.body)
				}
				if got := h.curl(h.NAS, at, "https://allowed.example.com/", "-k"); got.err == nil {
					t.Errorf("a client that is not allowed got %q", got.body)
				}
				if got := h.curl(h.NAS, at, "https://denied.example.com/", "-k"); got.err != nil {
					t.Errorf("another client was denied too: %v", got.err)
				}
			}
		})
	}

	t.Run("port 80", func(t *testing.T) {
		got := h.curl(h.Client, netip.AddrPortFrom(front.IPv4, 1006), "http://told.example.com/a", "-o", "/dev/null",
			"-w", `%{http_code} %{redirect_url}%{stderr}%{local_ip} %{local_port}`)
		if got.err != nil || got.body != "308 https://told.example.com/a" {
			t.Errorf("got %q, %v", got.body, got.err)
		}
	})

	t.Run("without a header from the front", func(t *testing.T) {
		before := h.rejected("https")["proxy_header"]
		if got := h.curl(h.Client, netip.AddrPortFrom(front.IPv4, 1005), "https://told.example.com/", "-k"); got.err == nil {
			t.Errorf("got %q", got.body)
		}
		if after := h.rejected("https")["proxy_header"]; after != before+1 {
			t.Errorf("%d were counted", after-before)
		}
	})

	t.Run("a header from anybody else", func(t *testing.T) {
		access := h.path("nginx-external/access.log")
		before, reached := h.rejected("https")["proxy_header"], h.read(access)
		for i, opening := range []string{
			"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
			"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02",
		} {
			conn, err := h.Client.Dial(h.ctx, "tcp", "192.168.0.1:8443")
			h.must(err)
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, err = io.WriteString(conn, opening)
			h.must(err)
			// What follows is a hello like any other.
			err = tls.Client(conn, &tls.Config{ServerName: "told.example.com", InsecureSkipVerify: true}).Handshake()
			if err == nil {
				t.Errorf("version %d: the hello behind it was forwarded", i+1)
			}
		}
		if after := h.rejected("https")["proxy_header"]; after != before+2 {
			t.Errorf("%d were counted", after-before)
		}
		if now := h.read(access); now != reached {
			t.Errorf("nginx was reached: %s", strings.TrimPrefix(now, reached))
		}
		h.noComplaint() // of something else than a header of ours
		got := h.curl(h.Client, netip.MustParseAddrPort("192.168.0.1:8443"), "https://told.example.com/", "-k")
		if want := fmt.Sprintf("%s %d", got.from.Addr(), got.from.Port()); got.body != want {
			t.Errorf("without a header, nginx was told %q (%v), want %q", got.body, got.err, want)
		}
	})

	t.Run("limits are the client's", func(t *testing.T) {
		limited := func(option string) string {
			return strings.Replace(proxyIn, "config listener", "config sniroute 'main'\n\toption "+option+"\nconfig listener", 1)
		}
		h.reload(limited("max_connections_per_source '3'"))
		h.until("what was before has ended", func() bool {
			return h.backend("told").Active == 0
		})
		enters := func(from *house.Host, port uint16) bool {
			conn, err := from.Dial(h.ctx, "tcp", netip.AddrPortFrom(front.IPv4, port).String())
			h.must(err)
			t.Cleanup(func() { conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(patience))
			return tls.Client(conn, &tls.Config{ServerName: "told.example.com", InsecureSkipVerify: true}).Handshake() == nil
		}
		for _, from := range []*house.Host{h.Client, h.NAS} { // each has its own three, though one peer brings them all
			for i, port := range []uint16{1001, 1002, 2001, 1001, 2002} {
				if entered := enters(from, port); entered != (i < 3) {
					t.Errorf("connection %d of %s: let in is %v", i+1, from.Name, entered)
				}
			}
		}
		if n := h.rejected("https")["source_limit"]; n != 4 {
			t.Errorf("%d were over the limit, want 4", n)
		}
		h.reload(limited("connection_rate_per_source '1'"))
		n := 0
		for n < 100 && enters(h.Client, 1001) {
			n++
		}
		if n < 5 || n == 100 {
			t.Errorf("%d connections at once were let in, at 1 a second and a burst of 10", n)
		}
		if !enters(h.NAS, 1001) {
			t.Error("another client pays for it")
		}
	})

	log, err := os.ReadFile(h.path("log/haproxy-front"))
	h.must(err)
	if strings.Contains(string(log), "DOWN") {
		t.Errorf("the front's checks found the router down:\n%s", log)
	}
}
