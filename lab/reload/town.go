package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/sniroute/sniroute/lab/hello"
)

// What a client sends first: a hello of this size, and what it wants.
const (
	helloSize   = 517
	requestSize = 1 + 8 + 4 // kind, seed, size

	download = 'd' // size bytes, then the end
	paced    = 'p' // size bytes every pause until the client ends its stream
	upload   = 'u' // the client sends; it is told how many bytes arrived as they should
	echo     = 'e'
)

// pause is that of paced transfers.
const pause = 20 * time.Millisecond

func opening(name string, kind byte, seed uint64, size int) []byte {
	first := hello.Bytes(hello.Options{Name: name, Size: helloSize})
	first = append(first, kind)
	first = binary.BigEndian.AppendUint64(first, seed)
	return binary.BigEndian.AppendUint32(first, uint32(size))
}

// stream is what both sides of a transfer know without a word.
func stream(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// serverNames are the servers that there are. One of each backend; moving has a second.
var serverNames = []string{"nas", "app", "moving", "moved", "toggled"}

// A town is all servers.
type town struct {
	listeners map[string]net.Listener
	serving   sync.WaitGroup

	mu   sync.Mutex
	sent map[uint64]uint64 // by seed of paced transfers: bytes
}

func newTown() (*town, error) {
	t := &town{listeners: make(map[string]net.Listener), sent: make(map[uint64]uint64)}
	for _, name := range serverNames {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.close()
			return nil, err
		}
		t.listeners[name] = l
		t.serving.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.serving.Go(func() {
					defer c.Close()
					_ = t.serve(name, c.(*net.TCPConn)) // the client sees what became of it
				})
			}
		})
	}
	return t, nil
}

func (t *town) close() {
	for _, l := range t.listeners {
		l.Close()
	}
	t.serving.Wait()
}

func (t *town) address(server string) string { return t.listeners[server].Addr().String() }

// serve answers one client: the server's name, and what was asked for.
func (t *town) serve(name string, c *net.TCPConn) error {
	first := make([]byte, helloSize+requestSize)
	if _, err := io.ReadFull(c, first); err != nil {
		return err
	}
	request := first[helloSize:]
	seed, size := binary.BigEndian.Uint64(request[1:]), int(binary.BigEndian.Uint32(request[9:]))
	if _, err := c.Write(append([]byte{byte(len(name))}, name...)); err != nil {
		return err
	}
	switch request[0] {
	case download:
		data := make([]byte, size)
		stream(seed).Read(data)
		_, err := c.Write(data)
		return err
	case paced:
		return t.pace(c, seed, size)
	case upload:
		n, err := compare(c, seed)
		if err != nil {
			return err
		}
		_, err = c.Write(binary.BigEndian.AppendUint64(nil, n))
		return err
	case echo:
		_, err := io.Copy(c, c)
		return err
	}
	return fmt.Errorf("%q was asked for", request[0])
}

// pace sends until the client ends its stream.
func (t *town) pace(c *net.TCPConn, seed uint64, size int) error {
	ended := make(chan error, 1)
	t.serving.Go(func() {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	data, source, sent := make([]byte, size), stream(seed), uint64(0)
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for {
		select {
		case err := <-ended:
			t.mu.Lock()
			t.sent[seed] = sent
			t.mu.Unlock()
			return err
		case <-ticks.C:
		}
		source.Read(data)
		if _, err := c.Write(data); err != nil {
			return err
		}
		sent += uint64(size)
	}
}

func (t *town) sentTo(seed uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[seed]
}

// compare reads to the end and returns how many bytes there were, all as they should be.
func compare(r io.Reader, seed uint64) (n uint64, err error) {
	source, got, want := stream(seed), make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		k, err := r.Read(got)
		source.Read(want[:k])
		if !bytes.Equal(got[:k], want[:k]) {
			return n, fmt.Errorf("behind byte %d other bytes arrived than were sent", n)
		}
		n += uint64(k)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("behind byte %d: %w", n, err)
		}
	}
}
