package proxy

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"
)

const (
	// recentKept is how many connections Recent returns at most; each loop keeps some more.
	recentKept = 200
	recentRing = 256
	// allRecent is further back than any record.
	allRecent = 1 << 30
	// nameKept is how many bytes of a name are kept.
	nameKept = 64
	// backendKept is how many bytes of a backend's name Recent returns: that of a claim's lists its addresses.
	backendKept = 128
	cutMark     = "..."
)

// A Connection is one that has ended, or several in a row that were refused alike.
type Connection struct {
	Ended    time.Time
	Times    int            // how many it stands for; the rest is that of the last one
	Client   netip.AddrPort // the one that a PROXY protocol header names, where one is accepted
	Listener string
	Host     string         // SNI or Host; what is longer than 64 bytes ends in "..."
	Backend  string         // empty: it was refused before it had one
	Server   netip.AddrPort // not valid: none was tried
	ToServer uint64         // bytes
	ToClient uint64         // bytes
	Hello    time.Duration  // from accept until it was clear where it goes; resolution of these: milliseconds
	Connect  time.Duration  // from then until a server took it
	Total    time.Duration  // from accept to the end
	Result   string         // "ok", "timeout" (idle), "reset", "drained", "redirected" or "refused"
	Reason   string         // why it was refused, as in ListenerStats.Rejected
	By       string         // who ended it: "client", "server" or "sniroute"
	Error    string         // of the last connect, where no server was left

	kind string
}

// A party is who ended a connection.
type party uint8

const (
	byRouter party = iota
	byClient
	byServer
)

var partyNames = [...]string{byRouter: "sniroute", byClient: "client", byServer: "server"}

// An ending is how a connection ended.
type ending struct {
	how     result
	why     reason // accepted: it was not refused
	by      party
	failure error  // of the last connect, where no server was left
	name    []byte // that was asked for, of a connection that has no target
}

// A keptName is the beginning of a name.
type keptName struct {
	bytes  [nameKept]byte
	length uint8 // of the name, as far as it counts
	cut    bool
}

func keepName[S []byte | string](name S) (k keptName) {
	k.length, k.cut = uint8(copy(k.bytes[:], name)), len(name) > nameKept
	return k
}

func (k *keptName) String() string {
	if k.cut {
		return string(k.bytes[:nameKept-len(cutMark)]) + cutMark
	}
	return string(k.bytes[:k.length])
}

func (k *keptName) equal(other *keptName) bool {
	return k.cut == other.cut && bytes.Equal(k.bytes[:k.length], other.bytes[:other.length])
}

// A record is the end of a connection.
type record struct {
	first, last    uint32        // its number, counted from 1 for each loop; of several, the first one's and the last one's
	ended          time.Duration // on the loop's clock
	hello, connect uint32        // milliseconds that they took
	total          uint32        // the same; one that lasts for 49 days starts again from zero
	name           keptName
	client         netip.AddrPort
	listener       uint16
	backend        string // as long as a table's, but no longer than its table lives plus the next connections
	server         netip.AddrPort
	toServer, back uint64
	how            result
	why            reason // accepted: it was not refused
	by             party
	failure        error
}

// recent are the records of the last connections of a loop.
type recent struct {
	ring   [recentRing]record
	next   uint32 // place of the next record; the one before is the last
	number uint32 // of the last connection

	following bool         // the access log wants them
	told      uint32       // number of the last one that it was told of
	results   [results]int // since then
	reasons   [reasons]int // since then
}

// add returns the record of one more connection, to be filled in.
func (r *recent) add() *record {
	r.number++
	at := &r.ring[r.next%recentRing]
	r.next++
	at.first, at.last = r.number, r.number
	return at
}

// repeat has the last record stand for one more connection, if that was refused as the last one was.
func (r *recent) repeat(why reason, listener uint16, client netip.AddrPort, name *keptName) *record {
	at := &r.ring[(r.next-1)%recentRing]
	if at.last == 0 || at.why != why || at.listener != listener || at.client.Addr() != client.Addr() ||
		!at.name.equal(name) {
		return nil
	}
	r.number++
	at.last = r.number
	return at
}

