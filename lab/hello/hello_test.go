package hello_test

import (
	"bytes"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
)

func TestBytes(t *testing.T) {
	o := hello.Options{Name: "app1.k8s.example.com", ALPN: []string{"h2", "http/1.1"}}
	for _, size := range []int{250, 517, 1800} {
		o.Size, o.PostQuantum = size, size == 1800
		b := hello.Bytes(o)
		if len(b) != size {
			t.Errorf("%d bytes, want %d", len(b), size)
		}
		if !bytes.Equal(b, hello.Bytes(o)) {
			t.Error("the same options make other bytes")
		}
		if n := bytes.Count(b, []byte(o.Name)); n != 1 {
			t.Errorf("the name stands %d times in the hello", n)
		}
	}
}

func TestRecords(t *testing.T) {
	whole := append(hello.Bytes(hello.Options{}), "behind"...)
	message := whole[5 : len(whole)-6]
	var want []byte
	for _, part := range [][]byte{message[:1], message[1:50], message[50:]} {
		want = append(want, hello.Record(22, part)...)
	}
	if got := hello.Records(whole, 1, 50); !bytes.Equal(got, append(want, "behind"...)) {
		t.Errorf("%x", got)
	}
}

func TestNamesAreUnique(t *testing.T) {
	for _, cases := range [][]hello.Case{hello.Valid(), hello.Malformed(), hello.NotTLS()} {
		seen := map[string]bool{}
		for _, c := range cases {
			if seen[c.Name] {
				t.Errorf("two cases are called %q", c.Name)
			}
			seen[c.Name] = true
		}
	}
}
