package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An lmo file is a catalogue of translations as LuCI reads it: the texts, each padded to four bytes, an index of them
// that is sorted by the hash of what they translate, and the offset of the index. All numbers are big endian. What is
// written here is, to the byte, what LuCI's po2lmo makes of the same .po file (modules/luci-base/src/po2lmo.c).

// An lmoEntry is one of the index.
type lmoEntry struct{ key, value, offset, length uint32 }

// compileLMO returns the catalogue of a .po file, nil if that translates nothing.
func compileLMO(po string) ([]byte, error) {
	messages, err := parsePO(po)
	if err != nil {
		return nil, err
	}
	var texts []byte
	var index []lmoEntry
	add := func(key, value uint32, text string) {
		index = append(index, lmoEntry{key, value, uint32(len(texts)), uint32(len(text))})
		texts = append(texts, text...)
		for len(texts)%4 != 0 {
			texts = append(texts, 0)
		}
	}
	for _, m := range messages {
		if m.id == "" {
			for field := range strings.SplitSeq(m.texts[0], `\n`) {
				if forms, ok := strings.CutPrefix(field, "Plural-Forms: "); ok {
					add(0, 0, forms)
					break
				}
			}
			continue
		}
		for form, text := range m.texts {
			// A translation that is the same as the text is left out: LuCI shows that anyway.
			if key := m.key(form); text != "" && hash(key) != hash(text) {
				add(hash(key), uint32(len(m.texts)), text)
			}
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(index, func(a, b lmoEntry) int { return cmp.Compare(a.key, b.key) })
	out := slices.Clone(texts)
	for _, e := range index {
		for _, n := range []uint32{e.key, e.value, e.offset, e.length} {
			out = binary.BigEndian.AppendUint32(out, n)
		}
	}
	return binary.BigEndian.AppendUint32(out, uint32(len(texts))), nil
}

// A poMessage is an entry of a .po file.
type poMessage struct {
	context, id, plural string
	texts               []string // translations, one for each plural form
}

// key is what LuCI looks the translation into a plural form up by.
func (m *poMessage) key(form int) string {
	key := m.id
	if m.context != "" {
		key = m.context + "\x01" + key
	}
	if m.plural != "" {
		key += "\x02" + strconv.Itoa(form)
	}
	return key
}

// maxForms is how many plural forms po2lmo takes.
const maxForms = 10

// parsePO reads the entries of a .po file that have a translation. Of escapes, only \" and \\ are resolved.
func parsePO(po string) ([]poMessage, error) {
	var messages []poMessage
	var m poMessage
	var current *string
	finish := func() {
		if len(m.texts) > 0 && m.texts[0] != "" {
			messages = append(messages, m)
		}
		m = poMessage{}
	}
	number := 0
	for line := range strings.Lines(po) {
		number++
		line = strings.TrimRight(line, "\r\n")
		word, text, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
			continue
		case word == "msgctxt":
			finish()
			current = &m.context
		case word == "msgid":
			if len(m.texts) > 0 {
				finish()
			}
			current = &m.id
		case word == "msgid_plural":
			current = &m.plural
		case strings.HasPrefix(word, "msgstr"):
			form := 0
			if word != "msgstr" {
				var err error
				form, err = strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(word, "msgstr["), "]"))
				if err != nil || form < 0 || form >= maxForms || form != len(m.texts) {
					return nil, fmt.Errorf("line %d: which plural form is %q?", number, word)
				}
			}
			m.texts = append(m.texts[:form], "")
			current = &m.texts[form]
		case strings.HasPrefix(line, `"`):
			text = line
		default:
			return nil, fmt.Errorf("line %d: what is %q?", number, word)
		}
		quoted, ok := unquotePO(text)
		if !ok || current == nil {
			return nil, fmt.Errorf("line %d: a string in quotes is missing", number)
		}
		*current += quoted
	}
	finish()
	return messages, nil
}

func unquotePO(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1]), true
}

// hash is Paul Hsieh's SuperFastHash, as LuCI has it (sfh_hash in modules/luci-base/src/lib/lmo.c, sfh in luci.js).
// The last byte of an odd one is signed.
func hash(s string) uint32 {
	h := uint32(len(s))
	if h == 0 {
		return 0
	}
	pair := func(i int) uint32 { return uint32(s[i]) | uint32(s[i+1])<<8 }
	for len(s) >= 4 {
		h += pair(0)
		h = h<<16 ^ (pair(2)<<11 ^ h)
		h += h >> 11
		s = s[4:]
	}
	switch len(s) {
	case 3:
		h += pair(0)
		h ^= h << 16
		h ^= uint32(int8(s[2])) << 18
		h += h >> 11
	case 2:
		h += pair(0)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += uint32(int8(s[0]))
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}
