//go:build linux

// Package epoll runs event loops: readiness of descriptors in, callbacks out, and timers. A Loop is one goroutine with
// one epoll instance; all callbacks of a Loop run on that goroutine, one after the other, so what a Loop's handler owns
// needs no lock. The package knows nothing of what the descriptors carry.
//
//	loop, err := epoll.New()
//	...
//	loop.Add(fd, index, generation, epoll.Readable|epoll.EdgeTriggered)
//	err = loop.Run(handler) // until loop.Stop
package epoll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events is a set of conditions of a descriptor, as epoll_ctl(2) has them.
type Events uint32

const (
	Readable      Events = unix.EPOLLIN
	Writable      Events = unix.EPOLLOUT
	ReadClosed    Events = unix.EPOLLRDHUP // the peer will send no more; what it sent may still be unread
	Failed        Events = unix.EPOLLERR
	HungUp        Events = unix.EPOLLHUP
	EdgeTriggered Events = 1 << 31 // EPOLLET, which x/sys types as a signed constant
)

// A Handler reacts to what a Loop sees. Its methods run on the Loop's goroutine.
type Handler interface {
	// Ready is called for a descriptor that was added with this index and generation: of those that are ready at once,
	// last for those whose peer has ended or failed. The handler must ignore a
	// generation that it no longer knows: an event may have been fetched before the descriptor was closed.
	Ready(index, generation uint32, events Events)
	// Expired is called once after the timer that was set for id ran out.
	Expired(id uint32)
	// Turn is called after each batch of events. While it returns true the Loop does not block: there is work to go
	// on with.
	Turn() (more bool)
}

const (
	batch = 256 // events fetched by one system call

	// wakeIndex marks the Loop's own eventfd; no handler may use it.
	wakeIndex = 1<<32 - 1
)

// A Loop waits for events and calls its handler. Add, Modify, Remove, SetTimer, ClearTimer and Now belong to the
// Loop's goroutine (or to whoever prepares the Loop before Run); Post and Stop may be called from any.
type Loop struct {
	fd     int
	wake   int // eventfd
	events [batch]unix.EpollEvent
	timers wheel
	start  time.Time
	passed time.Duration // since start, as of the last return from epoll_wait
	now    uint32        // the same in milliseconds
	busy   int           // interruptions until the scheduler is told that the Loop waits

	mu      sync.Mutex
	posted  []func() // guarded by mu
	woken   bool     // guarded by mu: the eventfd was written and not yet read
	stopped bool     // guarded by mu
}

// New returns a Loop that watches nothing yet.
func New() (*Loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating an epoll instance: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("creating an eventfd: %w", err)
	}
	l := &Loop{fd: fd, wake: wake, start: time.Now()}
	l.timers.init()
	if err := l.Add(wake, wakeIndex, 0, Readable); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close releases the Loop's own descriptors, not those that were added. Run must have returned, or never been called.
func (l *Loop) Close() error {
	return errors.Join(unix.Close(l.wake), unix.Close(l.fd))
}

// Add watches fd. A closed descriptor is forgotten by itself.
func (l *Loop) Add(fd int, index, generation uint32, events Events) error {
	return l.control(unix.EPOLL_CTL_ADD, fd, index, generation, events)
}

// Modify changes what is watched of fd and reports at once what already holds.
func (l *Loop) Modify(fd int, index, generation uint32, events Events) error {
	return l.control(unix.EPOLL_CTL_MOD, fd, index, generation, events)
}

// Remove stops watching fd.
func (l *Loop) Remove(fd int) error {
	return l.control(unix.EPOLL_CTL_DEL, fd, 0, 0, 0)
}

func (l *Loop) control(op, fd int, index, generation uint32, events Events) error {
	event := unix.EpollEvent{Events: uint32(events), Fd: int32(index), Pad: int32(generation)}
	// epoll_ctl never blocks, so Go's scheduler need not hear of it.
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.fd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// Now returns the time of the current batch of events in milliseconds since the Loop was made. It wraps after 49 days:
// compare by signed difference.
func (l *Loop) Now() uint32 { return l.now }

// Elapsed is Now as a time that does not wrap.
func (l *Loop) Elapsed() time.Duration { return l.passed }

// SetTimer has Expired called for id after the delay, replacing an earlier timer of that id. It is late by up to 64 ms,
// never early. ids should be small numbers: memory is held for all up to the largest.
func (l *Loop) SetTimer(id uint32, delay time.Duration) {
	l.timers.set(id, l.now+milliseconds(delay), l.now)
}

// ClearTimer forgets the timer of id, if there is one.
func (l *Loop) ClearTimer(id uint32) { l.timers.clear(id) }

// maxDelay keeps deadlines within half the range of the clock, so that signed differences tell their order.
const maxDelay = 14 * 24 * time.Hour

func milliseconds(d time.Duration) uint32 {
	d = min(max(d, 0), maxDelay)
	return uint32((d + time.Millisecond - 1) / time.Millisecond)
}

// Post has f called on the Loop's goroutine, in the order of the calls. It reports false where the Loop has stopped
// and f will never run.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return false
	}
	l.posted = append(l.posted, f)
	l.wakeUp()
	return true
}

