package hello

import (
	"bytes"
	"fmt"
	"strings"
)

// The alerts that Malformed names (RFC 8446 6).
const (
	illegalParameter = 47
	decodeError      = 50
)

// A Case is a hello and what is to be made of it.
type Case struct {
	Name  string
	Bytes []byte
	Alert uint8 // of a malformed one

	// Of a valid one:
	SNI  string // as a router compares it: without a trailing dot, case kept; empty: none
	ALPN []string
	ECH  bool
	Len  int // bytes that belong to the hello; what follows belongs to the server
}

// Valid returns hellos that must be routed, whatever the way in which their bytes arrive.
func Valid() []Case {
	app := Options{Name: "app1.k8s.example.com", ALPN: []string{"h2", "http/1.1"}}
	with := func(change func(*Options)) Options {
		o := app
		change(&o)
		return o
	}
	var cases []Case
	add := func(name string, b []byte, o Options, behind ...byte) {
		cases = append(cases, Case{Name: name, Bytes: append(b, behind...), SNI: strings.TrimSuffix(o.Name, "."),
			ALPN: o.ALPN, ECH: o.ECH, Len: len(b)})
	}
	built := func(name string, o Options, behind ...byte) { add(name, Bytes(o), o, behind...) }

	built("ordinary", app)
	built("250 bytes", with(func(o *Options) { o.Size = 250 }))
	built("517 bytes", with(func(o *Options) { o.Size = 517 }))
	postQuantum := with(func(o *Options) { o.PostQuantum = true; o.Size = 1800 })
	built("post-quantum", postQuantum)
	built("without a name", with(func(o *Options) { o.Name = "" }))
	built("without ALPN", with(func(o *Options) { o.ALPN = nil }))
	built("one protocol", with(func(o *Options) { o.ALPN = []string{"acme-tls/1"} }))
	built("encrypted client hello", with(func(o *Options) { o.ECH = true }))
	built("upper case", with(func(o *Options) { o.Name = "App1.K8S.Example.COM" }))
	built("trailing dot", with(func(o *Options) { o.Name = "app1.k8s.example.com." }))
	built("underscore", with(func(o *Options) { o.Name = "_a_.example.com" }))
	built("single label", with(func(o *Options) { o.Name = "nas" }))
	built("IPv4 address", with(func(o *Options) { o.Name = "192.0.2.1" }))
	longest := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61)
	built("longest name", with(func(o *Options) { o.Name = longest }))
	built("longest name and dot", with(func(o *Options) { o.Name = longest + "." }))
	built("no session id", with(func(o *Options) { o.SessionID = []byte{} }))
	built("short session id", with(func(o *Options) { o.SessionID = []byte{1, 2, 3} }))
	built("unknown extensions", with(func(o *Options) {
		o.Extensions = []Extension{{0x0a0a, nil}, {0xfafa, []byte{0}}, {0x4469, make([]byte, 300)}}
	}))
	built("change_cipher_spec and early data behind", app, append(Record(20, []byte{1}), Record(23, filler(600))...)...)
	built("garbage behind", app, filler(100)...)

	none := Options{}
	add("no extensions", Fields{NoExtensions: true}.Record(), none)
	add("empty extensions", Fields{Extensions: []byte{}}.Record(), none)
	add("shortest", Fields{SessionID: []byte{}, CipherSuites: []byte{0x13, 1}, NoExtensions: true}.Record(), none)
	add("name of an unknown type", Fields{Extensions: appendExtension(nil, ExtServerName,
		ServerName(Name{7, "x"}))}.Record(), none)
	add("name behind one of an unknown type", Fields{Extensions: appendExtension(nil, ExtServerName,
		ServerName(Name{7, "x\x00"}, Host("nas.example.com")))}.Record(), Options{Name: "nas.example.com"})
	for _, minor := range []byte{0, 3, 4, 0xff} {
		b := Bytes(app)
		b[2] = minor
		add(fmt.Sprintf("record version 3.%d", minor), b, app)
	}
	version := Bytes(app)
	version[9], version[10] = 3, 1
	add("TLS 1.0", version, app)

	for _, cuts := range [][]int{{1}, {2}, {3}, {4}, {5}, {38}, {39}, {1, 2, 3}, {100, 150}} {
		add(fmt.Sprintf("records cut at %v", cuts), Records(Bytes(app), cuts...), app)
	}
	message := Bytes(app)[5:]
	if at := bytes.Index(message, []byte(app.Name)); at > 0 {
		add("records cut inside the name", Records(Bytes(app), at+4), app)
		add("records cut before and behind the name", Records(Bytes(app), at, at+len(app.Name)), app)
	}
	every := make([]int, len(message)-1)
	for i := range every {
		every[i] = i + 1
	}
	add("a record for every byte", Records(Bytes(app), every...), app)
	add("post-quantum in two records", Records(Bytes(postQuantum), 1400), postQuantum)
	add("records with early data behind", Records(Bytes(app), 100), app, Record(23, filler(50))...)

	full := with(func(o *Options) { o.Size = 5 + 1<<14 })
	built("fullest record", full)
	large := with(func(o *Options) { o.Extensions = []Extension{{0x1234, make([]byte, 40000)}} })
	add("40 kB in records of 2^14", Records(Bytes(large), 1<<14, 2<<14), large)
	return cases
}

