package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
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

// writeCertificate writes a certificate and its key, for frontends that terminate TLS.
func writeCertificate(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "parity"},
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return err
	}
	if err := pem.Encode(&b, &pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o600)
}
