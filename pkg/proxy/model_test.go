package proxy

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/epoll"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

var (
	modelSeeds = flag.Uint64("seeds", 5000, "random runs of the state machine; a tenth under the race detector")
	modelSeed  = flag.Uint64("seed", 0, "the first of them")
)

// A fakeSocket is one descriptor, with a peer that follows a script.
type fakeSocket struct {
	index, generation uint32 // as registered; index 0: not registered
	writeEdges        bool   // registered for writing

	script  []byte // what the peer sends in all
	arrived int    // so much of it has arrived
	read    int    // so much of it was read
	fin     bool   // the peer ends its stream after the script
	finSeen bool   // and that has arrived
	broken  bool   // the peer reset the connection

	peer       netip.Addr // of a connection of ours
	connecting bool
	refuses    unix.Errno // what the connect ends with
	delays     bool       // acknowledgements: not to be left so

	window  int    // bytes that a write may take now
	stuck   bool   // a write took less than it was given: an edge is due when the window opens
	written []byte // what the peer got
	ended   bool   // we ended our stream
	reset   bool   // close resets
	closed  bool

	edge epoll.Events // to be delivered

	isPipe bool // then script is what it holds
	other  *fakeSocket
}

// A fakeWorld implements sockets and timers for one loop. Its random source decides what arrives when.
type fakeWorld struct {
	random  *rand.Rand
	sockets []*fakeSocket // the descriptor is the index
	now     uint32
	timers  map[uint32]uint32
	dialled func(to netip.AddrPort) *fakeSocket
	faults  bool // the kernel runs short of things
	resets  bool // peers break off

	retired   []int32
	borrowing bool // servers are to see the client's address
}

func (f *fakeWorld) open(s *fakeSocket) int32 {
	f.sockets = append(f.sockets, s)
	return int32(len(f.sockets) - 1)
}

func (f *fakeWorld) socket(fd int32) *fakeSocket {
	s := f.sockets[fd]
	if s.closed {
		panic(fmt.Sprintf("descriptor %d is used after its close", fd))
	}
	return s
}

func (f *fakeWorld) read(fd int32, p []byte) (int, unix.Errno) {
	s := f.socket(fd)
	if s.connecting {
		return 0, unix.EAGAIN
	}
	if s.delays {
		panic("acknowledgements of what the server sends would be delayed")
	}
	available := s.arrived - s.read
	if available > 0 && f.random.IntN(4) == 0 { // less has arrived than we thought; the rest follows with an edge
		available = f.random.IntN(min(available, 3))
		s.arrived = s.read + available
		s.finSeen = false
	}
	switch n := min(available, len(p)); {
	case n > 0:
		copy(p, s.script[s.read:s.read+n])
		s.read += n
		return n, 0
	case s.broken:
		return 0, unix.ECONNRESET
	case s.finSeen && s.read == len(s.script):
		return 0, 0
	}
	return 0, unix.EAGAIN
}

func (f *fakeWorld) write(fd int32, p []byte) (int, unix.Errno) {
	s := f.socket(fd)
	switch {
	case s.connecting:
		return 0, unix.EAGAIN
	case s.refuses != 0:
		errno := s.refuses
		return 0, errno
	case s.broken:
		return 0, unix.EPIPE
	case s.ended:
		panic("a write after the end of the stream")
	}
	n := min(len(p), s.window)
	if f.random.IntN(8) == 0 {
		n = f.random.IntN(n + 1)
	}
	s.window -= n
	s.written = append(s.written, p[:n]...)
	if n < len(p) {
		s.stuck = true
		s.window = 0
		if f.resets && f.random.IntN(20) == 0 {
			s.broken = true
			s.edge |= epoll.Readable | epoll.Failed | epoll.HungUp | epoll.ReadClosed
		}
		if n == 0 {
			return 0, unix.EAGAIN
		}
	}
	return n, 0
}

func (f *fakeWorld) pipe(size int) (pipe, unix.Errno) {
	if f.faults && f.random.IntN(4) == 0 {
		return pipe{}, unix.EMFILE
	}
	if f.random.IntN(4) == 0 { // the system grants less
		size = []int{4096, leastPipe, 2 * leastPipe}[f.random.IntN(3)]
	}
	shared := &fakeSocket{isPipe: true, window: size}
	end := &fakeSocket{isPipe: true, other: shared}
	return pipe{read: f.open(shared), write: f.open(end), size: size}, 0
}

