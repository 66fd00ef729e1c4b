package sni_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/sni"
)

// pieces yields ways to cut n bytes into what arrives at a time: the ends of the pieces, the last one is n.
func pieces(n int) map[string][]int {
	ways := map[string][]int{"whole": {n}}
	for _, step := range []int{1, 3, 100, 1460} {
		if n/step > 5000 {
			continue // each piece costs a copy
		}
		var ends []int
		for end := step; end < n; end += step {
			ends = append(ends, end)
		}
		ways[fmt.Sprintf("by %d", step)] = append(ends, n)
	}
	return ways
}

// feed hands bytes to a parser piece by piece, each time in a buffer of its own, until the verdict is clear.
func feed(p *sni.Parser, b []byte, ends []int, h *sni.ClientHello) (verdict sni.Verdict, at int) {
	for _, end := range ends {
		verdict, at = p.Parse(bytes.Clone(b[:end]), h), end
		if verdict != sni.NeedMore {
			break
		}
	}
	return verdict, at
}

func TestValid(t *testing.T) {
	for _, c := range hello.Valid() {
		t.Run(c.Name, func(t *testing.T) {
			var h sni.ClientHello
			for way, ends := range pieces(len(c.Bytes)) {
				var p sni.Parser
				if v, at := feed(&p, c.Bytes, ends, &h); v != sni.Hello || at < c.Len {
					t.Fatalf("%s: %v after %d bytes of %d, want a hello", way, v, at, c.Len)
				}
				check(t, &h, c)
			}
			for end := 0; end < c.Len; end += 1 + c.Len/5000 { // every prefix is incomplete
				var p sni.Parser
				if v := p.Parse(c.Bytes[:end], &h); v != sni.NeedMore {
					t.Fatalf("%v after %d bytes of %d, want need more", v, end, c.Len)
				}
				if v := p.Parse(c.Bytes, &h); v != sni.Hello {
					t.Fatalf("cut at %d: %v, want a hello", end, v)
				}
				check(t, &h, c)
				if v := p.Parse(c.Bytes, &h); v != sni.Hello {
					t.Fatalf("asked again: %v, want a hello", v)
				}
				check(t, &h, c)
			}
		})
	}
}

func check(t *testing.T, h *sni.ClientHello, c hello.Case) {
	t.Helper()
	if string(h.Name) != c.SNI || (h.Name == nil) != (c.SNI == "") {
		t.Fatalf("name %q, want %q", h.Name, c.SNI)
	}
	var protocols []string
	for p := range h.Protocols() {
		protocols = append(protocols, string(p))
	}
	if !slices.Equal(protocols, c.ALPN) || (h.ALPN == nil) != (c.ALPN == nil) {
		t.Fatalf("protocols %q, want %q", protocols, c.ALPN)
	}
	only := ""
	if len(c.ALPN) == 1 {
		only = c.ALPN[0]
	}
	if string(h.OnlyALPN()) != only {
		t.Fatalf("only protocol %q, want %q", h.OnlyALPN(), only)
	}
	if h.ECH != c.ECH {
		t.Fatalf("ECH %v, want %v", h.ECH, c.ECH)
	}
	if h.Len != c.Len {
		t.Fatalf("length %d, want %d", h.Len, c.Len)
	}
}

func TestMalformed(t *testing.T) {
	if n := len(hello.Malformed()); n < 20 {
		t.Fatalf("only %d malformed hellos", n)
	}
	for _, c := range hello.Malformed() {
		t.Run(c.Name, func(t *testing.T) {
			for way, ends := range pieces(len(c.Bytes)) {
				var p sni.Parser
				var h sni.ClientHello
				v, _ := feed(&p, c.Bytes, ends, &h)
				if v != sni.Malformed || p.Alert() != sni.Alert(c.Alert) {
					t.Fatalf("%s: %v with %v, want malformed with %v", way, v, p.Alert(), sni.Alert(c.Alert))
				}
				if v := p.Parse(append(bytes.Clone(c.Bytes), 0), &h); v != sni.Malformed {
					t.Fatalf("%s, asked again: %v, want malformed", way, v)
				}
			}
		})
	}
}

