// Package load makes the traffic that proxies are measured with, and answers it: clients and backends in one epoll loop
// on one thread, by raw system calls, so that the proxy and not the load is what a core is busy with.
//
//	l, err := load.New(backend) // listens there
//	result, err := l.Run(load.Job{Kind: load.Short, Target: proxy, Open: 64, Hello: h, Duration: time.Second})
//
// Backends answer the first TLS record of a connection with Message bytes that begin like a ServerHello, then speak of
// Message bytes each: one that begins with 'p' gets one back, one that begins with 'b' gets bytes without end.
//
// A client begins with the hello at once after connect, as TLS clients do, and closes first (FIN) when it has its answer.
// Ports do not run out: Linux takes them over from TIME_WAIT on loopback after a second, and each source address needs
// longer than that to use half of its own, which is when the kernel begins to search.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Message is the length in bytes of an answer and of a message on a kept connection.
const Message = 1024

// A Kind is what the connections of a Job do.
type Kind int

const (
	Short Kind = iota // connect, hello, answer, close, and the next one
	Pairs             // kept connections: a message, its answer, the next message
	Bulk              // kept connections: bytes without end from backend to client
	Idle              // hello, answer, and rest
)

// A Job is one measurement.
type Job struct {
	Kind     Kind
	Target   netip.AddrPort // an IPv4 address: the proxy's, or the backend's own
	Open     int            // connections at once
	Hello    []byte         // one record with a session id of 32 bytes, which each connection fills with its number
	Split    int            // send so many bytes of the hello first, and the rest one turn of the loop later; 0: at once
	Sources  int            // client addresses to use in turn; 0: two
	Duration time.Duration

	// Begin and End are called when what is measured begins (all kept connections stand) and when it has ended. Of an Idle
	// job only End is called, while all connections stand.
	Begin, End func()
}

// A Result counts what happened between Begin and End.
type Result struct {
	Operations int             // connections, pairs, or idle connections
	Bytes      int64           // received by clients of a Bulk job
	Elapsed    time.Duration   // from Begin to the last operation
	Latencies  []time.Duration // of a Short job: from connect to the last byte of the answer, sorted
	Failed     int             // connections that ended otherwise than they should
}

