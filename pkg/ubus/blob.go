package ubus

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The layout of an attribute (libubox blob.h): a big-endian word whose low 24 bits are the length of the attribute with
// this word, the next 7 its id and the top one says that a blobmsg name follows; then the payload, padded to 4 bytes.
const (
	attrHeader   = 4
	attrLenMask  = 0x00ffffff
	attrIDShift  = 24
	attrIDMask   = 0x7f
	attrExtended = 0x80000000
)

var errTruncated = errors.New("attribute is longer than what holds it")

// An attr is one attribute, a slice of the message that it was read from.
type attr struct {
	id       byte
	extended bool
	payload  []byte
}

// nextAttr reads the attribute at the start of b and returns what follows it.
func nextAttr(b []byte) (a attr, rest []byte, err error) {
	if len(b) < attrHeader {
		return attr{}, nil, errTruncated
	}
	word := binary.BigEndian.Uint32(b)
	n := int(word & attrLenMask)
	if n < attrHeader {
		return attr{}, nil, fmt.Errorf("attribute of %d bytes is shorter than its header", n)
	}
	if padded(n) > len(b) {
		return attr{}, nil, errTruncated
	}
	a = attr{id: byte(word>>attrIDShift) & attrIDMask, extended: word&attrExtended != 0, payload: b[attrHeader:n]}
	return a, b[padded(n):], nil
}

// padded rounds n up to the alignment of attributes.
func padded(n int) int { return (n + 3) &^ 3 }

// openAttr appends the header of an attribute whose payload follows; closeAttr, given the same start, completes it.
func openAttr(b []byte, id byte) (out []byte, start int) {
	return append(b, id&attrIDMask, 0, 0, 0), len(b)
}

// closeAttr writes the length of the attribute that openAttr began at start, and its padding.
func closeAttr(b []byte, start int) []byte {
	word := binary.BigEndian.Uint32(b[start:])&^uint32(attrLenMask) | uint32(len(b)-start)
	binary.BigEndian.PutUint32(b[start:], word)
	return appendPadding(b, len(b)-start)
}

// appendPadding pads an attribute of n bytes.
func appendPadding(b []byte, n int) []byte {
	for ; n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// appendUint32 appends an attribute that holds one number.
func appendUint32(b []byte, id byte, v uint32) []byte {
	b, start := openAttr(b, id)
	return closeAttr(binary.BigEndian.AppendUint32(b, v), start)
}

// appendString appends an attribute that holds a string that ends in NUL.
func appendString(b []byte, id byte, s string) []byte {
	b, start := openAttr(b, id)
	return closeAttr(append(append(b, s...), 0), start)
}
