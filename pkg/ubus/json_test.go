package ubus

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzJSON: an object that is read is written as one that is read the same, and what the bus can carry comes back from
// there the same too.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		typesJSON, `{}`, `{"a":[1,2147483648,-0,1e3,1.5,null,true,"x\u0000"],"b":{"a":{}},"a":2}`, `[1]`, `{"a":1}{}`,
		`{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", "{\"\xff\":1e999}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ParseJSON(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(table)
		if err != nil {
			t.Fatalf("%q is read and not written: %v", data, err)
		}
		again, err := ParseJSON(text)
		if err != nil {
			t.Fatalf("%q is written as %q and not read: %v", data, text, err)
		}
		second, err := json.Marshal(again)
		if err != nil || !bytes.Equal(second, text) {
			t.Fatalf("%q is written as %q and then as %q (%v)", data, text, second, err)
		}
		wire, err := appendTable(nil, table, 0)
		if err != nil {
			return // too long a name, or too much
		}
		back, err := parseTable(wire)
		if err != nil {
			t.Fatalf("%q is sent and not read: %v", text, err)
		}
		if third, err := appendTable(nil, back, 0); err != nil || !bytes.Equal(third, wire) {
			t.Fatalf("%q is sent as %x and then as %x (%v)", text, wire, third, err)
		}
	})
}