// Stop makes Run return once the functions posted so far have run.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.wakeUp()
}

// wakeUp interrupts epoll_wait. l.mu is held.
func (l *Loop) wakeUp() {
	if l.woken {
		return
	}
	l.woken = true
	one := [8]byte{7: 1, 0: 1} // any value but zero, in either byte order
	unix.Write(l.wake, one[:])
}

// gone is what makes an event one to see to last: nobody waits for descriptors to be closed, which takes longer than to
// pass on what others wait for.
const gone = ReadClosed | Failed | HungUp

// Run calls the handler until Stop. While events keep coming it does not give its processor back, even where it waits:
// GOMAXPROCS must leave another one to all other goroutines, which otherwise get a turn every 20 ms alone, as does the
// garbage collector. An error means that the kernel refused to wait, which only a programming error can cause.
func (l *Loop) Run(h Handler) error {
	more := false
	for {
		n, err := l.wait(more)
		if err != nil {
			l.Stop() // nobody may wait for what would never run
			l.runPosted()
			return fmt.Errorf("waiting for events: %w", err)
		}
		l.passed = time.Since(l.start)
		l.now = uint32(l.passed / time.Millisecond)
		ended, stop := 0, false
		for i := range l.events[:n] {
			event := &l.events[i]
			switch {
			case uint32(event.Fd) == wakeIndex:
				stop = l.runPosted()
			case Events(event.Events)&gone != 0:
				l.events[ended] = *event
				ended++
			default:
				h.Ready(uint32(event.Fd), uint32(event.Pad), Events(event.Events))
			}
		}
		for i := range l.events[:ended] {
			event := &l.events[i]
			h.Ready(uint32(event.Fd), uint32(event.Pad), Events(event.Events))
		}
		l.timers.advance(l.now, h.Expired)
		if stop {
			return nil
		}
		more = h.Turn()
	}
}

// runPosted runs what was posted and reports whether the Loop is to stop.
func (l *Loop) runPosted() (stop bool) {
	var count [8]byte
	unix.Read(l.wake, count[:])
	l.mu.Lock()
	l.woken = false
	posted := l.posted
	l.posted = nil
	stop = l.stopped
	l.mu.Unlock()
	for _, f := range posted {
		f()
	}
	return stop
}

const (
	// interruptions is how often Go's scheduler may interrupt a wait, with no event in between, before the Loop hands the
	// processor back. The scheduler does so by a signal, every 10 ms and where the garbage collector needs the Loop to
	// stop. To hand back and to ask again wakes other threads, which costs more than a short connection's own work.
	interruptions = 2
	// patience is the limit, in milliseconds, should no signal come. If it were as short as that, the kernel would
	// program its clock for each wait, which costs a tenth of a short connection.
	patience = 100
)

// wait fetches events into l.events: while they keep coming, by a system call that the scheduler does not know of, and
// otherwise by one that it does, so that a resting loop holds up nobody.
func (l *Loop) wait(more bool) (int, error) {
	if more || l.busy > 0 {
		timeout := 0
		if !more {
			timeout = l.timeout()
		}
		short := timeout
		if timeout < 0 || timeout > patience {
			short = patience
		}
		n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.fd), uintptr(unsafe.Pointer(&l.events[0])),
			batch, uintptr(short), 0, 0)
		switch {
		case errno == unix.EINTR:
			l.busy--
			return 0, nil
		case errno != 0:
			return 0, errno
		case n > 0:
			l.busy = interruptions
			return int(n), nil
		case short == timeout:
			return 0, nil
		}
	}
	n, err := unix.EpollWait(l.fd, l.events[:], l.timeout())
	if err == unix.EINTR {
		n, err = 0, nil
	}
	l.busy = 0
	if n > 0 {
		l.busy = interruptions
	}
	return n, err
}

// timeout returns how many milliseconds there are until the next timer; -1: there is none. It asks for the time, since
// that has moved on since the last batch of events.
func (l *Loop) timeout() int {
	if l.timers.armed == 0 {
		return -1
	}
	return l.timers.timeout(uint32(time.Since(l.start) / time.Millisecond))
}
