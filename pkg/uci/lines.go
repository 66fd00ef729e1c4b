package uci

import "bytes"

// lines hands out the file line by line as libuci's uci_getln does, into a buffer that the parser decodes in place. A
// NUL byte ends what the parser sees of a line; where the next line goes then depends on how much one fgets of libuci
// reads, which is why the size of its buffer is kept although the buffer here grows by itself.
type lines struct {
	data []byte
	next int  // what of data comes next
	eof  bool // as feof: a read met the end

	buf    []byte // always ends with a NUL
	size   int    // of libuci's buffer
	filled int    // where the last line read ends
	pos    int    // where the parser is

	pieces []piece // where in data the bytes of buf were, ascending

	complete int // lines read with their newline, as libuci counts them
	newlines int // in data[:next]
	current  int // the line of the file, from 1, that was read last
}

// A piece is what one fgets read.
type piece struct {
	buf, data int // offsets of its first byte
}

const (
	firstSize = 32      // libuci's LINEBUF
	lastSize  = 1 << 30 // far above MaxSize
)

// getln reads a line and puts it at offset (uci_getln). At the end of the file there is an empty string.
func (l *lines) getln(offset int) {
	if l.size == 0 {
		l.size = firstSize
	}
	if offset >= l.size-1 {
		l.grow()
	}
	l.current = l.newlines + 1
	end := offset
	for {
		l.set(end, 0)
		if !l.fgets(end, l.size-end) || l.at(end) == 0 {
			return
		}
		end += l.length(end)
		l.filled = end
		if l.at(end-1) == '\n' {
			l.complete++
			return
		}
		l.grow()
	}
}

// grow doubles libuci's buffer, which must not overflow where int has 32 bits.
func (l *lines) grow() {
	if l.size < lastSize {
		l.size *= 2
	}
}

// fgets is C's: at most n-1 bytes, up to and with the next newline, then a NUL. It reports whether there were any.
func (l *lines) fgets(offset, n int) bool {
	rest := l.data[l.next:]
	k := min(n-1, len(rest))
	if i := bytes.IndexByte(rest[:k], '\n'); i >= 0 {
		k = i + 1
		l.newlines++
	} else if k < n-1 {
		l.eof = true
	}
	if k == 0 {
		return false
	}
	l.buf = append(append(l.buf[:offset], rest[:k]...), 0)
	for len(l.pieces) > 0 && l.pieces[len(l.pieces)-1].buf >= offset {
		l.pieces = l.pieces[:len(l.pieces)-1]
	}
	l.pieces = append(l.pieces, piece{offset, l.next})
	l.next += k
	return true
}

// source returns where in data the byte at i was, for an i that the parser has not moved behind yet.
func (l *lines) source(i int) int {
	for n := len(l.pieces) - 1; n >= 0; n-- { // it is nearly always in the last
		if p := l.pieces[n]; p.buf <= i {
			return p.data + i - p.buf
		}
	}
	return 0
}

// at returns the byte at i, which is NUL behind the end.
func (l *lines) at(i int) byte {
	if i < len(l.buf) {
		return l.buf[i]
	}
	return 0
}

// set writes a byte at i, at most one behind the end.
func (l *lines) set(i int, c byte) {
	if i == len(l.buf) {
		l.buf = append(l.buf, c)
		return
	}
	l.buf[i] = c
}

// length is C's strlen at i.
func (l *lines) length(i int) int {
	if i >= len(l.buf) {
		return 0
	}
	if n := bytes.IndexByte(l.buf[i:], 0); n >= 0 {
		return n
	}
	return len(l.buf) - i
}

// text returns the string at i.
func (l *lines) text(i int) string {
	if i >= len(l.buf) {
		return ""
	}
	return string(l.buf[i : i+l.length(i)])
}
