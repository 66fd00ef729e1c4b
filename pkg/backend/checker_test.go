package backend

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// A staged set is one whose servers answer as the test says, in a bubble of its own time.
type staged struct {
	*Set
	t   *testing.T
	log *safeBuffer

	mu     sync.Mutex
	dead   map[netip.AddrPort]error
	takes  time.Duration // for an answer
	asked  map[netip.AddrPort]int
	now    int // being asked
	most   int // at once
	names  map[string]bool
	finish context.CancelFunc
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// lines returns what was logged since the last call.
func (s *safeBuffer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return strings.FieldsFunc(s.b.String(), func(r rune) bool { return r == '\n' })
}

// stage starts the checks of a new set and ends them with the test.
func stage(t *testing.T) *staged {
	s := &staged{
		Set: &Set{}, t: t, log: &safeBuffer{}, takes: time.Millisecond,
		dead: map[netip.AddrPort]error{}, asked: map[netip.AddrPort]int{}, names: map[string]bool{},
	}
	s.Set.ask = s.answer
	ctx, cancel := context.WithCancel(t.Context())
	s.finish = cancel
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Check(ctx, slog.New(slog.NewTextHandler(s.log, nil)))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if s.now != 0 {
			t.Errorf("%d servers are still being asked at the end", s.now)
		}
	})
	return s
}

func (s *staged) answer(ctx context.Context, q question, name string) error {
	s.mu.Lock()
	s.asked[q.address]++
	s.names[name] = true
	s.now++
	s.most = max(s.most, s.now)
	takes := s.takes
	s.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-time.After(takes):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	return s.dead[q.address]
}

// die has a server be dead from now on, or alive again with a nil error.
func (s *staged) die(server route.Server, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead[server.Address] = why
}

func (s *staged) count(server route.Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[server.Address]
}

func (s *staged) wantLines(want ...string) {
	s.t.Helper()
	got := s.log.lines()
	if len(got) != len(want) {
		s.t.Fatalf("logged %q, want %d lines", got, len(want))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			s.t.Errorf("logged %q, want %q", got[i], want[i])
		}
	}
}

// every is the options of a backend that is checked so often.
func every(interval time.Duration, rise, fall int) route.BackendOptions {
	return route.BackendOptions{
		Check: route.CheckTCP, CheckInterval: interval, CheckRise: rise, CheckFall: fall, ConnectTimeout: 5 * time.Second,
	}
}

func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		list := servers(1, 1)
		pool := s.Update([]route.Backend{{Name: "nas", Servers: list, Options: every(10*time.Second, 2, 3)}}, nil)[0]
		wait := func(intervals int) {
			time.Sleep(time.Duration(intervals) * 11 * time.Second) // the longest, with jitter
			synctest.Wait()
		}
		wait(3)
		s.wantLines()
		s.die(list[0], unix.ECONNREFUSED)
		before := s.count(list[0])
		for pool.Up(0) {
			time.Sleep(time.Second)
		}
		if n := s.count(list[0]) - before; n != 3 {
			t.Errorf("down after %d bad checks, want 3", n)
		}
		synctest.Wait()
		s.wantLines(`level=WARN msg="a server is down" server=10.0.0.1:443 check=tcp backends=nas error="connection refused"`)
		if pool.Problem(0) != "connection refused" || !pool.Up(1) {
			t.Errorf("problem %q, the other one is up: %v", pool.Problem(0), pool.Up(1))
		}
		s.die(list[0], unix.ENETUNREACH)
		wait(2)
		if got := pool.Problem(0); got != "network is unreachable" {
			t.Errorf("the newest problem is %q", got)
		}
		s.wantLines()
		s.die(list[0], nil)
		before = s.count(list[0])
		for !pool.Up(0) {
			time.Sleep(time.Second)
		}
		if n := s.count(list[0]) - before; n != 2 {
			t.Errorf("up after %d good checks, want 2", n)
		}
		synctest.Wait()
		s.wantLines(`level=INFO msg="a server is up again" server=10.0.0.1:443 check=tcp backends=nas down_for=`)
		if pool.Problem(0) != "" {
			t.Errorf("the problem is %q still", pool.Problem(0))
		}
		d := s.Durations()
		total := 0
		for _, n := range d.Counts {
			total += int(n)
		}
		if want := s.count(list[0]) + s.count(list[1]); total != want || d.Sum <= 0 {
			t.Errorf("%d checks are counted in %v seconds, there were %d", total, d.Sum, want)
		}
	})
}

// A server that is dead from the start is down with its first check.
func TestDeadAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		list := servers(1)
		s.die(list[0], unix.EHOSTUNREACH)
		pool := s.Update([]route.Backend{{Name: "nas", Servers: list, Options: every(10*time.Second, 2, 3)}}, nil)[0]
		if !pool.Up(0) {
			t.Error("down before anybody asked")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if pool.Up(0) {
			t.Error("up after the first check")
		}
		s.wantLines("a server is down")
	})
}

