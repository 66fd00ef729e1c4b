package sni_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/sni"
)

// fast is what Parser reads, in the slow decoder's terms.
func fast(p *sni.Parser, h *sni.ClientHello, received []byte) reading {
	*h = sni.ClientHello{Name: []byte("old"), ALPN: []byte("\x03old"), SessionID: []byte("old"), ECH: true, Len: -1}
	switch v := p.Parse(received, h); v {
	case sni.Malformed:
		return reading{verdict: v, alert: p.Alert()}
	case sni.Hello:
		r := reading{verdict: v, name: string(h.Name), named: h.Name != nil, session: string(h.SessionID), ech: h.ECH,
			length: h.Len}
		for protocol := range h.Protocols() {
			r.alpn = append(r.alpn, string(protocol))
		}
		return r
	default:
		return reading{verdict: v}
	}
}

// compare feeds b in random pieces and holds every verdict against the slow decoder's. It returns the last reading.
func compare(t *testing.T, b []byte, random *rand.Rand) reading {
	t.Helper()
	var p sni.Parser
	var h sni.ClientHello
	step := []int{1, 2, 5, 40, 700, len(b)}[random.IntN(6)]
	step = max(step, len(b)/20) // the slow decoder starts from scratch for every piece
	for end := 0; ; {
		want := slow(b[:end])
		if got := fast(&p, &h, slices.Concat(b[:end])); !reflect.DeepEqual(got, want) {
			t.Fatalf("after %d bytes of %x:\n got %+v\nwant %+v", end, b, got, want)
		}
		if want.verdict != sni.NeedMore || end == len(b) {
			return want
		}
		end = min(end+1+random.IntN(step+1), len(b))
	}
}

// compareRecorded spreads a message over random records and expects the reading that it had in one.
func compareRecorded(t *testing.T, b []byte, want reading, random *rand.Rand) {
	t.Helper()
	var message []byte
	for at := 0; at < want.length; {
		n := int(b[at+3])<<8 | int(b[at+4])
		message = append(message, b[at+5:at+5+n]...)
		at += 5 + n
	}
	most := []int{1, 4, 100, 5000, 16384}[random.IntN(5)]
	var again []byte
	for len(message) > 0 {
		n := min(1+random.IntN(most), len(message))
		again = append(again, hello.Record(22, message[:n])...)
		message = message[n:]
	}
	if want.length = len(again); want.length > sni.MaxHello {
		want = reading{verdict: sni.Malformed, alert: sni.DecodeError}
	}
	if got := compare(t, again, random); !reflect.DeepEqual(got, want) {
		t.Fatalf("spread over records of at most %d bytes:\n got %+v\nwant %+v", most, got, want)
	}
}

func seeds(t testing.TB) (all [][]byte) {
	for _, c := range slices.Concat(recordedCases(t), hello.Valid(), hello.Malformed(), hello.NotTLS()) {
		all = append(all, c.Bytes)
	}
	return all
}