// Malformed returns hellos that must be refused with the alert they name, whatever the way in which their bytes arrive,
// and must reach no backend. None is cut short: each is wrong, not incomplete.
func Malformed() []Case {
	var cases []Case
	add := func(alert uint8, name string, b []byte) {
		cases = append(cases, Case{Name: name, Bytes: b, Alert: alert})
	}
	fields := func(alert uint8, name string, f Fields) { add(alert, name, f.Record()) }
	extensions := func(alert uint8, name string, list ...Extension) {
		var b []byte
		for _, e := range list {
			b = appendExtension(b, e.Type, e.Data)
		}
		fields(alert, name, Fields{Extensions: b})
	}
	serverName := func(alert uint8, name string, data []byte) {
		extensions(alert, name, Extension{ExtServerName, data})
	}
	host := func(name, value string) { serverName(illegalParameter, name, ServerName(Host(value))) }
	alpn := func(name string, data []byte) { extensions(decodeError, name, Extension{ExtALPN, data}) }

	app := Bytes(Options{Name: "app1.k8s.example.com", ALPN: []string{"h2"}})
	message := app[5:]
	changed := func(at int, values ...byte) []byte {
		b := bytes.Clone(app)
		copy(b[at:], values)
		return b
	}
	a, b := ServerName(Host("a.example.com")), ServerName(Host("b.example.com"))

	// Duplicates.
	extensions(illegalParameter, "two server_name extensions", Extension{ExtServerName, a}, Extension{ExtServerName, b})
	extensions(illegalParameter, "the same server_name twice", Extension{ExtServerName, a}, Extension{35, nil},
		Extension{ExtServerName, a})
	serverName(illegalParameter, "two host names", ServerName(Host("a.example.com"), Host("b.example.com")))
	serverName(illegalParameter, "two host names around another type",
		ServerName(Host("a.example.com"), Name{9, "x"}, Host("b.example.com")))
	extensions(illegalParameter, "two ALPN extensions", Extension{ExtALPN, ALPN("h2")}, Extension{ExtALPN, ALPN("h2")})
	extensions(illegalParameter, "two encrypted_client_hello extensions", Extension{ExtECH, filler(9)},
		Extension{ExtECH, filler(9)})
	extensions(illegalParameter, "two supported_versions extensions", Extension{43, []byte{2, 3, 4}},
		Extension{43, []byte{2, 3, 4}})

	// Empty names.
	serverName(decodeError, "empty server_name extension", nil)
	serverName(decodeError, "empty server name list", []byte{0, 0})
	serverName(decodeError, "empty host name", ServerName(Host("")))

	// Host names that none has.
	host("NUL in the name", "app1.k8s.example.com\x00.evil.example")
	host("NUL behind the name", "app1.k8s.example.com\x00")
	host("space in the name", "app1 .example.com")
	host("slash in the name", "app1.example.com/x")
	host("colon in the name", "app1.example.com:443")
	host("IPv6 address", "2001:db8::1")
	host("line feed in the name", "app1.example.com\n")
	host("star in the name", "*.example.com")
	host("UTF-8 in the name", "b\u00fccher.example")
	host("byte 0xff in the name", "app1\xff.example.com")
	host("dot alone", ".")
	host("two dots at the end", "app1.example.com..")
	host("dot at the start", ".example.com")
	host("empty label", "app1..example.com")
	host("label of 64 bytes", strings.Repeat("a", 64)+".example.com")
	host("last label of 64 bytes", "www."+strings.Repeat("a", 64))
	host("name of 254 bytes", strings.Repeat("a.", 126)+"aa")
	host("name of 300 bytes", strings.Repeat("abcdefghi.", 29)+"abcdefghij")

	// Lengths that contradict each other.
	serverName(decodeError, "server name list longer than its extension", append([]byte{0, 17}, a[2:]...))
	serverName(decodeError, "server name list shorter than its extension", append(bytes.Clone(a), 0))
	serverName(decodeError, "host name longer than its list", []byte{0, 5, 0, 0, 3, 'a', 'b'})
	serverName(decodeError, "name entry cut short", []byte{0, 5, 9, 0, 0, 0, 0})
	serverName(decodeError, "one byte of server_name", []byte{0})
	alpn("empty ALPN extension", nil)
	alpn("empty ALPN list", []byte{0, 0})
	alpn("empty protocol name", ALPN("h2", ""))
	alpn("ALPN list longer than its extension", []byte{0, 4, 2, 'h', '2'})
	alpn("ALPN list shorter than its extension", []byte{0, 3, 2, 'h', '2', 0})
	alpn("protocol longer than its list", []byte{0, 3, 3, 'h', '2'})
	fields(decodeError, "extension longer than the block", Fields{Extensions: []byte{0, 43, 0, 9, 2, 3, 4}})
	fields(decodeError, "three bytes in place of an extension", Fields{Extensions: []byte{0, 43, 0}})
	fields(decodeError, "one byte behind the extensions", Fields{Extensions: []byte{}, Trailing: []byte{0}})
	fields(decodeError, "bytes behind the extensions", Fields{Trailing: filler(20)})
	fields(decodeError, "half a length of extensions", Fields{NoExtensions: true, Trailing: []byte{0}})
	fields(decodeError, "extensions longer than the message", Fields{NoExtensions: true, Trailing: []byte{0, 1}})
	add(decodeError, "message shorter than its record", changed(8, app[8]-1))
	add(decodeError, "message that ends in its record, with a second one behind", Record(22, append(bytes.Clone(message),
		message...)))
	add(decodeError, "message that ends in its second record, with a byte behind", append(Record(22, message[:50]),
		Record(22, append(bytes.Clone(message[50:]), 0))...))
	add(decodeError, "message of no length", changed(6, 0, 0, 0))
	add(decodeError, "message too short for its fields", Record(22, Message(1, make([]byte, 40))))
	add(decodeError, "message of 16 MB", changed(6, 0xff, 0xff, 0xff))
	add(decodeError, "message of over 64 KiB", Records(Record(22, Message(1, make([]byte, 65530))), 1<<14, 2<<14, 3<<14))
	fields(decodeError, "session id of 33 bytes", Fields{SessionID: filler(33)})
	add(decodeError, "session id longer than the message", changed(43, 255))
	fields(decodeError, "no cipher suite", Fields{CipherSuites: []byte{}})
	fields(decodeError, "odd cipher list", Fields{CipherSuites: []byte{0x13, 1, 0x13}})
	add(decodeError, "cipher list longer than the message", changed(76, 0xff, 0xfe))
	fields(decodeError, "no compression method", Fields{Compression: []byte{}})
	compression := Fields{NoExtensions: true}.Record()
	compression[len(compression)-2] = 9
	add(decodeError, "compression methods longer than the message", compression)

	// Records.
	add(decodeError, "empty first record", append(Record(22, nil), app...))
	add(decodeError, "empty record inside the hello", append(append(Record(22, message[:60]), Record(22, nil)...),
		Record(22, message[60:])...))
	add(decodeError, "record over 2^14 bytes", Bytes(Options{Name: "app1.k8s.example.com", Size: 5 + 1<<14 + 1}))
	add(illegalParameter, "alert inside the hello", append(append(Record(22, message[:60]), Record(21, []byte{1, 0})...),
		Record(22, message[60:])...))
	add(illegalParameter, "change_cipher_spec inside the hello", append(append(Record(22, message[:60]),
		Record(20, []byte{1})...), Record(22, message[60:])...))
	add(illegalParameter, "application data inside the hello", append(Record(22, message[:60]), Record(23, message[60:])...))
	second := Records(app, 60)
	second[5+60+1] = 2
	add(illegalParameter, "record of version 2 inside the hello", second)

	// Messages.
	add(illegalParameter, "ServerHello first", changed(5, 2))
	add(illegalParameter, "HelloRequest first", Record(22, Message(0, nil)))
	add(illegalParameter, "Finished first", Record(22, Message(20, filler(32))))
	return cases
}

// NotTLS returns openings of other protocols, which no TLS client sends.
func NotTLS() []Case {
	return []Case{
		{Name: "HTTP", Bytes: []byte("GET / HTTP/1.1\r\nHost: app1.k8s.example.com\r\n\r\n")},
		{Name: "SSH", Bytes: []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n")},
		{Name: "SSLv2 hello", Bytes: []byte("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10")},
		{Name: "PROXY v1", Bytes: []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n")},
		{Name: "PROXY v2", Bytes: []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")},
		{Name: "alert record", Bytes: Record(21, []byte{2, 40})},
		{Name: "application data record", Bytes: Record(23, filler(40))},
		{Name: "version 2", Bytes: []byte{22, 2, 0, 0, 5, 1}},
		{Name: "zeros", Bytes: make([]byte, 64)},
	}
}
