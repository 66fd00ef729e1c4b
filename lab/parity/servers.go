package main

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"
)

// ports finds free ports. They are held until all are found, so that each is found once.
type ports struct{ held []net.Listener }

func (p *ports) free() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	p.held = append(p.held, l)
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (p *ports) release() {
	for _, l := range p.held {
		l.Close()
	}
	p.held = nil
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
				all.running.Go(func() { answer(conn, name) })
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

// answer waits a moment for what the client has to say and sends the name. Errors show in what the client gets.
func answer(conn net.Conn, name string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	buffer := make([]byte, 4096)
	n, _ := conn.Read(buffer)
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if bytes.HasPrefix(buffer[:n], []byte("GET ")) {
		fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nServer: |%s|\r\n\r\n", name)
		return
	}
	fmt.Fprintf(conn, "|%s|", name)
}
