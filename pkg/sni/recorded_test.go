package sni_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/sni"
)

var recordFlag = flag.Bool("record", false, "record the hellos in testdata anew, of all clients that are there")

// recordedCases are the hellos in testdata: those that the clients of clients_test.go sent.
func recordedCases(t testing.TB) []hello.Case {
	t.Helper()
	cases, err := hello.Recorded("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestRecorded reads what real clients sent. With -record it has them send it first:
//
//	go test ./pkg/sni -run TestRecorded -record -v
//
// NAME.hello holds the bytes. NAME.txt says who sent them and how, and, below an empty line, what they hold.
func TestRecorded(t *testing.T) {
	if *recordFlag {
		recordAll(t)
	}
	cases := recordedCases(t)
	var names []string
	for _, c := range cases {
		names = append(names, c.Name)
	}
	for _, c := range clients() {
		at := slices.Index(names, c.name)
		if at < 0 {
			t.Errorf("testdata/%s.hello is missing: record it with -record", c.name)
			continue
		}
		names = slices.Delete(names, at, at+1)
		t.Run(c.name, func(t *testing.T) {
			which := slices.IndexFunc(cases, func(r hello.Case) bool { return r.Name == c.name })
			checkRecorded(t, c, cases[which])
		})
	}
	if len(names) > 0 {
		t.Errorf("no client is known for the hellos %q in testdata", names)
	}
}

func checkRecorded(t *testing.T, c client, recorded hello.Case) {
	text, err := os.ReadFile(filepath.Join("testdata", c.name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	sender, want, found := strings.Cut(string(text), "\n\n")
	if !found || !strings.HasPrefix(sender, "client: ") {
		t.Fatalf("%s.txt does not say who sent the hello", c.name)
	}
	b := recorded.Bytes
	if got := describe(b); got != want {
		t.Errorf("testdata says\n%s\nthe slow decoder reads\n%s", want, got)
	}
	for _, part := range c.shows {
		if !strings.Contains(want, part) {
			t.Errorf("%q is not what this client is recorded for: the hello does not show it", part)
		}
	}
	for way, ends := range pieces(len(b)) {
		var p sni.Parser
		var h sni.ClientHello
		v, at := feed(&p, b, ends, &h)
		if v != sni.Hello || at != len(b) {
			t.Fatalf("%s: %v after %d bytes of %d, want a hello", way, v, at, len(b))
		}
		check(t, &h, recorded)
		var p2 sni.Parser
		if got, want := fast(&p2, &h, b), slow(b); !reflect.DeepEqual(got, want) {
			t.Fatalf("the parser reads\n%+v\nthe slow decoder\n%+v", got, want)
		}
	}
	name, protocols, ok := serverReads(t, b)
	if ok && (name != recorded.SNI || !slices.Equal(protocols, recorded.ALPN)) {
		t.Errorf("crypto/tls reads %q, %q", name, protocols)
	}
}