func TestNotTLS(t *testing.T) {
	for _, c := range hello.NotTLS() {
		t.Run(c.Name, func(t *testing.T) {
			for way, ends := range pieces(len(c.Bytes)) {
				var p sni.Parser
				if v, at := feed(&p, c.Bytes, ends, &sni.ClientHello{}); v != sni.NotTLS || way == "by 1" && at > 2 {
					t.Fatalf("%s: %v after %d bytes, want not TLS", way, v, at)
				}
			}
		})
	}
}

// A refusal must not wait for bytes that cannot change it.
func TestEarly(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
		want  sni.Verdict
	}{
		{"nothing", nil, sni.NeedMore},
		{"one byte", []byte{22}, sni.NeedMore},
		{"wrong first byte", []byte{23}, sni.NotTLS},
		{"wrong version", []byte{22, 2}, sni.NotTLS},
		{"record length", []byte{22, 3, 1, 0x40, 0x01}, sni.Malformed},
		{"empty record", []byte{22, 3, 1, 0, 0}, sni.Malformed},
		{"fullest record", []byte{22, 3, 1, 0x40, 0}, sni.NeedMore},
		{"message type", []byte{22, 3, 1, 2, 0, 2}, sni.Malformed},
		{"message length, first byte unclear", []byte{22, 3, 1, 2, 0, 1, 0xff}, sni.NeedMore},
		{"message length", []byte{22, 3, 1, 2, 0, 1, 1, 0, 0}, sni.Malformed},
		{"message shorter than the record", []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfb}, sni.Malformed},
		{"message as long as the record", []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc}, sni.NeedMore},
		{"message longer than the record", []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfd}, sni.NeedMore},
		{"greatest message", []byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xe8}, sni.NeedMore},
		{"message that cannot fit", []byte{22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xe9}, sni.Malformed},
		{"length over records", []byte{22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 1, 0, 22, 3, 1, 0, 2, 0, 5}, sni.Malformed},
		{"second record's type", []byte{22, 3, 1, 0, 1, 1, 23}, sni.Malformed},
		{"second record's version", []byte{22, 3, 1, 0, 1, 1, 22, 2}, sni.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p sni.Parser
			if v := p.Parse(c.bytes, &sni.ClientHello{}); v != c.want {
				t.Errorf("%v, want %v", v, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	// A message of 65,516 bytes and the headers of the four records that it takes make 64 KiB.
	message := hello.Fields{Extensions: []byte{}}.Message()
	extensions := append([]byte{0x12, 0x34, 0, 0}, make([]byte, 65516-len(message)-4)...)
	extensions[2], extensions[3] = byte((len(extensions)-4)>>8), byte(len(extensions)-4)
	message = hello.Fields{Extensions: extensions}.Message()
	record := func(cuts ...int) []byte {
		var b []byte
		from := 0
		for _, cut := range append(cuts, len(message)) {
			b = append(b, hello.Record(22, message[from:cut])...)
			from = cut
		}
		return b
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  sni.Verdict
	}{
		{"64 KiB", record(1<<14, 2<<14, 3<<14), sni.Hello},
		{"64 KiB and a record header", record(1, 1<<14, 2<<14, 3<<14), sni.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p sni.Parser
			var h sni.ClientHello
			if v := p.Parse(c.bytes, &h); v != c.want {
				t.Errorf("%v for %d bytes, want %v", v, len(c.bytes), c.want)
			}
			if c.want == sni.Hello && h.Len != sni.MaxHello {
				t.Errorf("length %d, want %d", h.Len, sni.MaxHello)
			}
		})
	}
}

func TestNoAllocation(t *testing.T) {
	whole := hello.Bytes(hello.Options{Name: "app1.k8s.example.com", ALPN: []string{"h2", "http/1.1"}, Size: 517})
	spread := hello.Records(whole, 50, 300)
	var h sni.ClientHello
	for name, b := range map[string][]byte{"one record": whole, "three records, ClientHello used again": spread} {
		n := testing.AllocsPerRun(100, func() {
			var p sni.Parser
			if p.Parse(b[:100], &h) != sni.NeedMore || p.Parse(b, &h) != sni.Hello || h.Name == nil {
				t.Fatal("not parsed")
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func TestParserIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(sni.Parser{}); n > 32 {
		t.Errorf("a parser takes %d bytes, want at most 32", n)
	}
}

func TestAlert(t *testing.T) {
	if got, want := sni.UnrecognizedName.Record(), [7]byte{21, 3, 3, 0, 2, 2, 112}; got != want {
		t.Errorf("record %v, want %v", got, want)
	}
}
