package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
)

// wave is how many connections a test has open at once.
const wave = 200

// validWorld routes every name of the valid hellos to a server of its own.
func validWorld(t *testing.T) *world {
	hosts := make(map[string]string)
	for _, v := range hello.Valid() {
		if v.SNI != "" && net.ParseIP(v.SNI) == nil {
			hosts[strings.ToLower(v.SNI)] = "app-" + strings.ToLower(v.SNI)
		}
	}
	return newWorld(t, 1, hosts)
}

func serverOf(v hello.Case) string {
	if v.SNI == "" || net.ParseIP(v.SNI) != nil {
		return "nas"
	}
	return "app-" + strings.ToLower(v.SNI)
}

// A cutHello is a valid hello in two pieces.
type cutHello struct {
	name          string
	server        string
	first, second []byte
}

// askAll sends the first pieces on connections of their own, waits until the Proxy has read and kept every one of them,
// so that each cut is really seen, and then the rest.
func (w *world) askAll(hellos []cutHello) {
	for len(hellos) > 0 {
		n := min(wave, len(hellos))
		w.askWave(hellos[:n])
		hellos = hellos[n:]
	}
}

func (w *world) askWave(hellos []cutHello) {
	w.t.Helper()
	connections := make([]*net.TCPConn, len(hellos))
	kept := 0
	for i, h := range hellos {
		connections[i] = w.dial()
		if _, err := connections[i].Write(h.first); err != nil {
			w.t.Fatal(err)
		}
		kept += []int{smallBuffer, mediumBuffer, largeBuffer}[sizeClass(len(h.first))]
	}
	w.until("all first pieces are read", func(s Stats) bool { return s.PeekBytes == kept })
	var all sync.WaitGroup
	for i, h := range hellos {
		all.Go(func() {
			got, err := ask(connections[i], nil, h.second)
			sent := append(h.first[:len(h.first):len(h.first)], h.second...)
			if want := append([]byte(h.server+":"), sent...); err != nil || !bytes.Equal(got, want) {
				server, _, _ := bytes.Cut(got, []byte(":"))
				w.t.Errorf("%s: %d bytes from %.40q (%v), want %d from %q", h.name, len(got), server, err, len(want), h.server)
			}
		})
	}
	all.Wait()
}

// stepOf is the distance of the cuts that are tried within a hello of so many bytes, but for those near its ends: the
// largest hellos are sampled, and under the race detector all are (`make test` runs without it as well).
func stepOf(length int) int {
	switch {
	case length > 4096:
		return 97
	case raceDetector:
		return 23
	}
	return 1
}

// Every valid hello, cut at every byte, reaches its server with every byte intact.
func TestHelloCutAtEveryByte(t *testing.T) {
	w := validWorld(t)
	for _, v := range hello.Valid() {
		t.Run(v.Name, func(t *testing.T) {
			w.t = t
			var hellos []cutHello
			step := stepOf(v.Len)
			for cut := 1; cut < v.Len; cut++ {
				if cut%step != 0 && cut > 64 && cut < v.Len-64 {
					continue
				}
				hellos = append(hellos, cutHello{fmt.Sprintf("cut at %d", cut), serverOf(v), v.Bytes[:cut], v.Bytes[cut:]})
			}
			w.askAll(hellos)
		})
	}
}

// Every hello that lies in one record is spread over two at every byte of its message, and cut in time at the boundary.
func TestHelloAtEveryRecordBoundary(t *testing.T) {
	w := validWorld(t)
	for _, v := range hello.Valid() {
		message := int(v.Bytes[3])<<8 | int(v.Bytes[4])
		if 5+message != v.Len {
			continue // spread already
		}
		t.Run(v.Name, func(t *testing.T) {
			w.t = t
			var hellos []cutHello
			for cut := 1; cut < message; cut++ {
				if cut%stepOf(message) != 0 && cut > 64 && cut < message-64 {
					continue
				}
				spread := hello.Records(v.Bytes, cut)
				hellos = append(hellos, cutHello{fmt.Sprintf("records cut at %d", cut), serverOf(v), spread[:5+cut], spread[5+cut:]})
			}
			w.askAll(hellos)
		})
	}
}

