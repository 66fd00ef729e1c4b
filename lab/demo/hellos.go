package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
)

// dialTLS says hello from the internet with Go's own TLS. The first write, which is the hello in one record, goes
// through alter. It returns the connection, the one under it, and the length of the hello.
func (d *demo) dialTLS(ctx context.Context, config *tls.Config, alter func(record []byte) [][]byte) (
	*tls.Conn, *firstWrite, error) {
	raw, err := d.house.WAN.Dial(ctx, "tcp", wanAddress.String())
	if err != nil {
		return nil, nil, err
	}
	first := &firstWrite{Conn: raw, alter: alter}
	config.RootCAs = d.house.Authority.Pool
	conn := tls.Client(first, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		d.seen.spoil()
		return nil, nil, errors.Join(err, raw.Close())
	}
	d.seen.forwarded(conn.ConnectionState().PeerCertificates[0].Subject.CommonName)
	return conn, first, nil
}

// A firstWrite cuts the first thing that is written to it into pieces, and waits between them, so that each is a TCP
// segment of its own.
type firstWrite struct {
	net.Conn
	alter func([]byte) [][]byte
	size  int // of the first write as it was meant
}

func (c *firstWrite) Write(b []byte) (int, error) {
	if c.size > 0 {
		return c.Conn.Write(b)
	}
	c.size = len(b)
	for i, piece := range c.alter(b) {
		if i > 0 {
			time.Sleep(30 * time.Millisecond)
		}
		if _, err := c.Conn.Write(piece); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// whole leaves the hello as it is.
func whole(record []byte) [][]byte { return [][]byte{record} }

// twoRecords spreads the hello over two records that are sent apart, the cut in the middle of the server's name.
func twoRecords(name string) func([]byte) [][]byte {
	return func(record []byte) [][]byte {
		const header = 5
		cut := bytes.Index(record, []byte(name)) - header + len(name)/2
		records := hello.Records(record, cut)
		return [][]byte{records[:header+cut], records[header+cut:]}
	}
}

// helloFrom says hello to app1 and returns what was seen.
func (d *demo) helloFrom(ctx context.Context, config *tls.Config, alter func([]byte) [][]byte) (size int, err error) {
	config.ServerName = app1
	conn, first, err := d.dialTLS(ctx, config, alter)
	if err != nil {
		return 0, err
	}
	if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != app1 {
		return 0, errors.Join(fmt.Errorf("reached %s instead of %s", got, app1), conn.Close())
	}
	return first.size, conn.Close()
}

// closeAndRead sends a request to a host, closes the sending side, of TLS and of TCP, and returns the answer.
func (d *demo) closeAndRead(ctx context.Context, host, request string) (string, error) {
	conn, under, err := d.dialTLS(ctx, &tls.Config{ServerName: host}, whole)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	if err := errors.Join(conn.CloseWrite(), under.Conn.(*net.TCPConn).CloseWrite()); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		err = fmt.Errorf("after %d bytes of the answer: %w", len(answer), err)
	}
	return string(answer), err
}

// startBackup starts a server on the NAS that takes an upload and answers with its digest, but only once the client's
// FIN has come. It ends with the demo.
func (d *demo) startBackup() error {
	pair, err := d.house.Authority.Issue(backup)
	if err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(pair, pair)
	if err != nil {
		return err
	}
	listener, err := d.house.NAS.Listen("tcp", "192.168.0.2:9443")
	if err != nil {
		return err
	}
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
				digest := sha256.New()
				if _, err := io.Copy(digest, conn); err != nil { // to the end of TLS
					return
				}
				if _, err := io.Copy(io.Discard, raw); err != nil { // to the FIN
					return
				}
				fmt.Fprintf(conn, "%x\n", digest.Sum(nil))
				_ = conn.CloseWrite() // what the client saw tells
			}()
		}
	}()
	return nil
}