func (f *fakeWorld) splice(from, to int32, n int) (int, unix.Errno) {
	source, sink := f.socket(from), f.socket(to)
	buffer := make([]byte, n)
	if sink.isPipe {
		held := sink.other
		if len(held.script) > 0 {
			panic("a pipe is filled that was not empty")
		}
		if source.arrived > source.read && f.random.IntN(10) == 0 {
			return 0, 0 // it could move nothing, and the stream has ended behind: no end yet
		}
		n, errno := f.read(from, buffer[:1+f.random.IntN(n)])
		held.script = append(held.script, buffer[:n]...)
		return n, errno
	}
	if n > len(source.script) {
		panic("more is taken out of a pipe than it holds")
	}
	n, errno := f.write(to, source.script[:n])
	source.script = source.script[n:]
	return n, errno
}

func (f *fakeWorld) connect(from netip.Addr, to netip.AddrPort, speaks bool) (int32, unix.Errno) {
	if from.IsValid() && (from != modelClient.Addr() || !f.borrowing) {
		panic(fmt.Sprintf("an address is borrowed that is not to be: %s", from))
	}
	if f.faults && f.random.IntN(30) == 0 {
		return -1, unix.EMFILE
	}
	if f.random.IntN(20) == 0 {
		return -1, unix.ENETUNREACH
	}
	s := f.dialled(to)
	s.peer, s.delays = to.Addr(), speaks
	if n := len(f.retired); n > 0 && f.random.IntN(2) == 0 {
		fd := f.retired[n-1]
		f.retired = f.retired[:n-1]
		f.sockets[fd] = s
		return fd, 0
	}
	return f.open(s), 0
}

func (f *fakeWorld) acknowledge(fd int32) {
	s := f.socket(fd)
	if len(s.written) == 0 {
		panic("nothing was written that completes the handshake")
	}
	s.delays = false
}

func (f *fakeWorld) failure(fd int32) unix.Errno { return f.socket(fd).refuses }
func (f *fakeWorld) local(int32) netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.9:443") }
func (f *fakeWorld) finish(fd int32)             { f.socket(fd).ended = true }
func (f *fakeWorld) reset(fd int32)              { f.socket(fd).reset = true }
func (f *fakeWorld) noDelay(fd int32)            { f.socket(fd) }
func (f *fakeWorld) keepAlive(fd int32)          { f.socket(fd) }
func (f *fakeWorld) close(fd int32)              { f.socket(fd).closed = true }

func (f *fakeWorld) retire(fd int32, server netip.Addr) {
	s := f.socket(fd)
	if s.peer != server || !s.ended || !s.finSeen || s.read < len(s.script) || s.reset {
		panic("a connection is not over and is to be used again")
	}
	s.closed = true
	f.retired = append(f.retired, fd)
}

func (f *fakeWorld) closeRetired() { f.retired = nil }

func (f *fakeWorld) watch(fd int32, index, generation uint32, writable bool) unix.Errno {
	if f.faults && f.random.IntN(30) == 0 {
		return unix.ENOMEM
	}
	s := f.socket(fd)
	s.index, s.generation, s.writeEdges = index, generation, writable
	s.ready()
	return 0
}

func (f *fakeWorld) rewatch(fd int32, index, generation uint32) unix.Errno {
	return f.watch(fd, index, generation, true)
}

// ready makes an edge of what holds already, as epoll_ctl does.
func (s *fakeSocket) ready() {
	if s.connecting {
		return
	}
	if s.arrived > s.read {
		s.edge |= epoll.Readable
	}
	if s.finSeen {
		s.edge |= epoll.Readable | epoll.ReadClosed
	}
	if s.broken || s.refuses != 0 {
		s.edge |= epoll.Readable | epoll.Failed | epoll.HungUp
	}
	if s.writeEdges && s.window > 0 {
		s.edge |= epoll.Writable
	}
}

func (f *fakeWorld) Now() uint32 { return f.now }
func (f *fakeWorld) Elapsed() time.Duration {
	return time.Duration(f.now) * time.Millisecond
}
func (f *fakeWorld) SetTimer(id uint32, delay time.Duration) {
	f.timers[id] = f.now + uint32(delay/time.Millisecond)
}
func (f *fakeWorld) ClearTimer(id uint32) { delete(f.timers, id) }

