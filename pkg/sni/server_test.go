package sni_test

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/pkg/sni"
)

// serverHello returns a record that begins with a ServerHello, and more messages behind it.
func serverHello(session string, behind int) []byte {
	id := append([]byte{byte(len(session))}, session...)
	body := slices.Concat([]byte{3, 3}, make([]byte, 32), id, []byte{0xc0, 0x2f, 0})
	message := slices.Concat([]byte{2, 0, byte(len(body) >> 8), byte(len(body))}, body)
	return hello.Record(22, append(message, make([]byte, behind)...))
}

func TestServerSessionID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for n := range len(id) + 1 {
		for _, behind := range []int{0, 1000} {
			b := serverHello(id[:n], behind)
			if got := sni.ServerSessionID(b); string(got) != id[:n] || n == 0 && got != nil {
				t.Errorf("%d bytes: got %q", n, got)
			}
		}
	}
	good := serverHello(id, 0)
	for cut := range 44 + len(id) {
		if got := sni.ServerSessionID(good[:cut]); got != nil {
			t.Errorf("cut at %d: got %q", cut, got)
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"another record":   func(b []byte) []byte { b[0] = 23; return b },
		"another protocol": func(b []byte) []byte { b[1] = 2; return b },
		"a ClientHello":    func(b []byte) []byte { b[5] = 1; return b },
		"33 bytes":         func([]byte) []byte { return serverHello(id+"x", 0) },
		"a short record":   func(b []byte) []byte { b[4] = byte(39 + len(id) - 1); return b },
		"a short message":  func(b []byte) []byte { b[8] = byte(35 + len(id) - 1); return b },
	} {
		if got := sni.ServerSessionID(change(bytes.Clone(good))); got != nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// slowServerSessionID reads it in the plainest way.
func slowServerSessionID(b []byte) (id string) {
	defer func() {
		if _, short := recover().(sni.Alert); short {
			id = ""
		}
	}()
	left := bytesLeft(b)
	if left.number(1) != 22 || left.number(1) != 3 {
		return ""
	}
	left.take(1)
	record := left[:min(2+int(left[0])<<8+int(left[1]), len(left))]
	record.take(2)
	if record.number(1) != 2 {
		return ""
	}
	length := record.number(3)
	message := record[:min(length, len(record))]
	message.take(2 + 32)
	return string(message.vector(1, 0, 32))
}

func FuzzServerSessionID(f *testing.F) {
	f.Add(serverHello("", 0))
	f.Add(serverHello("0123456789abcdef0123456789abcdef", 100))
	f.Add(serverHello(strings.Repeat("x", 33), 0))
	for _, config := range []*tls.Config{{MaxVersion: tls.VersionTLS12}, {MinVersion: tls.VersionTLS13}} {
		f.Add(realServerHello(f, config))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, want := sni.ServerSessionID(b), slowServerSessionID(b)
		if string(got) != want {
			t.Fatalf("%x: got %x, want %x", b, got, want)
		}
		if got != nil && (len(got) == 0 || len(got) > 32 || cap(got) != len(got)) {
			t.Fatalf("%x: got %d bytes, capacity %d", b, len(got), cap(got))
		}
	})
}

// A TLS 1.3 server sends back the client's id.
func TestServerSessionIDOfRealServer(t *testing.T) {
	sent := &recorded{}
	tls.Client(sent, &tls.Config{ServerName: "app.example.com", MinVersion: tls.VersionTLS13}).Handshake()
	var p sni.Parser
	var h sni.ClientHello
	if p.Parse(sent.Bytes(), &h) != sni.Hello || len(h.SessionID) != 32 {
		t.Fatalf("the client's id is %x", h.SessionID)
	}
	if got := sni.ServerSessionID(answerTo(t, sent.Bytes(), &tls.Config{})); !bytes.Equal(got, h.SessionID) {
		t.Errorf("got %x, want %x", got, h.SessionID)
	}
}

func realServerHello(t testing.TB, config *tls.Config) []byte {
	sent := &recorded{}
	tls.Client(sent, &tls.Config{ServerName: "app.example.com", MaxVersion: config.MaxVersion,
		MinVersion: config.MinVersion}).Handshake()
	return answerTo(t, sent.Bytes(), config)
}

// answerTo returns what a crypto/tls server sends for a hello.
func answerTo(t testing.TB, clientHello []byte, config *tls.Config) []byte {
	t.Helper()
	config.Certificates = []tls.Certificate{certificate(t)}
	server := &answering{canned: canned{bytes.NewReader(clientHello)}}
	if err := tls.Server(server, config).Handshake(); err == nil {
		t.Fatal("the handshake succeeded with half a client")
	}
	if server.Len() == 0 {
		t.Fatal("the server said nothing")
	}
	return server.Bytes()
}

// answering is a connection that has received its bytes already and keeps what is sent.
type answering struct {
	canned
	bytes.Buffer
}

func (a *answering) Read(b []byte) (int, error)  { return a.canned.Read(b) }
func (a *answering) Write(b []byte) (int, error) { return a.Buffer.Write(b) }
func (a *answering) Len() int                    { return a.Buffer.Len() }

func BenchmarkServerSessionID(b *testing.B) {
	hello := serverHello("0123456789abcdef0123456789abcdef", 1000)
	b.ReportAllocs()
	for b.Loop() {
		sni.ServerSessionID(hello)
	}
}

func ExampleServerSessionID() {
	received := serverHello("\x01\x02\x03", 0) // the first bytes from the server
	fmt.Println(hex.EncodeToString(sni.ServerSessionID(received)))
	// Output: 010203
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	authority, err := house.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file, err := authority.Issue("app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
