package ubus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// MarshalJSON writes the table as a JSON object, its fields in their order.
func (t Table) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range t {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// ParseJSON reads a JSON object. Its fields keep their order; an integer becomes int32 where it fits and int64
// otherwise, as in blobmsg_json.c; other numbers become float64. A NUL in a string, which would end it on the bus,
// becomes U+FFFD.
func ParseJSON(data []byte) (Table, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := jsonValue(d, 0)
	if err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	t, ok := v.(Table)
	if !ok {
		return nil, errors.New("reading JSON: not an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("reading JSON: more than one object")
	}
	return t, nil
}

// jsonValue reads the next value.
func jsonValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return jsonTable(d, depth)
		}
		return jsonArray(d, depth)
	case json.Number:
		return jsonNumber(token)
	case string:
		return withoutNUL(token), nil
	}
	return token, nil // bool or nil
}

func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

func jsonTable(d *json.Decoder, depth int) (any, error) {
	t := Table{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := jsonValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		t = append(t, Field{withoutNUL(name.(string)), v}) // Token returns only strings as names
	}
	_, err := d.Token()
	return t, err
}

func jsonArray(d *json.Decoder, depth int) (any, error) {
	values := []any{}
	for d.More() {
		v, err := jsonValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	_, err := d.Token()
	return values, err
}

func jsonNumber(n json.Number) (any, error) {
	i, err := n.Int64()
	switch {
	case err != nil:
		return n.Float64()
	case i >= math.MinInt32 && i <= math.MaxInt32:
		return int32(i), nil
	}
	return i, nil
}