// happen lets something happen to a socket, as the network would. It reports whether anything was left to happen.
func (f *fakeWorld) happen(s *fakeSocket) bool {
	switch {
	case s.closed:
		return false
	case s.connecting:
		s.connecting = false
		s.window = f.random.IntN(5000)
		s.edge |= epoll.Writable
		if s.refuses != 0 {
			s.edge |= epoll.Failed | epoll.HungUp
		}
		return true
	case s.arrived < len(s.script) && !s.broken && (s.window > 0 || f.random.IntN(2) == 0):
		s.arrived += 1 + f.random.IntN(min(len(s.script)-s.arrived, 1+f.random.IntN(40_000)))
		s.edge |= epoll.Readable
		return true
	case s.window == 0 && s.stuck:
		s.window = 1 + f.random.IntN(60_000)
		s.stuck = false
		if s.writeEdges {
			s.edge |= epoll.Writable
		}
		return true
	case s.window == 0:
		s.window = 1 + f.random.IntN(60_000)
		return true
	case s.arrived < len(s.script) && !s.broken:
		return f.happen(s)
	case s.fin && !s.finSeen && !s.broken:
		s.finSeen = true
		s.edge |= epoll.Readable | epoll.ReadClosed
		return true
	}
	return false
}

// modelClient is where all clients of the model come from.
var modelClient = netip.MustParseAddrPort("192.0.2.1:1234")

// A modelled connection is a client with its servers.
type modelled struct {
	client  *fakeSocket
	servers []*fakeSocket
	late    bool // it ran out of time
}

// TestModel drives the state machine with sockets that do everything sockets may do, in any order, and holds that bytes
// are conserved and in order, every descriptor is closed once and not used after, and all books are balanced.
func TestModel(t *testing.T) {
	seeds := *modelSeeds
	if raceDetector { // a loop is one goroutine: it has nothing to find
		seeds = max(seeds/10, 1)
	}
	for seed := *modelSeed; seed < *modelSeed+seeds; seed++ {
		if runModel(t, seed); t.Failed() {
			t.Fatalf("seed %d failed: go test ./pkg/proxy -run TestModel -seed %d -seeds 1", seed, seed)
		}
	}
}

