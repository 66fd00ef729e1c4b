package backend

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// maxAsked is how many servers are asked at once: those that do not answer hold up others no longer than this allows,
// and memory stays bounded however many servers there are.
const maxAsked = 16

// Check asks the servers of the newest table whether they are up, until ctx ends, and logs each change once. It returns
// when no check is running any more. It must not run twice at a time.
func (s *Set) Check(ctx context.Context, log *slog.Logger) {
	s.init()
	notify(s.wake)
	var asking sync.WaitGroup
	defer asking.Wait()
	finished := make(chan *check)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next agenda
	free := maxAsked
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			next = s.agenda(log)
		case c := <-finished:
			free++
			c.running = false
			c.announce(log)
			if s.wants(c) {
				heap.Push(&next, c)
			}
		case <-timer.C:
		}
		now := time.Now()
		for free > 0 && len(next) > 0 && !next[0].due.After(now) {
			free--
			c := heap.Pop(&next).(*check)
			c.running = true
			terms := c.current()
			c.due = now.Add(jittered(terms.interval))
			asking.Go(func() {
				s.check(ctx, c, terms)
				select {
				case finished <- c:
				case <-ctx.Done():
				}
			})
		}
		if free > 0 && len(next) > 0 {
			timer.Reset(time.Until(next[0].due))
		}
	}
}

// check asks once.
func (s *Set) check(ctx context.Context, c *check, t terms) {
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	began := time.Now()
	err := s.ask(limited, c.question, t.name)
	if ctx.Err() != nil {
		return // the daemon ends, which says nothing about the server
	}
	c.answered(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durations.observe(time.Since(began))
}

// jittered spreads checks, so that they do not come all at once, nor those of two daemons.
func jittered(interval time.Duration) time.Duration {
	return interval - interval/10 + rand.N(interval/5+1)
}

// updateChecks makes the checks those that the backends want, and returns them.
func (s *Set) updateChecks(backends []route.Backend, names []string) map[question]*check {
	wanted := make(map[question]*terms)
	for i, b := range backends {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		for server := range min(len(b.Servers), MaxServers) {
			q, ok := questionTo(b, server)
			if !ok {
				continue
			}
			if wanted[q] == nil {
				wanted[q] = new(terms)
			}
			wanted[q].join(b, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	checks := make(map[question]*check, len(wanted))
	for q, terms := range wanted {
		c := s.checks[q]
		if c == nil {
			c = &check{question: q, wake: s.wake}
		}
		terms.settle()
		c.mu.Lock()
		c.terms = *terms
		c.mu.Unlock()
		checks[q] = c
	}
	s.checks = checks
	notify(s.wake)
	return checks
}

// NamesOf returns for each of the table's backends a host that is routed to it, so that its servers know what to do
// with the hello of a check; an empty string where there is none.
func NamesOf(t *route.Table) []string {
	names := make([]string, len(t.Backends))
	for i := range t.Routes {
		r := &t.Routes[i]
		if r.Exposed && r.Backend != route.NoBackend && names[r.Backend] == "" && r.ALPN == "" && r.Host[0] != '*' {
			names[r.Backend] = r.Host
		}
	}
	return names
}

// agenda returns the checks that are not running, and announces what changed about them.
func (s *Set) agenda(log *slog.Logger) agenda {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	next := make(agenda, 0, len(s.checks))
	for _, c := range s.checks {
		if c.running {
			continue
		}
		if c.announce(log) {
			c.due = now // clients found out first: look when it is up again
		}
		if longest := now.Add(jittered(c.current().interval)); c.due.After(longest) {
			c.due = longest
		}
		next = append(next, c)
	}
	heap.Init(&next)
	return next
}

func (s *Set) wants(c *check) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks[c.question] == c
}

// current returns the present terms.
func (c *check) current() terms {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.terms
}

// announce logs a change of state, and reports whether there was one.
func (c *check) announce(log *slog.Logger) bool {
	c.mu.Lock()
	down, reason, backends := c.down.Load(), c.reason, c.terms.backends
	downFor := time.Since(c.fellAt).Round(time.Millisecond)
	c.mu.Unlock()
	if down == c.announced {
		return false
	}
	c.announced = down
	log = log.With("server", c.question.address, "check", kindName(c.question.kind), "backends", listed(backends))
	if down {
		log.Warn("a server is down", "error", reason)
	} else {
		log.Info("a server is up again", "down_for", downFor)
	}
	return true
}

func kindName(kind route.Check) string {
	switch kind {
	case route.CheckTCP:
		return "tcp"
	case route.CheckTLS:
		return "tls"
	}
	return "none"
}

// listed names the first few backends.
func listed(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], " ") + " ..."
	}
	return strings.Join(names, " ")
}

// An agenda is a heap of checks, the one that is due next first.
type agenda []*check

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is part of heap.Interface.
func (a *agenda) Push(c any) { *a = append(*a, c.(*check)) }

// Pop is part of heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	c := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return c
}