func FuzzParse(f *testing.F) {
	for i, b := range seeds(f) {
		f.Add(b, uint64(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		if r := compare(t, b, random); r.verdict == sni.Hello {
			compareRecorded(t, b, r, random)
		}
	})
}

// The same without the fuzzer, for every run of the tests: hellos with a few bytes changed, dropped or added.
func TestMutations(t *testing.T) {
	all := seeds(t)
	random := rand.New(rand.NewPCG(1, 2))
	verdicts := map[sni.Verdict]int{}
	for range 5000 {
		b := mutate(all[random.IntN(len(all))], random)
		r := compare(t, b, random)
		verdicts[r.verdict]++
		if r.verdict == sni.Hello {
			compareRecorded(t, b, r, random)
		}
	}
	for _, v := range []sni.Verdict{sni.NeedMore, sni.Hello, sni.NotTLS, sni.Malformed} {
		if verdicts[v] < 100 {
			t.Errorf("%v only %d times: the mutations do not reach it", v, verdicts[v])
		}
	}
}

func mutate(b []byte, random *rand.Rand) []byte {
	b = bytes.Clone(b[:min(len(b), 3000)])
	for range random.IntN(4) {
		at := random.IntN(min(len(b), 400))
		switch random.IntN(5) {
		case 0:
			b[at] = byte(random.Uint32())
		case 1:
			b[at]++
		case 2:
			b[at] ^= 1 << random.IntN(8)
		case 3:
			b = slices.Insert(b, at, byte(random.Uint32()))
		case 4:
			b = slices.Delete(b, at, at+1)
		}
		if len(b) == 0 {
			return b
		}
	}
	return b
}

// What Parser accepts, a real server reads alike or refuses.
func TestServerReadsTheSame(t *testing.T) {
	all := seeds(t)
	random := rand.New(rand.NewPCG(3, 4))
	both := 0
	for i := range 3000 {
		b := all[i%len(all)]
		if i >= len(all) {
			b = mutate(b, random)
		}
		var p sni.Parser
		var h sni.ClientHello
		if p.Parse(b, &h) != sni.Hello {
			continue
		}
		name, protocols, ok := serverReads(t, b[:h.Len])
		if !ok {
			continue
		}
		both++
		var ours []string
		for protocol := range h.Protocols() {
			ours = append(ours, string(protocol))
		}
		if name != string(h.Name) || !slices.Equal(protocols, ours) {
			t.Fatalf("%x: name %q, protocols %q; crypto/tls reads %q, %q", b, h.Name, ours, name, protocols)
		}
	}
	if both < 100 {
		t.Errorf("only %d hellos were accepted by both", both)
	}
}

// serverReads hands a hello to a crypto/tls server and returns what it reads.
func serverReads(t *testing.T, b []byte) (name string, protocols []string, ok bool) {
	t.Helper()
	stop := errors.New("seen")
	err := tls.Server(&canned{Reader: bytes.NewReader(b)}, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			name, protocols, ok = info.ServerName, info.SupportedProtos, true
			return nil, stop
		},
	}).Handshake()
	if err == nil {
		t.Fatal("the handshake went past the hello")
	}
	return name, protocols, ok
}

// canned is a connection that has received its bytes already and sends nowhere.
type canned struct {
	*bytes.Reader
}

func (*canned) Write(b []byte) (int, error)        { return len(b), nil }
func (*canned) Close() error                       { return nil }
func (*canned) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (*canned) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (*canned) SetDeadline(t time.Time) error      { return nil }
func (*canned) SetReadDeadline(t time.Time) error  { return nil }
func (*canned) SetWriteDeadline(t time.Time) error { return nil }

// Hellos of a real client, in the shapes that its options give them.
func TestRealClient(t *testing.T) {
	for _, c := range []*tls.Config{
		{ServerName: "app1.k8s.example.com"},
		{ServerName: "app1.k8s.example.com", NextProtos: []string{"h2", "http/1.1"}},
		{ServerName: "nas.example.com", MaxVersion: tls.VersionTLS12, NextProtos: []string{"acme-tls/1"}},
		{ServerName: "nas.example.com", CurvePreferences: []tls.CurveID{tls.X25519}},
		{ServerName: "192.0.2.1", InsecureSkipVerify: true}, // crypto/tls sends no address as a name
		{InsecureSkipVerify: true},
	} {
		t.Run(fmt.Sprintf("%s %s %x", c.ServerName, strings.Join(c.NextProtos, ","), c.MaxVersion), func(t *testing.T) {
			sent := &recorded{}
			if err := tls.Client(sent, c).Handshake(); err == nil {
				t.Fatal("a handshake without a server succeeded")
			}
			var p sni.Parser
			var h sni.ClientHello
			if v := p.Parse(sent.Bytes(), &h); v != sni.Hello {
				t.Fatalf("%v %v, want a hello", v, p.Alert())
			}
			name := c.ServerName
			if net.ParseIP(name) != nil {
				name = ""
			}
			check(t, &h, hello.Case{SNI: name, ALPN: c.NextProtos, Len: sent.Len()})
		})
	}
}

// recorded is a connection that keeps what is sent and whose peer has closed.
type recorded struct {
	canned
	bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) { return r.Buffer.Write(b) }
func (r *recorded) Read(b []byte) (int, error)  { return 0, net.ErrClosed }
