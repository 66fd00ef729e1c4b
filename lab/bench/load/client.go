package load

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

const sessionIDOffset = 44 // in a hello of one record

// open starts a client's connection and sends the hello.
func (l *Load) open() {
	started := time.Now()
	l.number++
	fd, err := connect(l.job.Target, source(l.number, l.job.Sources))
	if err != nil {
		l.result.Failed++
		l.failure = err
		return
	}
	l.live++
	e := l.take(fd, client, unix.EPOLLIN|unix.EPOLLET)
	e.started, e.state, e.number = started, connecting, l.number
	l.greet(fd, e)
}

// greet sends the hello, or the first part of it, as soon as the connection stands: on loopback it nearly always does when
// connect returns, unless the proxy's queue is full.
func (l *Load) greet(fd int, e *end) {
	hello := l.job.Hello
	binary.BigEndian.PutUint64(hello[sessionIDOffset:], e.number)
	if l.job.Split > 0 {
		hello = hello[:l.job.Split]
	}
	switch n, err := rawSend(fd, hello); {
	case err == unix.EAGAIN:
		l.watch(unix.EPOLL_CTL_MOD, fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET)
		return
	case err != nil || n < len(hello):
		l.fail(fd)
		return
	}
	e.state = greeting
	if l.job.Split > 0 {
		l.later = append(l.later, fd)
	}
}

// sendRest sends the second part of a hello.
func (l *Load) sendRest(fd int) {
	if l.ends[fd].role != client {
		return
	}
	rest := l.job.Hello[l.job.Split:]
	if n, err := rawSend(fd, rest); err != nil || n < len(rest) {
		l.fail(fd)
	}
}

// sendMessage asks the backend for a message, or for bytes without end.
func (l *Load) sendMessage(fd int) {
	message := l.block[:Message]
	message[0] = 'p'
	if l.job.Kind == Bulk {
		message[0] = 'b'
	}
	if n, err := rawSend(fd, message); err != nil || n < Message {
		l.fail(fd)
	}
}

// receive takes what has come for a client.
func (l *Load) receive(fd int) {
	e := &l.ends[fd]
	if e.state == connecting {
		l.greet(fd, e)
		return
	}
	for {
		flags := 0
		if l.job.Kind == Bulk {
			flags = unix.MSG_TRUNC // TCP then discards bytes without copying them
		}
		n, err := rawReceive(fd, l.scratch, flags)
		if err == unix.EAGAIN {
			return
		}
		if err != nil || n == 0 {
			l.fail(fd)
			return
		}
		if e.state == talking && l.job.Kind == Bulk {
			if !l.stopping {
				l.result.Bytes += int64(n)
				l.last = time.Now()
			}
			continue
		}
		e.got += n
		if e.got < Message {
			continue
		}
		l.answered(fd, e)
		return
	}
}

// answered goes on after a complete answer.
func (l *Load) answered(fd int, e *end) {
	e.got = 0
	now := time.Now()
	l.last = now
	switch {
	case l.job.Kind == Short:
		if !l.stopping {
			l.result.Operations++
			l.result.Latencies = append(l.result.Latencies, now.Sub(e.started))
		}
		l.close(fd)
		if !l.stopping {
			l.open()
		}
	case e.state == greeting:
		e.state = resting
		l.ready++
	case e.state == talking && !l.stopping:
		l.result.Operations++
		l.sendMessage(fd)
	}
}

// fail gives a connection up. The loop opens another one where the job needs it.
func (l *Load) fail(fd int) {
	l.result.Failed++
	if s := l.ends[fd].state; s != connecting && s != greeting {
		l.ready--
	}
	l.close(fd)
}
