package openwrt

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// A Bus is a double of ubusd: it greets clients, keeps their objects, and passes calls and answers between them. It has
// no events, subscriptions and permissions.
type Bus struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	clients map[uint32]*busClient
	objects map[uint32]*busObject
	last    uint32 // number that was given to somebody
}

type busClient struct {
	id   uint32
	conn net.Conn
}

type busObject struct {
	id        uint32
	path      string
	signature []byte
	owner     *busClient
}

// The kinds of messages, attributes and statuses that it knows (ubusmsg.h).
const (
	msgHello, msgStatus, msgData, msgLookup, msgInvoke, msgAddObject, msgRemoveObject      = 0, 1, 2, 4, 5, 6, 7
	attrStatus, attrPath, attrObject, attrMethod, attrType, attrSignature, attrData, users = 1, 2, 3, 4, 5, 6, 7, 12
	okay, invalidCommand, invalidArgument, notFound                                        = 0, 1, 2, 4
)

// StartBus listens at path.
func StartBus(path string) (*Bus, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	b := &Bus{listener: l, clients: map[uint32]*busClient{}, objects: map[uint32]*busObject{}, last: 1024}
	b.running.Go(b.accept)
	return b, nil
}

// Close ends the bus and all connections to it.
func (b *Bus) Close() error {
	err := b.listener.Close()
	b.mu.Lock()
	for _, c := range b.clients {
		c.conn.Close()
	}
	b.mu.Unlock()
	b.running.Wait()
	return err
}

func (b *Bus) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.last++
		c := &busClient{id: b.last, conn: conn}
		b.clients[c.id] = c
		b.mu.Unlock()
		b.running.Go(func() {
			b.serve(c)
			conn.Close()
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.clients, c.id)
			for id, o := range b.objects {
				if o.owner == c {
					delete(b.objects, id)
				}
			}
		})
	}
}

// A busMessage is a message and its attributes by number.
type busMessage struct {
	kind  byte
	seq   uint16
	peer  uint32
	attrs map[byte][]byte
}

// serve answers one client until it goes.
func (b *Bus) serve(c *busClient) {
	b.send(c, busMessage{kind: msgHello, peer: c.id})
	for r := bufio.NewReader(c.conn); ; {
		m, err := readBusMessage(r)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.handle(c, m)
		b.mu.Unlock()
	}
}

// handle does what a message asks. The caller holds mu.
func (b *Bus) handle(c *busClient, m busMessage) {
	status := uint32(okay)
	switch m.kind {
	case msgLookup:
		status = notFound
		for _, o := range b.objects {
			if path := string(m.attrs[attrPath]); o.path+"\x00" == path || path == "" {
				status = okay
				b.send(c, busMessage{kind: msgData, seq: m.seq, attrs: map[byte][]byte{
					attrPath: []byte(o.path + "\x00"), attrObject: number(o.id), attrType: number(o.id),
					attrSignature: o.signature,
				}})
			}
		}
	case msgAddObject:
		b.last++
		path := string(m.attrs[attrPath])
		b.objects[b.last] = &busObject{b.last, path[:max(len(path)-1, 0)], m.attrs[attrSignature], c}
		b.send(c, busMessage{kind: msgData, seq: m.seq, attrs: map[byte][]byte{attrObject: number(b.last)}})
	case msgRemoveObject:
		delete(b.objects, toNumber(m.attrs[attrObject]))
	case msgInvoke:
		o := b.objects[toNumber(m.attrs[attrObject])]
		if o != nil {
			m.peer = c.id
			b.send(o.owner, m)
			return
		}
		status = notFound
	case msgStatus, msgData: // the answer to a call
		if caller := b.clients[m.peer]; caller != nil {
			m.peer = toNumber(m.attrs[attrObject])
			b.send(caller, m)
		}
		return
	default:
		status = invalidCommand
	}
	b.send(c, busMessage{kind: msgStatus, seq: m.seq, peer: m.peer, attrs: map[byte][]byte{attrStatus: number(status)}})
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func toNumber(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// send writes a message. What is lost with a client that goes is lost with ubusd, too.
func (b *Bus) send(c *busClient, m busMessage) {
	var body []byte
	for id := byte(0); id < 32; id++ {
		if value, ok := m.attrs[id]; ok {
			body = binary.BigEndian.AppendUint32(body, uint32(id)<<24|uint32(4+len(value)))
			body = append(body, value...)
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
		}
	}
	head := []byte{0, m.kind}
	head = binary.BigEndian.AppendUint16(head, m.seq)
	head = binary.BigEndian.AppendUint32(head, m.peer)
	head = binary.BigEndian.AppendUint32(head, uint32(4+len(body)))
	_, _ = c.conn.Write(append(head, body...))
}

func readBusMessage(r io.Reader) (busMessage, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return busMessage{}, err
	}
	n := int(binary.BigEndian.Uint32(head[8:])&0xffffff) - 4
	if n < 0 || n > 1<<20 {
		return busMessage{}, fmt.Errorf("a message of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return busMessage{}, err
	}
	m := busMessage{
		kind: head[1], seq: binary.BigEndian.Uint16(head[2:]), peer: binary.BigEndian.Uint32(head[4:]),
		attrs: map[byte][]byte{},
	}
	for len(body) >= 4 {
		word := binary.BigEndian.Uint32(body)
		size := int(word & 0xffffff)
		if size < 4 || (size+3)&^3 > len(body) {
			return busMessage{}, fmt.Errorf("an attribute of %d bytes in %d", size, len(body))
		}
		m.attrs[byte(word>>24)&0x7f] = body[4:size]
		body = body[(size+3)&^3:]
	}
	return m, nil
}
