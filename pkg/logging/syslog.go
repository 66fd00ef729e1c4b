package logging

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"
)

const (
	facility = 3 << 3 // daemon (RFC 3164, section 4.1.1)

	// A syslog that does not take a line in so short a time gets none for the next second: the caller may be an event
	// loop, which must not wait.
	patience = 20 * time.Millisecond
	deafness = time.Second
)

// severity returns the severity of RFC 3164 for a level.
func severity(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}

// A socket sends lines to syslog. It connects again when syslog was restarted.
type socket struct {
	path  string
	conn  *net.UnixConn // nil: not connected
	deaf  time.Time     // until then nothing is sent
	ident string        // NAME[PID], or NAME
}

func newSocket(path string) *socket {
	if path == "" {
		path = "/dev/log"
	}
	ident := "sniroute"
	if pid := os.Getpid(); pid != 1 { // in a jail it says nothing
		ident = fmt.Sprintf("sniroute[%d]", pid)
	}
	return &socket{path: path, ident: ident}
}

// send sends one line, which may end in a newline, and says whether syslog has it.
func (s *socket) send(severity int, line []byte, now time.Time) bool {
	if now.Before(s.deaf) {
		return false
	}
	text := line
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	datagram := fmt.Appendf(nil, "<%d>%s %s: %s", facility|severity, now.Format(time.Stamp), s.ident, text)
	for range 2 { // once on what may be the connection to a syslog that is gone
		if s.conn == nil {
			conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"})
			if err != nil {
				break
			}
			s.conn = conn
		}
		if s.conn.SetWriteDeadline(time.Now().Add(patience)) == nil {
			if _, err := s.conn.Write(datagram); err == nil {
				return true
			} else if os.IsTimeout(err) {
				break
			}
		}
		s.conn.Close()
		s.conn = nil
	}
	s.deaf = now.Add(deafness)
	return false
}

func (s *socket) close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
