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

// buffers lends byte slices by handle, so that connections need no pointer to them. Those given back are kept for the
// next up to a bound, the rest is left to the garbage collector.
type buffers struct {
	slices [][]byte
	vacant []int32 // handles without a slice
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

// take returns the handle of a buffer of at least size bytes, at most largeBuffer.
func (b *buffers) take(size int) int32 {
	class := sizeClass(size)
	var slice []byte
	if n := len(b.spare[class]); n > 0 {
		slice, b.spare[class] = b.spare[class][n-1], b.spare[class][:n-1]
	} else {
		slice = make([]byte, [3]int{smallBuffer, mediumBuffer, largeBuffer}[class])
	}
	b.lent += len(slice)
	if n := len(b.vacant); n > 0 {
		handle := b.vacant[n-1]
		b.vacant = b.vacant[:n-1]
		b.slices[handle] = slice
		return handle
	}
	b.slices = append(b.slices, slice)
	return int32(len(b.slices) - 1)
}

// bytes returns the whole buffer.
func (b *buffers) bytes(handle int32) []byte { return b.slices[handle] }

// give takes a buffer back.
func (b *buffers) give(handle int32) {
	slice := b.slices[handle]
	b.slices[handle] = nil
	b.lent -= len(slice)
	b.vacant = append(b.vacant, handle)
	if class := sizeClass(len(slice)); len(b.spare[class]) < spares[class] {
		b.spare[class] = append(b.spare[class], slice)
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
