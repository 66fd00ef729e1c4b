package ubus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The kinds of messages (enum ubus_msg_type).
type messageType byte

const (
	messageHello messageType = iota
	messageStatus
	messageData
	messagePing
	messageLookup
	messageInvoke
	messageAddObject
	messageRemoveObject
	messageSubscribe
	messageUnsubscribe
	messageNotify
)

// The attributes of a message (enum ubus_msg_attr).
const (
	attrStatus    = 1
	attrObjPath   = 2
	attrObjID     = 3
	attrMethod    = 4
	attrObjType   = 5
	attrSignature = 6
	attrData      = 7
	attrTarget    = 8
	attrNoReply   = 10
	attrUser      = 12
	attrGroup     = 13
)

// The object of ubusd itself that takes and distributes events.
const eventObject = 1

// A message is struct ubus_msghdr and the attributes after it.
type message struct {
	kind       messageType
	seq        uint16
	peer       uint32
	attributes []byte
}

const messageHeader = 8

// readMessage reads the next message. The attributes are in memory of their own.
func readMessage(r io.Reader) (message, error) {
	var head [messageHeader + attrHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	if head[0] != 0 {
		return message{}, fmt.Errorf("message of unknown version %d", head[0])
	}
	m := message{
		kind: messageType(head[1]),
		seq:  binary.BigEndian.Uint16(head[2:]),
		peer: binary.BigEndian.Uint32(head[4:]),
	}
	n := int(binary.BigEndian.Uint32(head[messageHeader:]) & attrLenMask)
	if n < attrHeader || padded(n) > MaxMessage {
		return message{}, fmt.Errorf("message of %d bytes is outside %d to %d", n, attrHeader, MaxMessage)
	}
	m.attributes = make([]byte, n-attrHeader)
	if _, err := io.ReadFull(r, m.attributes); err != nil {
		return message{}, fmt.Errorf("reading a message of %d bytes: %w", n, err)
	}
	return m, nil
}

// encode returns the message as it goes over the wire.
func (m message) encode() ([]byte, error) {
	n := attrHeader + len(m.attributes)
	if n > MaxMessage {
		return nil, fmt.Errorf("message of %d bytes is longer than the bus forwards (%d)", n, MaxMessage)
	}
	b := make([]byte, 0, messageHeader+n)
	b = append(b, 0, byte(m.kind))
	b = binary.BigEndian.AppendUint16(b, m.seq)
	b = binary.BigEndian.AppendUint32(b, m.peer)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, m.attributes...), nil
}

// Attributes of a message that were read. The slices belong to the message.
type attributes struct {
	status      Status
	path        string
	object      uint32
	method      string
	objectType  uint32
	signature   []byte
	data        []byte
	target      uint32
	noReply     bool
	user, group string

	has uint32 // bit 1<<id: the attribute is there
}

// parse reads the attributes that this package uses. Of several with one id the last counts, as in libubox.
func (m message) parse() (attributes, error) {
	var out attributes
	for b := m.attributes; len(b) > 0; {
		a, rest, err := nextAttr(b)
		if err != nil {
			return attributes{}, fmt.Errorf("message of type %d: %w", m.kind, err)
		}
		if err := out.set(a); err != nil {
			return attributes{}, fmt.Errorf("message of type %d, attribute %d: %w", m.kind, a.id, err)
		}
		b = rest
	}
	return out, nil
}

// set takes over one attribute.
func (out *attributes) set(a attr) (err error) {
	switch a.id {
	case attrStatus:
		var n uint32
		n, err = a.uint32()
		out.status = Status(n)
	case attrObjPath:
		out.path, err = a.string()
	case attrObjID:
		out.object, err = a.uint32()
	case attrMethod:
		out.method, err = a.string()
	case attrObjType:
		out.objectType, err = a.uint32()
	case attrSignature:
		out.signature = a.payload
	case attrData:
		out.data = a.payload
	case attrTarget:
		out.target, err = a.uint32()
	case attrNoReply:
		out.noReply = len(a.payload) > 0 && a.payload[0] != 0
	case attrUser:
		out.user, err = a.string()
	case attrGroup:
		out.group, err = a.string()
	}
	if a.id < 32 {
		out.has |= 1 << a.id
	}
	return err
}

// with says whether all these attributes were there.
func (out *attributes) with(ids ...byte) bool {
	for _, id := range ids {
		if out.has&(1<<id) == 0 {
			return false
		}
	}
	return true
}

func (a attr) uint32() (uint32, error) {
	if len(a.payload) != 4 {
		return 0, fmt.Errorf("number of %d bytes", len(a.payload))
	}
	return binary.BigEndian.Uint32(a.payload), nil
}

func (a attr) string() (string, error) {
	if len(a.payload) == 0 || a.payload[len(a.payload)-1] != 0 {
		return "", errors.New("string does not end in NUL")
	}
	return cString(a.payload), nil
}

// appendData appends the DATA attribute that holds t.
func appendData(b []byte, t Table) ([]byte, error) {
	b, start := openAttr(b, attrData)
	b, err := appendTable(b, t, 0)
	if err != nil {
		return nil, err
	}
	return closeAttr(b, start), nil
}