// A hello that comes whole, byte by byte, and with data behind it.
func TestHelloWholeAndByteByByte(t *testing.T) {
	w := validWorld(t)
	for _, v := range hello.Valid() {
		t.Run(v.Name, func(t *testing.T) {
			w.t = t
			sent := append(v.Bytes[:len(v.Bytes):len(v.Bytes)], bytes.Repeat([]byte("early data "), 3000)...)
			got, err := ask(w.dial(), nil, sent)
			wantEcho(t, got, err, serverOf(v), sent)
			if v.Len > 4096 {
				return
			}
			pieces := make([][]byte, len(v.Bytes))
			for i := range v.Bytes {
				pieces[i] = v.Bytes[i : i+1]
			}
			got, err = ask(w.dial(), nil, pieces...)
			wantEcho(t, got, err, serverOf(v), v.Bytes)
		})
	}
}

// Each malformed hello gets its alert, whatever the listener does with what is not TLS, and reaches no server.
func TestHelloMalformed(t *testing.T) {
	for _, nonTLS := range []string{"reject", "default", "ssh"} {
		t.Run(nonTLS, func(t *testing.T) {
			w := newWorld(t, 1, nil)
			w.server("ssh", echo)
			w.setup.Listeners[0].NonTLS = nonTLS
			w.handClock() // a refused client may take any time to send the rest
			w.apply()
			for _, m := range hello.Malformed() {
				for _, pieces := range [][][]byte{{m.Bytes}, bytes.SplitAfter(m.Bytes, m.Bytes[:1])} {
					got, err := ask(w.dial(), nil, pieces...)
					if want := []byte{21, 3, 3, 0, 2, 2, m.Alert}; err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s in %d pieces: got % x (%v), want % x", m.Name, len(pieces), got, err, want)
					}
				}
			}
			for name, s := range w.servers {
				if n := s.connections(); n > 0 {
					t.Errorf("%s was reached %d times", name, n)
				}
			}
			w.until("all are counted", func(s Stats) bool {
				return s.Listeners[0].Rejected["malformed"] == 2*uint64(len(hello.Malformed())) && s.Active == 0
			})
		})
	}
}

// What is not TLS goes where the listener says.
func TestHelloNotTLS(t *testing.T) {
	for nonTLS, server := range map[string]string{"reject": "", "default": "nas", "ssh": "ssh"} {
		t.Run(nonTLS, func(t *testing.T) {
			w := newWorld(t, 1, nil)
			w.server("ssh", echo)
			w.setup.Listeners[0].NonTLS = nonTLS
			w.apply()
			for _, other := range hello.NotTLS() {
				is, may := proxyHeader(other.Bytes)
				got, err := ask(w.dial(), nil, other.Bytes)
				if server == "" || is || may {
					if err != nil || len(got) > 0 {
						t.Errorf("%s: got %d bytes (%v), want the end", other.Name, len(got), err)
					}
					continue
				}
				wantEcho(t, got, err, server, other.Bytes)
			}
		})
	}
}

// A PROXY protocol header from anyone is never forwarded, in whatever pieces it comes.
func TestHelloProxyHeader(t *testing.T) {
	w := newWorld(t, 1, nil)
	w.setup.Listeners[0].NonTLS = "default"
	w.apply()
	rest := hello.Bytes(hello.Options{Name: "app.example.com"})
	for _, header := range [][]byte{
		[]byte("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"),
		append(bytes.Clone(proxyV2), 0x21, 0x11, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2),
	} {
		for cut := 1; cut < len(header); cut++ {
			c := w.dial()
			c.Write(header[:cut])
			if _, may := proxyHeader(header[:cut]); may && cut < 6 {
				w.until("the first piece is read", func(s Stats) bool { return s.PeekBytes > 0 })
			}
			c.Write(append(bytes.Clone(header[cut:]), rest...))
			if got, err := io.ReadAll(c); len(got) > 0 {
				t.Errorf("cut at %d: got %q (%v)", cut, got, err)
			}
			c.Close()
		}
	}
	if n := w.servers["nas"].connections(); n > 0 {
		t.Errorf("the default backend was reached %d times", n)
	}
}
