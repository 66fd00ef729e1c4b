package ubus

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// nested returns a table in a table, n deep.
func nested(n int) Table {
	t := Table{}
	for range n {
		t = Table{{"t", t}}
	}
	return t
}

func TestEncodeRefuses(t *testing.T) {
	for name, table := range map[string]Table{
		"NUL in a string": {{"a", "b\x00c"}},
		"NUL in a name":   {{"a\x00b", 1}},
		"long name":       {{strings.Repeat("a", 256), 1}},
		"64 bits":         {{"a", uint64(math.MaxInt64) + 1}},
		"other type":      {{"a", struct{}{}}},
		"deep":            nested(maxDepth + 1),
		"in an array":     {{"a", []any{1, []any{make(chan int)}}}},
		"large":           {{"a", strings.Repeat("a", MaxMessage)}, {"b", 1}},
	} {
		if _, err := appendTable(nil, table, 0); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	m := message{attributes: make([]byte, MaxMessage)}
	if _, err := m.encode(); err == nil {
		t.Error("a message that the bus does not forward is encoded")
	}
}

// TestEncodeConverts: other Go types become those of blobmsg.
func TestEncodeConverts(t *testing.T) {
	given := Table{{"int", 7}, {"big", int64(1 << 40)}, {"u16", uint16(65535)}, {"u32", uint32(math.MaxUint32)},
		{"u64", uint64(9)}, {"list", []string{"a", "b"}}, {"nil", nil}, {"i16", int16(-3)}}
	want := Table{{"int", int32(7)}, {"big", int64(1 << 40)}, {"u16", int32(65535)}, {"u32", int64(math.MaxUint32)},
		{"u64", int32(9)}, {"list", []any{"a", "b"}}, {"nil", nil}, {"i16", int16(-3)}}
	b, err := appendTable(nil, given, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseTable(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, want)
	}
	if n, ok := got.Int("i16"); n != -3 || !ok {
		t.Errorf("Int returns %d, %v", n, ok)
	}
	if n, ok := got.Int("list"); n != 0 || ok {
		t.Errorf("Int of a list returns %d, %v", n, ok)
	}
	if got.String("int") != "" || got.Get("none") != nil || got.Table("list") != nil {
		t.Error("a value of another type is returned")
	}
}

func TestParseRefuses(t *testing.T) {
	deep, err := appendTable(nil, nested(maxDepth-1), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseTable(deep); err != nil {
		t.Errorf("%d deep: %v", maxDepth-1, err)
	}
	for range 2 { // around it, twice what the encoder would write
		inner := deep
		b, start := openAttr(nil, byte(TypeTable))
		deep = closeAttr(append(b, inner...), start)
	}
	for name, b := range map[string][]byte{
		"deep":                  deep,
		"half a header":         {0x83, 0},
		"shorter than header":   {0x85, 0, 0, 3},
		"longer than there is":  {0x85, 0, 0, 40, 0, 0, 0, 0},
		"padding is missing":    {0x07, 0, 0, 5, 1},
		"no room for a name":    {0x85, 0, 0, 5, 0, 0, 0, 0},
		"name too long":         {0x85, 0, 0, 8, 0, 9, 'a', 0},
		"name without its NUL":  {0x85, 0, 0, 12, 0, 1, 'a', 'b', 0, 0, 0, 1},
		"integer of two bytes":  {0x05, 0, 0, 6, 0, 1, 0, 0},
		"string without NUL":    {0x03, 0, 0, 5, 'a', 0, 0, 0},
		"string of no bytes":    {0x03, 0, 0, 4},
		"unknown type":          {0x09, 0, 0, 4},
		"values without number": bytes.Repeat([]byte{0, 0, 0, 4}, maxValues+1),
	} {
		if v, err := parseTable(b); err == nil {
			t.Errorf("%s: read as %.60v", name, v)
		}
	}
}

// FuzzTable: whatever is read is written as something that is read the same.
func FuzzTable(f *testing.F) {
	for _, b := range recordedMessages(f) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			f.Fatal(err)
		}
		if a, err := m.parse(); err == nil {
			f.Add(a.data)
			f.Add(a.signature)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxMessage {
			return
		}
		table, err := parseTable(b)
		if err != nil {
			return
		}
		out, err := appendTable(nil, table, 0)
		if err != nil {
			if !longName(table) && len(b) < MaxMessage/4 { // names are added where there were none
				t.Fatalf("%v is read and not written: %v", table, err)
			}
			return
		}
		again, err := parseTable(out)
		if err != nil {
			t.Fatalf("%v is written and not read: %v", table, err)
		}
		third, err := appendTable(nil, again, 0)
		if err != nil || !bytes.Equal(third, out) { // not DeepEqual: a NaN is no NaN
			t.Fatalf("%v is written and read as %v (%v)", table, again, err)
		}
	})
}

// longName says whether a name in t is longer than what is sent.
func longName(v any) bool {
	switch v := v.(type) {
	case Table:
		for _, f := range v {
			if len(f.Name) > maxName || longName(f.Value) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if longName(e) {
				return true
			}
		}
	}
	return false
}

// FuzzMessage: no bytes from the bus do harm, and what is a message is written as it was.
func FuzzMessage(f *testing.F) {
	for _, b := range recordedMessages(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		out, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if b[8] = 0; !bytes.Equal(out, b[:len(out)]) { // the id of the outermost attribute means nothing
			t.Fatalf("%x is written as %x", b, out)
		}
		if a, err := m.parse(); err == nil {
			_, _ = parseSignature(a.signature)
		}
	})
}

// recordedMessages returns the messages of all recorded exchanges.
func recordedMessages(t testing.TB) [][]byte {
	files, err := filepath.Glob(goldenFile("*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded exchanges: ", err)
	}
	var messages [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			b, err := hex.DecodeString(strings.TrimSpace(line[2:]))
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, b)
		}
	}
	return messages
}
