package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// askServer returns nil if the server is up, or what is wrong. It takes no longer than ctx allows.
func askServer(ctx context.Context, q question, name string) error {
	dialer := net.Dialer{KeepAlive: -1}
	if q.kind == route.CheckTCP {
		dialer.Control = delayAcknowledgement
	}
	conn, err := dialer.DialContext(ctx, "tcp", q.address.String())
	if err != nil {
		return plain(err)
	}
	defer conn.Close()
	if q.kind == route.CheckTCP {
		return conn.(*net.TCPConn).SetLinger(0) // a reset in place of the last acknowledgement
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	return greet(ctx, conn.(*net.TCPConn), q.header, name)
}

// delayAcknowledgement keeps the kernel from acknowledging the server's SYN at once. The reset that follows comes in
// its place: the server's kernel has answered, and its program, which would log a client that says nothing, is never
// told. HAProxy's checks do the same.
func delayAcknowledgement(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0)
	})
}

// goodbye is how long a server may take to end a connection on which nothing was asked. A busy one needs more than a
// moment, and would log a failed handshake if the connection were gone before it is through with it.
const goodbye = 5 * time.Second

// greet completes a TLS handshake and ends the connection in good order, so that the server has nothing to complain of.
// A ServerHello or an alert is enough to be up.
func greet(ctx context.Context, conn *net.TCPConn, header route.ProxyProtocol, name string) error {
	if _, err := conn.Write(localHeader(header)); err != nil {
		return plain(err)
	}
	seen := &witness{Conn: conn}
	client := tls.Client(seen, &tls.Config{
		ServerName: name,
		// Whoever answers is not trusted with anything: the question is whether somebody does.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       allCiphers(),
		// No post-quantum key: it protects nothing here, and costs a small router time.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	})
	err := client.Handshake()
	if !seen.answer() {
		if err == nil || seen.n > 0 {
			return errors.New("it does not speak TLS")
		}
		return plain(err)
	}
	if err != nil {
		return nil
	}
	// What the server still says is read before the close, which would otherwise be a reset.
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	client.CloseWrite()
	conn.CloseWrite()
	io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
	return nil
}

// allCiphers are those that crypto/tls knows, the ones with known weaknesses too: an old server is not down.
func allCiphers() (ids []uint16) {
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, c := range list {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// localHeader is the PROXY protocol header of a connection that is made on nobody's behalf (2.1 and 2.2 of HAProxy's
// doc/proxy-protocol.txt).
func localHeader(version route.ProxyProtocol) []byte {
	switch version {
	case route.ProxyV1:
		return []byte("PROXY UNKNOWN\r\n")
	case route.ProxyV2:
		return []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	}
	return nil
}

// A witness keeps the first bytes that a server sent.
type witness struct {
	net.Conn
	first [6]byte
	n     int
}

// Read is part of net.Conn.
func (w *witness) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	w.n += copy(w.first[w.n:], b[:n])
	return n, err
}

// answer says whether the server sent an alert, or a handshake record that begins with a ServerHello (RFC 8446 5.1, 4).
func (w *witness) answer() bool {
	const handshake, alert, serverHello = 22, 21, 2
	switch {
	case w.n < len(w.first) || w.first[1] != 3:
		return false
	case w.first[0] == alert:
		return true
	}
	return w.first[0] == handshake && w.first[5] == serverHello
}

// plain says in few words why there was no answer. The address is known to whoever reads it.
func plain(err error) error {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	}
	return fmt.Errorf("no answer: %w", err)
}