// note records how a connection ended that has a place in the slab. It must be called before the place is given up, and
// before the connection is taken off its server.
func (c *conn) note(l *loop, e ending) {
	name := keepName(e.name)
	if c.target >= 0 {
		name = keepName(l.asked(c))
	}
	at := l.noted(e, c.listener, netip.AddrPortFrom(c.clientAddress(), c.port), name)
	at.hello, at.connect, at.total = c.helloTook, 0, l.timers.Now()-c.accepted
	if c.state == stateRelaying {
		at.connect = c.began - c.accepted - c.helloTook
	}
	at.toServer, at.back = c.up.bytes, c.down.bytes
	if c.target >= 0 {
		b := &l.targets[c.target].pool.Backend
		at.backend = b.Name
		if c.tried != 0 && int(c.chosen) < len(b.Servers) {
			at.server = b.Servers[c.chosen].Address
		}
	}
}

// turnedAway records a connection that was closed as soon as it was accepted.
func (l *loop) turnedAway(why reason, listener uint16, client netip.AddrPort) {
	l.noted(ending{why: why}, listener, client, keptName{})
}

// noted returns the record of one more connection, with all that it is told; the rest is zero.
func (l *loop) noted(e ending, listener uint16, client netip.AddrPort, name keptName) *record {
	r := &l.recent
	var at *record
	if e.why != accepted {
		r.reasons[e.why]++
		at = r.repeat(e.why, listener, client, &name)
	} else {
		r.results[e.how]++
	}
	if at == nil {
		at = r.add()
	}
	*at = record{
		first: at.first, last: at.last, ended: l.timers.Elapsed(), name: name, client: client, listener: listener,
		how: e.how, why: e.why, by: e.by, failure: e.failure,
	}
	if r.following {
		select {
		case l.shared.ended <- struct{}{}:
		default: // not yet looked at
		}
	}
	return at
}

// since appends the records of connections later than the one with that number, the latest first.
func (l *loop) since(number uint32, list []Connection) []Connection {
	r := &l.recent
	wall, now := time.Now(), l.timers.Elapsed()
	for i := range uint32(recentRing) {
		at := &r.ring[(r.next-1-i)%recentRing]
		if at.last == 0 || int32(at.last-number) <= 0 {
			break
		}
		c := Connection{
			Ended: wall.Add(at.ended - now), Times: int(at.last - at.first + 1), Client: at.client,
			Listener: l.listeners[at.listener].Name, Host: at.name.String(), Backend: shortened(at.backend),
			Server: at.server, ToServer: at.toServer, ToClient: at.back,
			Hello: milliseconds(at.hello), Connect: milliseconds(at.connect), Total: milliseconds(at.total),
			Result: resultNames[at.how], By: partyNames[at.by],
		}
		if int32(at.first-number) <= 0 {
			c.Times = int(at.last - number)
		}
		c.kind = kindOf(at.how, at.why)
		switch at.why {
		case accepted:
		case redirected:
			c.Result = reasonNames[redirected]
		default:
			c.Result, c.Reason = "refused", reasonNames[at.why]
		}
		if at.failure != nil {
			c.Error = at.failure.Error()
		}
		list = append(list, c)
	}
	return list
}

func milliseconds(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }

func shortened(s string) string {
	if len(s) > backendKept {
		return s[:backendKept-len(cutMark)] + cutMark
	}
	return s
}

// Recent returns the connections that ended last, the latest first, at most 200. It waits for every loop.
func (p *Proxy) Recent() []Connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Connection
	p.onLoops(func(_ int, l *loop) { list = l.since(l.recent.number-allRecent, list) })
	latestFirst(list)
	return list[:min(len(list), recentKept)]
}

func latestFirst(list []Connection) {
	slices.SortStableFunc(list, func(a, b Connection) int { return cmp.Compare(b.Ended.UnixNano(), a.Ended.UnixNano()) })
}
