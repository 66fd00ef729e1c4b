package uci

import "bytes"

// A span is where a statement stands in a text, in offsets. In
//
//	option name 'value' ; # more
//
// start is 0, keyword 6, name 11, value 12, valueEnd and words are 19, and end is 21.
type span struct {
	section *Section // nil for `package`
	option  string   // its name; empty for `config`
	list    bool
	idle    bool // an option without a value, which says nothing
	line    int  // of the text, with all that quotes and backslashes join to it

	start, keyword  int // the keyword
	name            int // where the option's name ends
	value, valueEnd int // equal where there is no value
	words           int // where the last argument ends
	end             int // behind what ended the statement: space, the end of the line, `;`, an empty word
	swallowed       int // the `;` directly behind a bare word, from which on the line is lost; or -1
}

// cut reports whether something else than space ended the statement: a `;` or an empty word.
func (s *span) cut(data []byte) bool { return !blank(data[s.words:s.end]) }

// A splice puts text in the place of part of another.
type splice struct {
	from, to int
	text     string
}

// spliced returns data with splices applied, which are ascending and apart.
func spliced(data []byte, splices []splice) []byte {
	out := make([]byte, 0, len(data)+256)
	at := 0
	for _, s := range splices {
		out = append(out, data[at:s.from]...)
		out = append(out, s.text...)
		at = s.to
	}
	return append(out, data[at:]...)
}

// blank reports whether there is nothing but space.
func blank(b []byte) bool {
	for _, c := range b {
		if !isSpace(c) {
			return false
		}
	}
	return true
}

// lineStart returns where the physical line begins that holds offset at.
func lineStart(data []byte, at int) int { return bytes.LastIndexByte(data[:at], '\n') + 1 }

// lineEnd returns where the physical line ends that holds offset at: behind its newline.
func lineEnd(data []byte, at int) int {
	if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(data)
}
