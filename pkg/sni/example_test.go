package sni_test

import (
	"fmt"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/sni"
)

// Bytes arrive piece by piece, and the parser sees all that have come so far.
func Example() {
	sent := hello.Bytes(hello.Options{Name: "App1.k8s.example.com.", ALPN: []string{"h2", "http/1.1"}})
	var parser sni.Parser
	var h sni.ClientHello
	var received []byte
	for len(sent) > 0 {
		n := min(100, len(sent))
		received, sent = append(received, sent[:n]...), sent[n:]
		switch parser.Parse(received, &h) {
		case sni.NeedMore:
			fmt.Println("read on")
		case sni.Hello:
			fmt.Printf("route %s, which offers", h.Name)
			for protocol := range h.Protocols() {
				fmt.Printf(" %s", protocol)
			}
			fmt.Println()
		case sni.NotTLS:
			fmt.Println("something else speaks")
		case sni.Malformed:
			fmt.Printf("refuse with %s: % x\n", parser.Alert(), parser.Alert().Record())
		}
	}
	// Output:
	// read on
	// read on
	// route App1.k8s.example.com, which offers h2 http/1.1
}
