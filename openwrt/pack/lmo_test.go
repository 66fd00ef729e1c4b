package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestLMO: example.lmo is what LuCI's po2lmo made of example.po.
func TestLMO(t *testing.T) {
	got, err := compileLMO(string(read(t, "testdata/example.po")))
	if err != nil {
		t.Fatal(err)
	}
	if want := read(t, "testdata/example.lmo"); !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// lookUp finds a translation as LuCI does (lmo_find_entry in modules/luci-base/src/lib/lmo.c).
func lookUp(lmo []byte, key string) (string, bool) {
	start := binary.BigEndian.Uint32(lmo[len(lmo)-4:])
	index := lmo[start : len(lmo)-4]
	for l, r := 0, len(index)/16-1; l <= r; {
		m := (l + r) / 2
		entry := index[16*m:]
		switch k := binary.BigEndian.Uint32(entry); {
		case k == hash(key):
			offset, length := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
			return string(lmo[offset : offset+length]), true
		case k > hash(key):
			r = m - 1
		default:
			l = m + 1
		}
	}
	return "", false
}

func TestLMOLookup(t *testing.T) {
	lmo, err := compileLMO(string(read(t, "testdata/example.po")))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"Overview": "Übersicht", "a": "ä", `Save & "Apply" \ <b>`: `Speichern & "Anwenden" \ <b>`, "nav\x01Log": "Protokoll",
		"%d host\x020": "%d Name", "%d host\x021": "%d Namen", "": "nplurals=2; plural=(n != 1);",
		"a long text that goes on": "ein langer Text, der weitergeht ä",
	} {
		if got, ok := lookUp(lmo, key); !ok || got != want {
			t.Errorf("%q is %q instead of %q", key, got, want)
		}
	}
	for _, key := range []string{"old", "untranslated", "sniroute", "Log"} {
		if got, ok := lookUp(lmo, key); ok {
			t.Errorf("%q is %q", key, got)
		}
	}
}

func TestLMORefuses(t *testing.T) {
	for _, po := range []string{
		"msgid x\n", "\"text\"\n", "msgid \"a\nmsgstr \"b\"\n", "msgid \"a\"\nmsgstr[1] \"b\"\n", "msgid \"a\"\nmsgstr[x] \"b\"\n",
		"msgid \"a\"\nmsgstr[10] \"b\"\n", "message \"a\"\n",
	} {
		if lmo, err := compileLMO(po); err == nil {
			t.Errorf("%q gives %q", po, lmo)
		}
	}
	for _, po := range []string{"", "# nothing\n", "msgid \"a\"\nmsgstr \"\"\n", "msgid \"a\"\nmsgstr \"a\"\n"} {
		if lmo, err := compileLMO(po); err != nil || lmo != nil {
			t.Errorf("%q gives %q (%v)", po, lmo, err)
		}
	}
}
