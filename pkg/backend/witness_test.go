package backend

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/iotest"
)

// FuzzWitness: in whatever pieces a server's bytes come, all are passed on, and only TLS of a server is an answer.
func FuzzWitness(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 90, 2, 0, 0, 86}, true)
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, false)
	f.Add([]byte{22, 3, 3, 0, 90, 1}, false)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), true)
	f.Add([]byte{21, 3, 3, 0, 2}, false)
	f.Fuzz(func(t *testing.T, sent []byte, byByte bool) {
		var from io.Reader = bytes.NewReader(sent)
		if byByte {
			from = iotest.OneByteReader(from)
		}
		w := &witness{Conn: readConn{Reader: from}}
		got, err := io.ReadAll(w)
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%x was passed on as %x (%v)", sent, got, err)
		}
		isTLS := len(sent) >= 6 && sent[1] == 3 && (sent[0] == 21 || sent[0] == 22 && sent[5] == 2)
		if w.answer() != isTLS {
			t.Fatalf("%x is an answer: %v", sent, w.answer())
		}
	})
}

// readConn is a connection of which only reading is of interest.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }
