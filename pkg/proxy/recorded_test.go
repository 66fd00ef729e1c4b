package proxy

import (
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
)

// What real clients sent reaches its server whole, byte by byte, and in two pieces.
func TestHelloRecorded(t *testing.T) {
	recorded, err := hello.Recorded("../sni/testdata")
	if err != nil {
		t.Fatal(err)
	}
	hosts := make(map[string]string)
	for _, c := range recorded {
		if c.SNI != "" {
			hosts[c.SNI] = serverOf(c)
		}
	}
	w := newWorld(t, 1, hosts)
	for _, c := range recorded {
		t.Run(c.Name, func(t *testing.T) {
			w.t = t
			got, err := ask(w.dial(), nil, c.Bytes)
			wantEcho(t, got, err, serverOf(c), c.Bytes)
			pieces := make([][]byte, len(c.Bytes))
			for i := range c.Bytes {
				pieces[i] = c.Bytes[i : i+1]
			}
			got, err = ask(w.dial(), nil, pieces...)
			wantEcho(t, got, err, serverOf(c), c.Bytes)
			var hellos []cutHello
			for cut := 1; cut < c.Len; cut += 1 + c.Len/40 {
				hellos = append(hellos, cutHello{c.Name, serverOf(c), c.Bytes[:cut], c.Bytes[cut:]})
			}
			w.askAll(hellos)
		})
	}
}