func runModel(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 42))
	world := &fakeWorld{random: random, timers: make(map[uint32]uint32), faults: seed%3 == 0, borrowing: seed%8 == 5}
	world.resets = seed%2 == 0
	timeouts := seed%5 == 0
	l := &loop{
		timers:  world,
		sockets: world,
		shared: &shared{sources: newSources(), local: netip.Addr.IsLoopback, logger: slog.New(slog.DiscardHandler),
			linked: func(_, _ netip.Addr) bool { return seed%8 == 1 }},
		names:   make(map[uint32]string),
		past:    make(map[string]*pastTarget),
		scratch: make([]byte, largeBuffer),
	}
	l.configure([]Listener{{Name: "tls", NonTLS: "default", InspectDelay: 5 * time.Second}},
		Setup{Limits: Limits{MaxConnections: 100, PeekMemory: 1 << 20, DrainTimeout: time.Second}}, nil, nil)
	policy := route.Policy{
		Listeners: []route.Listener{{Name: "tls", Default: "app"}},
		Backends: []route.Backend{{Name: "app", Servers: []route.Server{
			{Address: netip.MustParseAddrPort("10.0.0.1:443"), Weight: 1},
			{Address: netip.MustParseAddrPort("10.0.0.2:443"), Weight: 1},
		}, Options: route.BackendOptions{
			ConnectTimeout: 5 * time.Second, IdleTimeout: time.Hour, Balance: route.Balance(seed % 3),
			SendProxy: route.ProxyProtocol(seed / 7 % 3),
			Stick:     route.Stick(seed / 3 % 3), StickSize: 2, StickExpire: time.Hour, ClientSource: seed%4 == 1,
		}}},
	}
	table := route.Build(&policy, nil)
	var pools backend.Set
	plan := planOf(table, false)
	l.adopt(plan, pools.Update(plan.backends, nil))

	var all []*modelled
	for range 1 + random.IntN(4) {
		m := &modelled{client: &fakeSocket{window: random.IntN(2000), fin: true}}
		switch whole := hello.Bytes(hello.Options{Name: "app.example.com", PostQuantum: random.IntN(2) == 0}); random.IntN(5) {
		case 0: // a server that speaks first
		case 1:
			m.client.script = append(m.client.script, "not TLS"...)
		case 2: // larger than a record may be
			whole = hello.Bytes(hello.Options{Name: "app.example.com", Size: 50_000 + random.IntN(15_000)})
			m.client.script = hello.Records(whole, 1<<14, 2<<14, 3<<14)
		default:
			m.client.script = hello.Records(whole, 1+random.IntN(len(whole)-10))
		}
		m.client.script = append(m.client.script, stream(random)...)
		if len(m.client.script) > 0 && (m.client.script[0] == 'P' || m.client.script[0] == '\r') { // no PROXY header by chance
			m.client.script[0] = 'x'
		}
		all = append(all, m)
	}
	answers := make([][]byte, len(all))
	for i, m := range all {
		answers[i] = stream(random)
		world.dialled = func(netip.AddrPort) *fakeSocket {
			// Which client it is for shows when the first bytes come; the model dials for one client at a time.
			panic("dialled outside a connection")
		}
		m.client.arrived = random.IntN(len(m.client.script) + 1)
		fd := world.open(m.client)
		l.dialFor(world, m, answers[i], func() { l.admit(0, fd, modelClient) })
	}

	deliver := func(m *modelled, s *fakeSocket) {
		edge := s.edge
		if s.index == 0 && s.generation == 0 || edge == 0 {
			return
		}
		s.edge = 0
		index, generation := s.index, s.generation
		if s.closed && random.IntN(2) == 0 {
			return // a late event, fetched before the close, or none
		}
		l.dialFor(world, m, answers[indexOf(all, m)], func() { l.Ready(index, generation, edge) })
	}
	for idle := 0; idle < 3; {
		progress := false
		m := all[random.IntN(len(all))]
		sockets := append([]*fakeSocket{m.client}, m.servers...)
		s := sockets[random.IntN(len(sockets))]
		if world.resets && random.IntN(400) == 0 && !s.connecting && !s.closed {
			s.broken = true
			s.edge |= epoll.Readable | epoll.Failed | epoll.HungUp | epoll.ReadClosed
		}
		if timeouts && random.IntN(400) == 0 {
			world.now += 1 + random.Uint32N(10_000)
			l.expire(world, all, answers)
		}
		progress = world.happen(s)
		deliver(m, s)
		l.dialFor(world, nil, nil, func() { l.Turn() })
		if progress || random.IntN(50) > 0 {
			continue
		}
		// Is anything left that can happen?
		idle++
		for _, m := range all {
			for _, s := range append([]*fakeSocket{m.client}, m.servers...) {
				if world.happen(s) || s.edge != 0 && !s.closed && s.index != 0 {
					idle = 0
				}
				deliver(m, s)
			}
		}
		for l.Turn() {
		}
	}

	// Every stream has ended, so every connection must have, without waiting for any timer.
	l.conns.each(func(c *conn) {
		t.Errorf("a connection stalled in state %d: up %+v, down %+v", c.state, c.up, c.down)
	})
	checkModel(t, l, all, answers)
}

// expire runs the timers that are due. What they end need not have passed on all bytes.
func (l *loop) expire(world *fakeWorld, all []*modelled, answers [][]byte) {
	for id, deadline := range world.timers {
		if int32(world.now-deadline) < 0 {
			continue
		}
		delete(world.timers, id)
		if id == loopTimer {
			l.Expired(id)
			continue
		}
		m := l.modelOf(all, world, id)
		m.late = true
		l.dialFor(world, m, answers[indexOf(all, m)], func() { l.Expired(id) })
	}
}

// stream returns what a peer sends: mostly little, at times more than a share.
func stream(random *rand.Rand) []byte {
	return noise(random.IntN(1<<random.IntN(20)), random.Uint64())
}

func indexOf(all []*modelled, m *modelled) int {
	for i := range all {
		if all[i] == m {
			return i
		}
	}
	return 0
}

// modelOf finds the connection whose place has the index.
func (l *loop) modelOf(all []*modelled, world *fakeWorld, index uint32) *modelled {
	c := l.conns.place(index)
	if c == nil || c.state == stateFree {
		return nil
	}
	for _, m := range all {
		if world.sockets[c.client] == m.client {
			return m
		}
	}
	return nil
}

