// Package hello builds TLS ClientHellos for tests, the demo and the benchmarks: ordinary ones, ones that are spread over
// several records, and ones that break a rule each. It knows the wire format alone, not who reads it.
//
//	whole := hello.Bytes(hello.Options{Name: "app1.k8s.example.com", ALPN: []string{"h2", "http/1.1"}, Size: 517})
//	spread := hello.Records(whole, 3, 80) // the same message in three records
package hello

import "encoding/binary"

// Extension types that the options use.
const (
	ExtServerName = 0      // RFC 6066 3
	ExtALPN       = 16     // RFC 7301
	ExtPadding    = 21     // RFC 7685
	ExtKeyShare   = 51     // RFC 8446 4.2.8
	ExtECH        = 0xfe0d // RFC 9849
)

// An Extension is added as it is.
type Extension struct {
	Type uint16
	Data []byte
}

// Options say what a hello holds. The zero value is a small TLS 1.3 hello without a name.
type Options struct {
	Name        string   // of the server_name extension; empty: no extension
	ALPN        []string // empty: no extension
	SessionID   []byte   // nil: 32 bytes, as browsers send; empty: none
	PostQuantum bool     // a key share for X25519MLKEM768, which makes about 1.8 kB of 500 bytes
	ECH         bool     // an encrypted_client_hello extension of 186 bytes, filled like GREASE ECH
	Extensions  []Extension
	Size        int // pad the record to this many bytes, its header included; ignored if it is longer, or by less than 4
}

// Bytes returns a record that holds the ClientHello. Random fields have fixed contents: equal options, equal bytes.
func Bytes(o Options) []byte {
	var extensions []byte
	if o.Name != "" {
		extensions = appendExtension(extensions, ExtServerName, ServerName(Host(o.Name)))
	}
	for _, e := range usual() {
		extensions = appendExtension(extensions, e.Type, e.Data)
	}
	if len(o.ALPN) > 0 {
		extensions = appendExtension(extensions, ExtALPN, ALPN(o.ALPN...))
	}
	shares := share(0x001d, 32)
	if o.PostQuantum {
		shares = append(share(0x11ec, 1184+32), shares...)
	}
	extensions = appendExtension(extensions, ExtKeyShare, vector16(shares))
	if o.ECH {
		extensions = appendExtension(extensions, ExtECH, filler(186))
	}
	for _, e := range o.Extensions {
		extensions = appendExtension(extensions, e.Type, e.Data)
	}
	session := o.SessionID
	if session == nil {
		session = filler(32)
	}
	f := Fields{SessionID: session, Extensions: extensions}
	if missing := o.Size - len(f.Record()) - 4; missing >= 0 {
		f.Extensions = appendExtension(extensions, ExtPadding, make([]byte, missing))
	}
	return f.Record()
}

// Fields are the parts of a ClientHello that a test may want to set. Nil means an ordinary value, empty means empty.
type Fields struct {
	SessionID    []byte
	CipherSuites []byte
	Compression  []byte
	Extensions   []byte // the block without its length
	NoExtensions bool   // leave the block and its length out
	Trailing     []byte // behind the extensions, inside the message
}

// Message returns the handshake message, its header included.
func (f Fields) Message() []byte {
	body := append([]byte{3, 3}, filler(32)...)
	if f.SessionID == nil {
		f.SessionID = filler(32)
	}
	if f.CipherSuites == nil {
		f.CipherSuites = suites()
	}
	if f.Compression == nil {
		f.Compression = []byte{0}
	}
	body = append(append(body, byte(len(f.SessionID))), f.SessionID...)
	body = append(body, vector16(f.CipherSuites)...)
	body = append(append(body, byte(len(f.Compression))), f.Compression...)
	if !f.NoExtensions {
		body = append(body, vector16(f.Extensions)...)
	}
	body = append(body, f.Trailing...)
	return Message(1, body)
}

// Record returns the message in one record.
func (f Fields) Record() []byte { return Record(22, f.Message()) }

// Message puts a handshake header before body (RFC 8446 4). ClientHello is type 1.
func Message(kind byte, body []byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// Record puts a record header before a fragment (RFC 8446 5.1). Handshake is type 22; the version is TLS 1.0's, which
// clients send at first.
func Record(kind byte, fragment []byte) []byte {
	n := len(fragment)
	return append([]byte{kind, 3, 1, byte(n >> 8), byte(n)}, fragment...)
}

// Records spreads the message of record, which holds a ClientHello alone, over several records, cut at the given
// ascending offsets into the message. What follows the record is kept behind them.
func Records(record []byte, cuts ...int) []byte {
	end := 5 + int(binary.BigEndian.Uint16(record[3:]))
	message, behind := record[5:end], record[end:]
	var out []byte
	from := 0
	for _, cut := range append(cuts[:len(cuts):len(cuts)], len(message)) {
		out = append(out, Record(22, message[from:cut])...)
		from = cut
	}
	return append(out, behind...)
}

// A Name is an entry of a server name list.
type Name struct {
	Type  byte
	Value string
}

// Host returns the entry for a host name.
func Host(name string) Name { return Name{Type: 0, Value: name} }

// ServerName returns the data of a server_name extension that lists names.
func ServerName(names ...Name) []byte {
	var list []byte
	for _, n := range names {
		list = append(append(list, n.Type), vector16([]byte(n.Value))...)
	}
	return vector16(list)
}

// ALPN returns the data of an ALPN extension that lists protocols.
func ALPN(protocols ...string) []byte {
	var list []byte
	for _, p := range protocols {
		list = append(append(list, byte(len(p))), p...)
	}
	return vector16(list)
}

// suites returns what OpenSSL 3 offers, less the long tail.
func suites() []byte {
	return []byte{0x13, 2, 0x13, 3, 0x13, 1, 0xc0, 0x2c, 0xc0, 0x30, 0xc0, 0x2b, 0xc0, 0x2f, 0, 0xff}
}

// usual returns the extensions that OpenSSL 3 sends besides those of Options.
func usual() []Extension {
	return []Extension{
		{11, []byte{3, 0, 1, 2}},                         // ec_point_formats
		{10, []byte{0, 6, 0x11, 0xec, 0, 0x1d, 0, 0x17}}, // supported_groups
		{35, nil}, // session_ticket
		{22, nil}, // encrypt_then_mac
		{23, nil}, // extended_master_secret
		{13, []byte{0, 10, 4, 3, 8, 4, 4, 1, 5, 3, 8, 7}}, // signature_algorithms
		{43, []byte{4, 3, 4, 3, 3}},                       // supported_versions
		{45, []byte{1, 1}},                                // psk_key_exchange_modes
	}
}

func appendExtension(b []byte, kind uint16, data []byte) []byte {
	return append(append(b, byte(kind>>8), byte(kind)), vector16(data)...)
}

func share(group uint16, n int) []byte {
	return append([]byte{byte(group >> 8), byte(group)}, vector16(filler(n))...)
}

// vector16 puts its length in two bytes before b.
func vector16(b []byte) []byte {
	return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
}

// filler returns n bytes that look random and are always the same.
func filler(n int) []byte {
	b := make([]byte, n)
	x := uint32(0x9e3779b9)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}
