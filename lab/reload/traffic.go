package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long one connection may take, and a transfer may be silent.
const patience = 2 * time.Minute

// Traffic is all that clients do.
type traffic struct {
	ctx     context.Context
	stop    context.CancelFunc // ends new connections, and has transfers come to their ends
	town    *town
	address string
	seen    *findings
	seed    atomic.Uint64
	clients sync.WaitGroup
}

func newTraffic(ctx context.Context, t *town, address string, seen *findings) *traffic {
	tr := &traffic{town: t, address: address, seen: seen}
	tr.ctx, tr.stop = context.WithCancel(ctx)
	return tr
}

// finish ends it all and waits.
func (t *traffic) finish() {
	t.stop()
	t.clients.Wait()
}

// hosts are what connections ask for, and which servers may answer: at least one of them at any time.
var hosts = []struct {
	name    string
	servers []string
}{
	{"stable.example.com", []string{"app"}},
	{"moving.example.com", []string{"moving", "moved"}},
	{"a.wild.example.com", []string{"moving", "moved"}},
	{"toggled.example.com", []string{"toggled", "nas"}},
	{"unknown.example.com", []string{"nas"}},
}

// startConnections opens so many connections a second.
func (t *traffic) startConnections(rate int) {
	t.clients.Go(func() {
		ticks := time.NewTicker(time.Second / time.Duration(rate))
		defer ticks.Stop()
		for opened := 0; ; {
			select {
			case <-t.ctx.Done():
				return
			case <-ticks.C:
			}
			// A busy machine makes ticks rare: what is late is caught up with.
			for due := int(time.Since(t.seen.started).Seconds() * float64(rate)); opened < due; opened++ {
				host := hosts[opened%len(hosts)]
				t.clients.Go(func() { t.seen.connection(host.name, t.ask(host.name, host.servers)) })
			}
		}
	})
}

// ask makes one short connection.
func (t *traffic) ask(name string, servers []string) error {
	seed, size := t.seed.Add(1), 1+rand.IntN(20_000)
	c, err := t.open(name, servers, download, seed, size)
	if err != nil {
		return err
	}
	defer c.Close()
	n, err := compare(c, seed)
	if err == nil && n != uint64(size) {
		err = fmt.Errorf("%d of %d bytes arrived", n, size)
	}
	return err
}

// open connects, says what is wanted and reads who answers.
func (t *traffic) open(name string, servers []string, kind byte, seed uint64, size int) (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", t.address, patience)
	if err != nil {
		return nil, err
	}
	c := conn.(*net.TCPConn)
	c.SetDeadline(time.Now().Add(patience))
	server := make([]byte, 1)
	if _, err = c.Write(opening(name, kind, seed, size)); err == nil {
		if _, err = io.ReadFull(c, server); err == nil {
			server = make([]byte, server[0])
			_, err = io.ReadFull(c, server)
		}
	}
	if err == nil && !slices.Contains(servers, string(server)) {
		err = fmt.Errorf("%q answered, which is none of %v", server, servers)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// startTransfers begins what runs through all reloads: fast and slow streams both ways, and connections that rest.
func (t *traffic) startTransfers(chunk int) {
	for _, host := range hosts {
		if host.name == "toggled.example.com" { // it loses its exposure, and is meant to be cut
			continue
		}
		for what, transfer := range map[string]func(name string, servers []string) error{
			"fast download": func(name string, servers []string) error { return t.down(name, servers, chunk) },
			"slow download": func(name string, servers []string) error { return t.down(name, servers, 10) },
			"upload":        func(name string, servers []string) error { return t.up(name, servers, chunk/8) },
			"chat":          func(name string, servers []string) error { return t.chat(name, servers, 300*time.Millisecond) },
			"resting":       func(name string, servers []string) error { return t.chat(name, servers, time.Hour) },
		} {
			t.clients.Go(func() { t.seen.transfer(what+" of "+host.name, transfer(host.name, host.servers)) })
		}
	}
}

var errCut = errors.New("the stream ended before it should")

func (t *traffic) down(name string, servers []string, chunk int) error {
	seed := t.seed.Add(1)
	c, err := t.open(name, servers, paced, seed, chunk)
	if err != nil {
		return err
	}
	defer c.Close()
	var ending sync.WaitGroup
	defer ending.Wait()
	over := make(chan struct{})
	defer close(over)
	ending.Go(func() {
		select {
		case <-t.ctx.Done():
			c.CloseWrite()
		case <-over:
		}
	})
	n, err := compare(stillComing{c}, seed)
	t.seen.bytes.Add(n)
	switch {
	case err != nil:
		return err
	case t.ctx.Err() == nil:
		return errCut
	case n != t.town.sentTo(seed):
		return fmt.Errorf("%d of %d bytes arrived", n, t.town.sentTo(seed))
	}
	return nil
}

// stillComing reads from a connection that must not be silent for long.
type stillComing struct{ net.Conn }

func (s stillComing) Read(p []byte) (int, error) {
	s.SetDeadline(time.Now().Add(patience))
	return s.Conn.Read(p)
}

func (t *traffic) up(name string, servers []string, chunk int) error {
	seed := t.seed.Add(1)
	c, err := t.open(name, servers, upload, seed, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	data, source, sent := make([]byte, chunk), stream(seed), uint64(0)
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for t.ctx.Err() == nil {
		source.Read(data)
		c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(data); err != nil {
			return err
		}
		sent += uint64(chunk)
		<-ticks.C
	}
	t.seen.bytes.Add(sent)
	if err := c.CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if len(answer) != 8 || binary.BigEndian.Uint64(answer) != sent {
		return fmt.Errorf("of %d bytes, the server says % x arrived", sent, answer)
	}
	return nil
}

// chat says something and waits for the echo, again and again.
func (t *traffic) chat(name string, servers []string, every time.Duration) error {
	c, err := t.open(name, servers, echo, 0, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	for i := uint64(0); ; i++ {
		c.SetDeadline(time.Now().Add(patience))
		said := binary.BigEndian.AppendUint64([]byte("hello"), i)
		if _, err := c.Write(said); err != nil {
			return err
		}
		heard := make([]byte, len(said))
		if _, err := io.ReadFull(c, heard); err != nil {
			return err
		}
		if !bytes.Equal(said, heard) {
			return fmt.Errorf("got % x, said % x", heard, said)
		}
		if t.ctx.Err() != nil {
			break
		}
		select {
		case <-t.ctx.Done():
		case <-time.After(every):
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	rest, err := io.ReadAll(c)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes more than were said", len(rest))
	}
	return err
}