// dialFor runs f, in which every dial is for m.
func (l *loop) dialFor(world *fakeWorld, m *modelled, answer []byte, f func()) {
	world.dialled = func(netip.AddrPort) *fakeSocket {
		s := &fakeSocket{connecting: true, script: answer, fin: true}
		if world.random.IntN(5) == 0 {
			s.refuses = unix.ECONNREFUSED
			s.script = nil
		}
		m.servers = append(m.servers, s)
		return s
	}
	f()
}

func checkModel(t *testing.T, l *loop, all []*modelled, answers [][]byte) {
	noServer := sni.InternalError.Record()
	for i, m := range all {
		if !m.client.closed {
			t.Errorf("client %d is not closed", i)
		}
		var reached *fakeSocket
		for j, s := range m.servers {
			if !s.closed {
				t.Errorf("client %d: server %d is not closed", i, j)
			}
			if s.refuses != 0 && len(s.written) > 0 {
				t.Errorf("client %d: a server that refused got bytes", i)
			}
			if s.refuses == 0 && !s.connecting {
				if reached != nil && (len(reached.written) > 0 || reached.read > 0) {
					t.Errorf("client %d: two servers were spoken to", i)
				}
				reached = s
			}
		}
		if reached == nil {
			continue
		}
		hostile := m.late || m.client.broken || reached.broken || reached.reset // not all bytes need arrive
		if hostile && len(reached.written) == 0 && reached.read == 0 && bytes.HasPrefix(noServer[:], m.client.written) {
			continue // every server broke off before it was told anything; the alert may not fit into a write
		}
		got := reached.written
		if l.targets[0].pool.Backend.Options.SendProxy != route.ProxyNone {
			header, client, ok := readHeader(got)
			if !ok || header == 0 && !hostile || header > 0 && client != modelClient {
				t.Errorf("client %d: the server got a header of %d bytes, for client %s", i, header, client)
			}
			if got = got[header:]; header == 0 {
				got = nil
			}
		}
		if !bytes.HasPrefix(m.client.script, got) {
			t.Errorf("client %d: the server got other bytes than were sent", i)
		}
		if !bytes.HasPrefix(answers[i], m.client.written) {
			t.Errorf("client %d: the client got other bytes than were sent", i)
		}
		if hostile {
			continue
		}
		if len(got) != len(m.client.script) || len(m.client.written) != len(answers[i]) {
			t.Errorf("client %d: the server got %d of %d bytes, the client %d of %d", i,
				len(got), len(m.client.script), len(m.client.written), len(answers[i]))
		}
	}
	if n := l.shared.connections.Load(); n != 0 {
		t.Errorf("%d connections are still counted", n)
	}
	if n := l.shared.peekBytes.Load(); n != 0 {
		t.Errorf("%d bytes of hellos are still counted", n)
	}
	l.closePipes()
	if l.pipes.bytes != 0 {
		t.Errorf("pipes of %d bytes are not given back", l.pipes.bytes)
	}
	for fd, s := range l.sockets.(*fakeWorld).sockets {
		if !s.closed {
			t.Errorf("descriptor %d is not closed", fd)
		}
	}
	if l.oldest != 0 || l.newest != 0 || l.peeking != 0 {
		t.Error("the list of unfinished hellos is not empty")
	}
	if len(l.names) != 0 {
		t.Error("names are still kept")
	}
	for handle, b := range l.buffers.all {
		if b.space != nil {
			t.Errorf("buffer %d was not given back", handle)
		}
	}
	for _, target := range l.targets {
		if target != nil && target.active != 0 {
			t.Errorf("%s still counts %d connections", target.pool.Backend.Name, target.active)
		}
		for s := range target.pool.Len() {
			if n := target.pool.Active(s); n != 0 {
				t.Errorf("server %d still counts %d connections", s, n)
			}
		}
	}
	if l.listeners[0].rejected[rejectFault] > 0 && !l.faulty() {
		t.Error("there was a bug")
	}
}

// faulty says whether the fake kernel was told to run short of things, which is counted as faults as well.
func (l *loop) faulty() bool { return l.sockets.(*fakeWorld).faults }
