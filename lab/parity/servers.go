package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sniroute/sniroute/lab/freeport"
)

// ports are those of a comparison. Nobody else is given one of them while it lasts.
type ports struct{ releases []func() }

func (p *ports) free() (int, error) {
	at, release, err := freeport.Hold()
	if err != nil {
		return 0, err
	}
	p.releases = append(p.releases, release)
	return int(at.Port()), nil
}

func (p *ports) release() {
	for _, release := range p.releases {
		release()
	}
}

// servers stand for all server lines.
type servers struct {
	listeners []net.Listener
	running   sync.WaitGroup
}

// serve has each server answer with its name.
func serve(s *stage) (*servers, error) {
	all := &servers{}
	for name, port := range s.servers {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			all.close()
			return nil, err
		}
		all.listeners = append(all.listeners, l)
		all.running.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				all.running.Go(func() { answer(conn, name, s.http[name]) })
			}
		})
	}
	return all, nil
}

func (s *servers) close() {
	for _, l := range s.listeners {
		l.Close()
	}
	s.running.Wait()
}

// answer waits for what the client has to say and sends the name, to a client that may say nothing after a moment. What
// comes only then is read before the connection is closed: unread, it would take the answer along. Errors show in what the
// client gets.
func answer(conn net.Conn, name string, http bool) {
	defer conn.Close()
	wait := patience
	if !http {
		wait = 300 * time.Millisecond
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	buffer := make([]byte, 4096)
	n, _ := conn.Read(buffer)
	_ = conn.SetDeadline(time.Now().Add(patience))
	if bytes.HasPrefix(buffer[:n], []byte("GET ")) {
		fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nServer: |%s|\r\n\r\n", name)
	} else {
		fmt.Fprintf(conn, "|%s|", name)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
}
