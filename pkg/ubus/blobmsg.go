package ubus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// A Table holds named values in their order. The values are nil, bool, int16, int32, int64, float64, string, []any and
// Table; those are also what a decoded Table holds. Where a Table is encoded, int and the unsigned integers are taken
// as well (int32 where they fit, int64 otherwise, as blobmsg_json.c does), and []string.
//
// blobmsg has no boolean of its own: it shares its type with the 8-bit integer, which is read as true unless it is 0.
type Table []Field

// A Field is one named value of a Table. Names are at most 255 bytes without NUL.
type Field struct {
	Name  string
	Value any
}

// Get returns the first value of that name, nil if there is none.
func (t Table) Get(name string) any {
	for _, f := range t {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// String returns the string of that name, "" if there is none.
func (t Table) String(name string) string {
	s, _ := t.Get(name).(string)
	return s
}

// Int returns the integer of that name, whatever its size.
func (t Table) Int(name string) (n int64, ok bool) {
	switch v := t.Get(name).(type) {
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// Table returns the table of that name, nil if there is none.
func (t Table) Table(name string) Table {
	v, _ := t.Get(name).(Table)
	return v
}

// A Type is the type of a blobmsg value (blobmsg.h).
type Type byte

// The types of blobmsg values.
const (
	TypeAny Type = iota // of an argument: any type; of a value: nil
	TypeArray
	TypeTable
	TypeString
	TypeInt64
	TypeInt32
	TypeInt16
	TypeBool // also the 8-bit integer
	TypeDouble
)

// Bounds of what is decoded and encoded.
const (
	// MaxMessage is the most that ubusd forwards: the length of a message without its 8-byte header (UBUS_MAX_MSGLEN).
	MaxMessage = 1 << 20

	maxDepth  = 32
	maxValues = 1 << 16 // in one message
	maxName   = 255     // blobmsg_parse compares names up to this length
)

// appendTable appends the fields of t, without a header around them.
func appendTable(b []byte, t Table, depth int) ([]byte, error) {
	for _, f := range t {
		if len(f.Name) > maxName || strings.IndexByte(f.Name, 0) >= 0 {
			return nil, fmt.Errorf("name %.40q is over %d bytes long or has a NUL", f.Name, maxName)
		}
		var err error
		if b, err = appendValue(b, f.Name, f.Value, depth); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return b, nil
}

// appendArray appends the elements of an array, without a header around them.
func appendArray(b []byte, values []any, depth int) ([]byte, error) {
	for i, v := range values {
		var err error
		if b, err = appendValue(b, "", v, depth); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return b, nil
}

// appendValue appends one value with its name. libubox gives the elements of an array an empty name.
func appendValue(b []byte, name string, v any, depth int) ([]byte, error) {
	if depth >= maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("longer than the bus forwards (%d bytes)", MaxMessage)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(append(b, name...), 0)
	b = appendPadding(b, len(b)-start)
	b, kind, err := appendPayload(b, v, depth)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b[start:], attrExtended|uint32(kind)<<attrIDShift|uint32(len(b)-start))
	return appendPadding(b, len(b)-start), nil
}

// appendPayload appends what follows a value's name, and returns its type.
func appendPayload(b []byte, v any, depth int) ([]byte, Type, error) {
	switch v := v.(type) {
	case nil:
		return b, TypeAny, nil
	case bool:
		if v {
			return append(b, 1), TypeBool, nil
		}
		return append(b, 0), TypeBool, nil
	case int16:
		return binary.BigEndian.AppendUint16(b, uint16(v)), TypeInt16, nil
	case int32:
		return binary.BigEndian.AppendUint32(b, uint32(v)), TypeInt32, nil
	case int64:
		return binary.BigEndian.AppendUint64(b, uint64(v)), TypeInt64, nil
	case int:
		return appendInteger(b, int64(v))
	case uint16:
		return appendInteger(b, int64(v))
	case uint32:
		return appendInteger(b, int64(v))
	case uint64:
		if v > math.MaxInt64 {
			return nil, 0, fmt.Errorf("%d does not fit into 63 bits", v)
		}
		return appendInteger(b, int64(v))
	case float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v)), TypeDouble, nil
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return nil, 0, fmt.Errorf("string %.40q has a NUL", v)
		}
		return append(append(b, v...), 0), TypeString, nil
	case []string:
		elements := make([]any, len(v))
		for i, s := range v {
			elements[i] = s
		}
		b, err := appendArray(b, elements, depth+1)
		return b, TypeArray, err
	case []any:
		b, err := appendArray(b, v, depth+1)
		return b, TypeArray, err
	case Table:
		b, err := appendTable(b, v, depth+1)
		return b, TypeTable, err
	}
	return nil, 0, fmt.Errorf("cannot send a %T", v)
}

// appendInteger appends n in 32 bits where it fits, in 64 otherwise.
func appendInteger(b []byte, n int64) ([]byte, Type, error) {
	if int64(int32(n)) == n {
		return binary.BigEndian.AppendUint32(b, uint32(n)), TypeInt32, nil
	}
	return binary.BigEndian.AppendUint64(b, uint64(n)), TypeInt64, nil
}

// A decoder counts the values of one message.
type decoder struct{ values int }

// parseTable decodes the fields of a table.
func parseTable(b []byte) (Table, error) {
	var d decoder
	return d.table(b, 0)
}

func (d *decoder) table(b []byte, depth int) (Table, error) {
	t := Table{}
	for len(b) > 0 {
		name, v, rest, err := d.value(b, depth)
		if err != nil {
			return nil, err
		}
		t = append(t, Field{name, v})
		b = rest
	}
	return t, nil
}

func (d *decoder) array(b []byte, depth int) ([]any, error) {
	values := []any{}
	for len(b) > 0 {
		_, v, rest, err := d.value(b, depth)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		b = rest
	}
	return values, nil
}

// value decodes the value at the start of b.
func (d *decoder) value(b []byte, depth int) (name string, v any, rest []byte, err error) {
	if depth >= maxDepth {
		return "", nil, nil, fmt.Errorf("values nested more than %d deep", maxDepth)
	}
	if d.values++; d.values > maxValues {
		return "", nil, nil, fmt.Errorf("more than %d values", maxValues)
	}
	a, rest, err := nextAttr(b)
	if err != nil {
		return "", nil, nil, err
	}
	payload := a.payload
	if a.extended {
		if name, payload, err = splitName(a.payload); err != nil {
			return "", nil, nil, err
		}
	}
	v, err = d.payload(Type(a.id), payload, depth)
	return name, v, rest, err
}

// splitName cuts the name off the payload of an attribute (struct blobmsg_hdr).
func splitName(b []byte) (name string, rest []byte, err error) {
	if len(b) < 2 {
		return "", nil, fmt.Errorf("no room for a name: %w", errTruncated)
	}
	n := int(binary.BigEndian.Uint16(b))
	end := padded(2 + n + 1)
	if end > len(b) {
		return "", nil, fmt.Errorf("name of %d bytes: %w", n, errTruncated)
	}
	if b[2+n] != 0 {
		return "", nil, fmt.Errorf("name of %d bytes does not end in NUL", n)
	}
	return cString(b[2 : 2+n]), b[end:], nil
}

// payload decodes the bytes of a value.
func (d *decoder) payload(kind Type, b []byte, depth int) (any, error) {
	if size := kind.size(); size > 0 && len(b) != size {
		return nil, fmt.Errorf("value of type %d has %d bytes instead of %d", kind, len(b), size)
	}
	switch kind {
	case TypeAny:
		return nil, nil
	case TypeArray:
		return d.array(b, depth+1)
	case TypeTable:
		return d.table(b, depth+1)
	case TypeString:
		if len(b) == 0 || b[len(b)-1] != 0 {
			return nil, fmt.Errorf("string of %d bytes does not end in NUL", len(b))
		}
		return cString(b), nil
	case TypeInt64:
		return int64(binary.BigEndian.Uint64(b)), nil
	case TypeInt32:
		return int32(binary.BigEndian.Uint32(b)), nil
	case TypeInt16:
		return int16(binary.BigEndian.Uint16(b)), nil
	case TypeBool:
		return b[0] != 0, nil
	case TypeDouble:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	}
	return nil, fmt.Errorf("value of unknown type %d", kind)
}

// size returns the number of bytes of a value of the type, 0 where that varies.
func (t Type) size() int {
	switch t {
	case TypeInt64, TypeDouble:
		return 8
	case TypeInt32:
		return 4
	case TypeInt16:
		return 2
	case TypeBool:
		return 1
	}
	return 0
}

// cString returns b up to its first NUL: what a C program reads.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
