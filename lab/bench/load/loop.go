package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// turn waits for events, at most for so long, and handles them.
func (l *Load) turn(wait time.Duration) error {
	for n := 0; l.replace && l.live < l.job.Open && n < 64; n++ {
		l.open()
	}
	milliseconds := int((wait + time.Millisecond - 1) / time.Millisecond)
	if len(l.pushing) > 0 || len(l.later) > 0 {
		milliseconds = 0
	}
	var events [512]unix.EpollEvent
	n, err := unix.EpollWait(l.epoll, events[:], milliseconds)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for events: %w", err)
	}
	later := len(l.later)
	for _, e := range events[:max(n, 0)] {
		fd := int(e.Fd)
		at := &l.ends[fd]
		if at.generation != uint32(e.Pad) {
			continue // of a descriptor that was closed in this turn
		}
		switch at.role {
		case listener:
			l.accept(fd)
		case backend:
			l.serve(fd, e.Events)
		case client:
			l.receive(fd)
		}
	}
	for _, fd := range l.later[:later] {
		l.sendRest(fd)
	}
	l.later = append(l.later[:0], l.later[later:]...)
	l.push()
	return nil
}

// take makes fd ours and has epoll watch it.
func (l *Load) take(fd int, r role, events uint32) *end {
	for fd >= len(l.ends) {
		l.ends = append(l.ends, end{})
	}
	e := &l.ends[fd]
	*e = end{role: r, generation: e.generation + 1}
	l.watch(unix.EPOLL_CTL_ADD, fd, events)
	return e
}

func (l *Load) watch(operation, fd int, events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: int32(l.ends[fd].generation)}
	if err := unix.EpollCtl(l.epoll, operation, fd, &event); err != nil {
		l.failure = fmt.Errorf("watch a socket: %w", err)
	}
}

func (l *Load) close(fd int) {
	e := &l.ends[fd]
	if e.role == client {
		l.live--
	}
	e.role, e.generation = vacant, e.generation+1
	rawClose(fd)
}