// What clients meet counts as what checks find.
func TestClientsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		list := servers(1)
		pool := s.Update([]route.Backend{{Name: "nas", Servers: list, Options: every(time.Hour, 2, 3)}}, nil)[0]
		time.Sleep(time.Second)
		for range 10 { // a row of failures that a success ends
			pool.Failed(0, unix.ECONNREFUSED)
			pool.Failed(0, unix.ECONNREFUSED)
			pool.Connected(0, 0)
		}
		for range 10 { // what we lack ourselves
			pool.Failed(0, unix.EADDRNOTAVAIL)
		}
		if !pool.Up(0) || pool.Failures(0) != 30 {
			t.Fatalf("up: %v, failures: %d", pool.Up(0), pool.Failures(0))
		}
		checks := s.count(list[0])
		for range 5 {
			pool.Failed(0, unix.ECONNREFUSED)
		}
		if pool.Up(0) || pool.Problem(0) != "connection refused" {
			t.Fatalf("up: %v, problem: %q", pool.Up(0), pool.Problem(0))
		}
		time.Sleep(time.Second) // much less than the interval
		synctest.Wait()
		s.wantLines("a server is down")
		if n := s.count(list[0]); n != checks+1 {
			t.Errorf("%d checks at once after clients found out, want 1", n-checks)
		}
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if !pool.Up(0) {
			t.Error("down after two good checks")
		}
		s.wantLines("a server is up again")
	})
}

// A server that accepts connections but is no good at TLS does not come up because of the former.
func TestClientsDoNotOutvoteChecks(t *testing.T) {
	c := &check{terms: terms{rise: 1, fall: 3}, asked: true}
	for range 2 {
		c.answered(errTest)
		c.connected()
	}
	c.connectFailed(errTest)
	if !c.down.Load() {
		t.Error("two bad checks and a failed connect are not three failures")
	}
	c.connected()
	if !c.down.Load() {
		t.Error("a connect brought a server up that is down by its checks")
	}
}

// Reloads change how often a server is asked, and by what name, and forget nothing.
func TestCheckFollowsUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		list := servers(1, 1)
		b := route.Backend{Name: "nas", Servers: list[:1], Options: every(time.Hour, 2, 1)}
		b.Options.Check = route.CheckTLS
		s.Update([]route.Backend{b}, []string{"nas.example.com"})
		time.Sleep(time.Second)
		s.die(list[0], errTest)
		b.Options.CheckInterval = 10 * time.Second
		b.Servers = list
		pool := s.Update([]route.Backend{b}, []string{"other.example.com"})[0]
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if pool.Up(0) || !pool.Up(1) {
			t.Errorf("up: %v, %v; want the first one to be down", pool.Up(0), pool.Up(1))
		}
		if !s.names["nas.example.com"] || !s.names["other.example.com"] {
			t.Errorf("asked for %v", s.names)
		}
		s.wantLines("a server is down")
		for range 100 { // new tables do not make it ask more often
			pool = s.Update([]route.Backend{b}, nil)[0]
			synctest.Wait()
		}
		if n := s.count(list[0]); n > 4 {
			t.Errorf("asked %d times in 13 seconds", n)
		}
		if pool.Up(0) {
			t.Error("a new table brought the server up")
		}
		s.Update(nil, nil)
		synctest.Wait()
		before := s.count(list[0]) + s.count(list[1])
		time.Sleep(time.Minute)
		if n := s.count(list[0]) + s.count(list[1]) - before; n != 0 {
			t.Errorf("servers that nobody has any more were asked %d times", n)
		}
		s.wantLines()
	})
}

// However many servers there are and however long they take, only so many are asked at once, none twice at a time, and
// all get their turn.
func TestManyChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		s.takes = time.Hour // they never answer
		var backends []route.Backend
		for i := range 100 {
			address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), 443)
			backends = append(backends, route.Backend{
				Name: address.String(), Servers: []route.Server{{Address: address, Weight: 1}}, Options: every(2*time.Second, 2, 3),
			})
		}
		pools := s.Update(backends, nil)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.most != maxAsked {
			t.Errorf("%d were asked at once, want %d", s.most, maxAsked)
		}
		for i, pool := range pools {
			if pool.Up(0) {
				t.Errorf("server %d was not asked in time", i)
			}
		}
	})
}

func TestJitter(t *testing.T) {
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := jittered(10 * time.Second)
		least, most = min(least, d), max(most, d)
	}
	if least < 9*time.Second || most > 11*time.Second || most-least < time.Second {
		t.Errorf("intervals of %v to %v, want them spread over 9 s to 11 s", least, most)
	}
}

// Loops, the checker, reloads and readers at once, for the race detector; and whatever happens, the log tells of ups
// and downs in turn.
func TestChecksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		list := servers(1, 1, 1)
		b := route.Backend{Name: "nas", Servers: list, Options: every(100*time.Millisecond, 1, 2)}
		pool := s.Update([]route.Backend{b}, nil)[0]
		var all sync.WaitGroup
		for loop := range 3 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(loop), 0))
				for range 2000 {
					server, ok := pool.Pick(netip.Addr{}, 0, 0)
					if !ok {
						server = 0
					}
					if random.IntN(3) == 0 {
						pool.Failed(server, errTest)
					} else {
						pool.Connected(server, 0)
					}
					pool.Problem(server)
					if random.IntN(20) == 0 {
						s.die(list[random.IntN(3)], []error{nil, nil, errTest}[random.IntN(3)])
					}
					time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
				}
			})
		}
		all.Go(func() {
			for i := range 200 {
				b.Options.CheckFall = 1 + i%3
				s.Update([]route.Backend{b}, nil)
				time.Sleep(50 * time.Millisecond)
			}
		})
		all.Wait()
		down := map[string]bool{}
		lines := s.log.lines()
		for _, line := range lines {
			_, server, _ := strings.Cut(line, "server=")
			server, _, _ = strings.Cut(server, " ")
			if isDown := strings.Contains(line, "is down"); down[server] == isDown {
				t.Fatalf("%s is told twice to be down %v: %s", server, isDown, line)
			}
			down[server] = !down[server]
		}
		if len(lines) < 10 {
			t.Errorf("only %d changes of state", len(lines))
		}
	})
}
