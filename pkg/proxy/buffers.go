package proxy

import "github.com/sniroute/sniroute/pkg/sni"

// Bytes that cannot be passed on at once wait in a buffer: an unfinished hello, or what a slow peer did not take. There
// are three sizes: one for nearly every hello, one for a read, and one for the largest hello there may be.
const (
	smallBuffer  = 2 << 10
	mediumBuffer = 16 << 10
	largeBuffer  = sni.MaxHello + mediumBuffer // the parser has refused a hello before a read overflows it
)

// noBuffer is the handle of no buffer.
const noBuffer = -1

// A buffer holds the bytes of its space from start to end.
type buffer struct {
	space      []byte
	start, end int
	parser     sni.Parser // how far an unfinished hello was looked at
}

// waiting returns what the buffer holds.
func (b *buffer) waiting() []byte { return b.space[b.start:b.end] }

// add appends bytes, for which there must be room.
func (b *buffer) add(p []byte) { b.end += copy(b.space[b.end:], p) }

// buffers lends buffers by handle, so that connections need no pointer to them, and none of their own memory while
// nothing waits. The space of those given back is kept for the next up to a bound, the rest is left to the garbage
// collector.
type buffers struct {
	all    []buffer
	vacant []int32 // handles without space
	lent   int     // bytes of those in use
	spare  [3][][]byte
}

// spares is how many buffers of each size are kept: some hundred kilobytes of each.
var spares = [3]int{64, 16, 4}

func sizeClass(size int) int {
	switch {
	case size <= smallBuffer:
		return 0
	case size <= mediumBuffer:
		return 1
	}
	return 2
}

// keep returns the handle of a buffer that holds these bytes, at most largeBuffer of them.
func (b *buffers) keep(parts ...[]byte) int32 {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if len(b.vacant) == 0 {
		b.vacant = append(b.vacant, int32(len(b.all)))
		b.all = append(b.all, buffer{})
	}
	last := len(b.vacant) - 1
	handle := b.vacant[last]
	b.vacant = b.vacant[:last]
	made := b.at(handle)
	*made = buffer{space: b.take(size)}
	for _, part := range parts {
		made.add(part)
	}
	return handle
}

// at returns a buffer that is lent. The pointer holds until the next keep.
func (b *buffers) at(handle int32) *buffer { return &b.all[handle] }

// enlarge gives a buffer that is full a space of at least size bytes, at most largeBuffer.
func (b *buffers) enlarge(handle int32, size int) {
	full := b.at(handle)
	old := full.space
	full.space = b.take(size)
	copy(full.space, old)
	b.put(old)
}

// give takes a buffer back.
func (b *buffers) give(handle int32) {
	b.put(b.at(handle).space)
	*b.at(handle) = buffer{}
	b.vacant = append(b.vacant, handle)
}

// take returns the space of a buffer.
func (b *buffers) take(size int) (space []byte) {
	class := sizeClass(size)
	if n := len(b.spare[class]); n > 0 {
		space, b.spare[class] = b.spare[class][n-1], b.spare[class][:n-1]
	} else {
		space = make([]byte, [3]int{smallBuffer, mediumBuffer, largeBuffer}[class])
	}
	b.lent += len(space)
	return space
}

// put takes the space of a buffer back.
func (b *buffers) put(space []byte) {
	b.lent -= len(space)
	if class := sizeClass(len(space)); len(b.spare[class]) < spares[class] {
		b.spare[class] = append(b.spare[class], space)
	}
}

// What is read at once may have to wait in a buffer. The more is lent already, the less is read: otherwise clients that
// ask for much and take nothing would fill the memory.
const (
	easyLent = 1 << 20 // bytes up to which large reads are made
	mostLent = 4 << 20 // bytes from which only small ones are
)

// read returns how many bytes may be read at once: for a large stream, or for one that is not.
func (b *buffers) read(large bool) int {
	switch {
	case b.lent > mostLent:
		return smallBuffer
	case large && b.lent <= easyLent:
		return largeBuffer
	}
	return mediumBuffer
}
