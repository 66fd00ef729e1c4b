package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
