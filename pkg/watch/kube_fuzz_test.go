package watch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// answersOf are what an API server may say, one of each kind.
var answersOf = []string{
	`{"kind":"IngressList","metadata":{"resourceVersion":"7","continue":"x"},"items":[{
"metadata":{"name":"a","namespace":"b","creationTimestamp":"2026-01-02T03:04:05Z"},
"spec":{"rules":[{"host":"a.example.com"},{}]},
"status":{"loadBalancer":{"ingress":[{"ip":"192.168.0.3"},{"hostname":"x"},{"ip":"::ffff:1.2.3.4%eth0"}]}}},null]}`,
	`{"metadata":{"name":"s","annotations":{
"external-dns.alpha.kubernetes.io/hostname":"a.example.com, ,*.b.example.com"}},
"spec":{"type":"LoadBalancer","ports":[{"port":443},{"port":80,"protocol":"UDP"}]},
"status":{"loadBalancer":{"ingress":[{"ip":"fd00::1"}]}}}`,
	`{"metadata":{"name":"nginx","annotations":{"ingressclass.kubernetes.io/is-default-class":"true"}}}`,
	`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,
"details":{"retryAfterSeconds":-1}}`,
	`{"metadata":null,"items":{}}`,
	`[]`,
}

// FuzzAnswer: whatever an API server answers, decoding it ends well, weighs what it kept, and makes claims within
// bounds.
func FuzzAnswer(f *testing.F) {
	for _, text := range answersOf {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, k := range kindsOf(Sources()) {
			c := codec{newObject: k.newObject, newList: func() runtime.Object { return k.newList() }}
			answer, _, err := answerDecoder{c}.Decode(data, nil, nil)
			if page, ok := answer.(pages); ok && err == nil {
				all := k.newList()
				all.join(page)
				if n := all.weight(); n < 0 || n > 500*len(data) {
					t.Fatalf("%s: a list of %d bytes weighs %d", k.name, len(data), n)
				}
			}
			o := k.newObject()
			if decodeJSON(data, o) != nil {
				continue
			}
			if n := o.weight(); n < weightOfObject || n > weightOfObject+100*len(data) {
				t.Fatalf("%s: an object of %d bytes weighs %d", k.name, len(data), n)
			}
			var objects Objects
			k.add(&objects, o)
			for _, claim := range objects.Claims("s") {
				if claim.Host == "" || len(claim.Host) > maxHostLength || len(claim.Addresses) > maxAddresses {
					t.Fatalf("%s: claim %+v", k.name, claim)
				}
			}
		}
	})
}

// FuzzWatch: the body of a watch, cut into events whatever the size of the reader's buffer. No byte of an event is
// lost, and decoding each ends well.
func FuzzWatch(f *testing.F) {
	for _, text := range answersOf {
		line := strings.ReplaceAll(text, "\n", "")
		f.Add([]byte(`{"type":"ADDED","object":`+line+"}\n"+`{"type":"ERROR","object":`+line+"}\n"), uint8(200))
	}
	end := `{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}`
	f.Add([]byte(end+"\n\n{}\n"), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		kinds := kindsOf(Sources())
		alive, broken := 0, false
		s := &stream{opened: func() {}, alive: func() { alive++ }, complete: func() {}, closed: func() {},
			failed: func(error) { broken = true }}
		frames := s.NewFrameReader(io.NopCloser(bytes.NewReader(body)))
		var read []byte
		for {
			var event []byte
			part := make([]byte, int(size)+1)
			n, err := frames.Read(part)
			for errors.Is(err, io.ErrShortBuffer) {
				event = append(event, part[:n]...)
				n, err = frames.Read(part)
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			event = append(event, part[:n]...)
			read = append(read, event...)
			k := kinds[alive%len(kinds)]
			c := codec{newObject: k.newObject, most: maxDecoded, stream: s}
			var envelope metav1.WatchEvent
			if _, _, err := (eventDecoder{s}).Decode(event, nil, &envelope); err == nil {
				_, _, _ = objectDecoder{c}.Decode(envelope.Object.Raw, nil, nil)
			}
		}
		whole := bytes.LastIndexByte(body, '\n') + 1
		if !bytes.Equal(read, body[:whole]) || alive != bytes.Count(body, []byte("\n")) {
			t.Fatalf("%q was read as %q, %d events", body, read, alive)
		}
		if whole < len(body) && !broken {
			t.Fatalf("%q ends in the middle of an event, and nobody is told", body)
		}
	})
}

// FuzzCredential: a token or a Secret of any content is taken or refused, and what is taken can stand in a header.
func FuzzCredential(f *testing.F) {
	f.Add([]byte("a.b.c"), []byte(`{"exp":1700000000}`))
	f.Add([]byte("a"), []byte(`{"exp":-1}`))
	f.Add([]byte("é"), []byte(`{"exp":1e30}`))
	secret := `{"kind":"Secret","type":"kubernetes.io/service-account-token","data":{"token":"YQ==","ca.crt":"YQ=="}}`
	f.Add([]byte(secret), []byte("x"))
	f.Fuzz(func(t *testing.T, data, payload []byte) {
		signed := "h." + base64.RawURLEncoding.EncodeToString(payload) + ".s"
		for _, token := range []string{string(data), signed} {
			c := new(credentials)
			if err := c.setToken(token, "file"); err != nil {
				continue
			}
			if c.token == "" || strings.ContainsFunc(c.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q was taken as %q", token, c.token)
			}
		}
		c, authority, err := readSecret(bytes.NewReader(data))
		if err == nil && (c.token == "" || !bytes.Contains(authority, []byte("BEGIN CERTIFICATE"))) {
			t.Fatalf("%q was taken: %+v, authority %q", data, c, authority)
		}
	})
}