// Percentile returns the latency below which p percent of the operations stayed.
func (r *Result) Percentile(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(p/100*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

// A Load is the loop. It belongs to one goroutine.
type Load struct {
	epoll   int
	ends    []end // by descriptor
	scratch []byte
	block   []byte // what bulk connections send
	answer  []byte
	pushing []int // backends with more to send
	later   []int // clients with the rest of a hello to send
	number  uint64

	job      *Job
	result   Result
	live     int  // clients
	ready    int  // clients that have had their first answer
	replace  bool // connections that have ended
	stopping bool
	begun    time.Time
	last     time.Time
	failure  error
}

// An end is one descriptor and what it is doing.
type end struct {
	role       role
	generation uint32
	state      state
	got        int    // bytes of what is awaited
	number     uint64 // of a client
	started    time.Time
}

type role uint8

const (
	vacant role = iota
	listener
	backend
	client
)

type state uint8

const (
	greeting   state = iota // the hello has not been answered
	connecting              // and not been sent
	talking                 // messages go to and fro
	pushing                 // a backend sends without end
	resting
)

// New makes a Load whose backends listen at the given IPv4 addresses.
func New(backends ...netip.AddrPort) (*Load, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	l := &Load{epoll: epoll, scratch: make([]byte, 1<<20), block: make([]byte, 128<<10), answer: answer()}
	for _, at := range backends {
		if err := l.listen(at); err != nil {
			return nil, errors.Join(fmt.Errorf("listen at %s: %w", at, err), l.Close())
		}
	}
	return l, nil
}

// answer returns a ServerHello record with room for the session id, and opaque bytes behind it.
func answer() []byte {
	b := make([]byte, Message)
	copy(b, []byte{22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3})
	b[43] = 32
	copy(b[127:], []byte{23, 3, 3, (Message - 132) >> 8, (Message - 132) & 0xff})
	return b
}

// Close closes every descriptor.
func (l *Load) Close() error {
	for fd := range l.ends {
		if l.ends[fd].role != vacant {
			l.close(fd)
		}
	}
	return unix.Close(l.epoll)
}

// Serve lets the backends answer for d, for example health checks while a proxy starts.
func (l *Load) Serve(d time.Duration) error {
	for until := time.Now().Add(d); ; {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		if err := l.turn(min(left, 10*time.Millisecond)); err != nil {
			return err
		}
	}
}

// Run does a job. Connections that fail are counted and replaced; that nothing moves for a minute is an error.
func (l *Load) Run(job Job) (Result, error) {
	if job.Sources == 0 {
		job.Sources = 2
	}
	l.job, l.result, l.live, l.ready, l.replace, l.stopping, l.failure = &job, Result{}, 0, 0, false, false, nil
	defer l.abandon()
	if err := l.gather(); err != nil {
		return l.result, err
	}
	if job.Kind != Idle {
		if job.Begin != nil {
			job.Begin()
		}
		l.begun = time.Now()
		l.last = l.begun
		l.kickOff()
		for deadline := l.begun.Add(job.Duration); ; {
			left := time.Until(deadline)
			if left <= 0 {
				break
			}
			if err := l.turn(min(left, 10*time.Millisecond)); err != nil {
				return l.result, err
			}
			if l.failure != nil {
				return l.result, l.failure
			}
			if time.Since(l.last) > time.Minute {
				return l.result, errors.New("nothing moves")
			}
		}
		l.result.Elapsed = l.last.Sub(l.begun)
		if err := l.drain(); err != nil {
			return l.result, err
		}
	}
	if job.End != nil {
		job.End()
	}
	slices.Sort(l.result.Latencies)
	return l.result, l.failure
}

// gather opens the connections of a job that keeps them, a few at a time, and waits until each has its answer.
func (l *Load) gather() error {
	if l.job.Kind == Short {
		return nil
	}
	for give := time.Now().Add(2 * time.Minute); l.ready < l.job.Open; {
		for l.live < l.job.Open && l.live-l.ready < 64 {
			l.open()
		}
		if err := l.turn(10 * time.Millisecond); err != nil {
			return err
		}
		if l.failure != nil {
			return l.failure
		}
		if time.Now().After(give) {
			return fmt.Errorf("only %d of %d connections came about, %d failed", l.ready, l.job.Open, l.result.Failed)
		}
	}
	if l.job.Kind == Idle {
		l.result.Operations = l.ready
	}
	return nil
}

// kickOff gives each connection its first thing to do.
func (l *Load) kickOff() {
	switch l.job.Kind {
	case Short:
		l.replace = true
	case Pairs, Bulk:
		for fd := range l.ends {
			if e := &l.ends[fd]; e.role == client {
				e.state, e.got = talking, 0
				l.sendMessage(fd)
			}
		}
	}
}

// drain lets operations that have begun come to their end. Bulk connections have none.
func (l *Load) drain() error {
	l.stopping, l.replace = true, false
	if l.job.Kind == Bulk {
		return nil
	}
	for give := time.Now().Add(30 * time.Second); l.live > 0 && l.job.Kind == Short; {
		if err := l.turn(5 * time.Millisecond); err != nil {
			return err
		}
		if time.Now().After(give) {
			l.result.Failed += l.live
			break
		}
	}
	return l.Serve(20 * time.Millisecond) // until the proxy has closed its side
}

// abandon resets what is still open and waits until the proxy has noticed.
func (l *Load) abandon() {
	l.replace = false
	for fd := range l.ends {
		if r := l.ends[fd].role; r == client || r == backend && l.ends[fd].state == pushing {
			_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			l.close(fd)
		}
	}
	_ = l.Serve(50 * time.Millisecond)
	l.later, l.job = l.later[:0], nil
}
