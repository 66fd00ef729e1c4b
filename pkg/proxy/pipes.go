package proxy

import "golang.org/x/sys/unix"

// Large streams move from socket to socket through a pipe, by splice(2), without being copied. A pipe is lent to one
// direction of one connection only while it holds bytes, so a few serve many.
const (
	wantedPipe = 1 << 20  // bytes; an unprivileged user gets no larger one (pipe(7), pipe-max-size)
	leastPipe  = 64 << 10 // smaller ones, granted when a user has many, are not worth it
	pipeMemory = 4 << 20  // bytes of all pipes of a loop
	maxPipes   = pipeMemory / leastPipe

	// pipeRetry is how long nothing is asked of a system that had no pipe to give, in milliseconds.
	pipeRetry = 10_000
)

// noPipe is the handle of no pipe.
const noPipe = -1

// A pipe is the two ends of one, how many bytes it takes, and how many it holds.
type pipe struct {
	read, write int32
	size, held  int
}

// pipes lends pipes by handle. The zero value makes them as they are asked for.
type pipes struct {
	all     [maxPipes]pipe
	made    int     // places of all that were ever used
	idle    []int32 // handles of empty pipes
	vacant  []int32 // handles of pipes that were closed
	bytes   int     // the size of all that are open
	refused bool    // the system had none to give
	since   uint32  // when
	useless bool    // splice does not work here
}

// takePipe returns the handle of an empty pipe, or noPipe: then bytes are copied.
func (l *loop) takePipe() int32 {
	p := &l.pipes
	if n := len(p.idle); n > 0 {
		handle := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return handle
	}
	if p.useless || p.bytes >= pipeMemory || p.refused && l.timers.Now()-p.since < pipeRetry {
		return noPipe
	}
	made, errno := l.sockets.pipe(min(wantedPipe, pipeMemory-p.bytes))
	if errno == 0 && (made.size < leastPipe || made.size > pipeMemory-p.bytes) {
		l.sockets.close(made.read)
		l.sockets.close(made.write)
		errno = unix.EPERM
	}
	if p.refused = errno != 0; p.refused {
		p.since = l.timers.Now()
		return noPipe
	}
	p.bytes += made.size
	var handle int32
	if n := len(p.vacant); n > 0 {
		handle, p.vacant = p.vacant[n-1], p.vacant[:n-1]
	} else {
		handle = int32(p.made)
		p.made++
	}
	p.all[handle] = made
	return handle
}

// givePipe takes a pipe back. One that still holds bytes is closed with them.
func (l *loop) givePipe(handle int32) {
	if l.pipes.all[handle].held > 0 {
		l.closePipe(handle)
		return
	}
	l.pipes.idle = append(l.pipes.idle, handle)
}

func (l *loop) closePipe(handle int32) {
	p := &l.pipes
	l.sockets.close(p.all[handle].read)
	l.sockets.close(p.all[handle].write)
	p.bytes -= p.all[handle].size
	p.vacant = append(p.vacant, handle)
}

// closePipes closes the idle ones; all are, once every connection is closed.
func (l *loop) closePipes() {
	for _, handle := range l.pipes.idle {
		l.closePipe(handle)
	}
	l.pipes.idle = nil
}
