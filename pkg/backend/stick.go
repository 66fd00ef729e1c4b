package backend

import (
	"hash/maphash"
	"sync"
	"time"
)

// A Key is what a client is remembered by, hashed with a secret seed: 64 bits are enough to tell clients apart, and
// what two of them that share a key would share is a server. 0 is no key.
type Key uint64

// keyOf returns the key of an address or a session id; 0 of nothing.
func keyOf(seed maphash.Seed, b []byte) Key {
	if len(b) == 0 {
		return 0
	}
	return Key(max(maphash.Bytes(seed, b), 1))
}

// serverTag is how a table names a server: not by its index, so that what it knows outlives a change of the servers.
func serverTag(hash uint64) uint32 { return uint32(hash >> 32) }

// A stickTable remembers which server each client went to. It holds a bounded number of clients: a new one takes the
// place of the one that was away for longest. All loops share it. One lock is enough: it is held for well under a
// microsecond, twice for each connection. A client costs some 32 bytes, a third of what it would in a map.
type stickTable struct {
	since time.Time // what entries count their seconds from

	mu             sync.Mutex // guards what follows
	size           int
	expire         time.Duration
	entries        stickEntries
	count          uint32   // entries 1 to count are in use
	chains         []uint32 // by the lowest bits of a key: the first entry with them; 0: none. A power of two long
	oldest, newest uint32
}

// stickEntries grow without being copied.
type stickEntries []*[stickChunk]stickEntry

const stickChunk = 256

type stickEntry struct {
	key    Key
	links  uint64 // to other entries, see link
	server uint32 // its tag
	seen   uint32 // in seconds
}

// A link names one of the entries that an entry leads to, by how far its bits are shifted; 0 there is none.
type link uint

const (
	linkBits = 20
	// maxStick is the greatest number of clients that a table can hold, since links are not longer.
	maxStick = 1<<linkBits - 1

	older link = 0 * linkBits // neighbours in the order of seen
	newer link = 1 * linkBits
	next  link = 2 * linkBits // in its chain
)

func (e *stickEntry) to(l link) uint32 { return uint32(e.links>>l) & maxStick }

func (e *stickEntry) lead(l link, i uint32) { e.links = e.links&^(maxStick<<l) | uint64(i)<<l }

func (e stickEntries) at(i uint32) *stickEntry { return &e[i/stickChunk][i%stickChunk] }

func newStickTable(size int, expire time.Duration) *stickTable {
	t := &stickTable{since: time.Now(), size: min(max(size, 1), maxStick), expire: expire}
	t.clear()
	return t
}

func (t *stickTable) clear() {
	t.entries, t.count, t.chains = stickEntries{new([stickChunk]stickEntry)}, 0, make([]uint32, stickChunk)
	t.oldest, t.newest = 0, 0
}

// resize takes over changed options and keeps as many entries as there is room for, the newest ones.
func (t *stickTable) resize(size int, expire time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.size, t.expire = min(max(size, 1), maxStick), expire
	if int(t.count) <= t.size {
		return
	}
	kept, first := t.entries, t.newest
	for range t.size - 1 {
		first = kept.at(first).to(older)
	}
	t.clear()
	for i := first; i != 0; i = kept.at(i).to(newer) {
		t.put(kept.at(i).key, kept.at(i).server, kept.at(i).seen)
	}
}

// len returns the number of entries, those that have expired and not made room yet among them, and its bound.
func (t *stickTable) len() (entries, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.count), t.size
}

// find returns the tag of the server that the client with the key went to last.
func (t *stickTable) find(key Key) (server uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.lookup(key)
	if i == 0 || t.expired(i, t.now()) {
		return 0, false
	}
	return t.entries.at(i).server, true
}

// remember makes the entry of the key the newest.
func (t *stickTable) remember(key Key, server uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(key, server, t.now())
}

func (t *stickTable) now() uint32 { return uint32(time.Since(t.since) / time.Second) }

func (t *stickTable) expired(i, now uint32) bool {
	return time.Duration(now-t.entries.at(i).seen)*time.Second >= t.expire
}

// put makes the key's entry the newest, in the place of the oldest one where the key is new and the table full, or that
// one has expired.
func (t *stickTable) put(key Key, server, seen uint32) {
	i := t.lookup(key)
	switch {
	case i != 0:
		t.unlink(i)
	case int(t.count) >= t.size || t.oldest != 0 && t.expired(t.oldest, seen):
		i = t.oldest
		t.unlink(i)
		t.unchain(i)
		t.chain(i, key)
	default:
		i = t.grow()
		t.chain(i, key)
	}
	e := t.entries.at(i)
	e.server, e.seen = server, seen
	e.lead(older, t.newest)
	e.lead(newer, 0)
	if t.newest != 0 {
		t.entries.at(t.newest).lead(newer, i)
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *stickTable) unlink(i uint32) {
	before, after := t.entries.at(i).to(older), t.entries.at(i).to(newer)
	if before != 0 {
		t.entries.at(before).lead(newer, after)
	} else {
		t.oldest = after
	}
	if after != 0 {
		t.entries.at(after).lead(older, before)
	} else {
		t.newest = before
	}
}

// grow makes room for an entry, in a chain too: they have one entry each on average.
func (t *stickTable) grow() (i uint32) {
	if int(t.count) == len(t.chains) {
		t.chains = make([]uint32, 2*len(t.chains))
		for i := uint32(1); i <= t.count; i++ {
			t.chain(i, t.entries.at(i).key)
		}
	}
	t.count++
	if int(t.count/stickChunk) == len(t.entries) {
		t.entries = append(t.entries, new([stickChunk]stickEntry))
	}
	return t.count
}

// chainOf returns where the chain of a key begins.
func (t *stickTable) chainOf(key Key) *uint32 { return &t.chains[key&Key(len(t.chains)-1)] }

// lookup returns the entry of a key; 0 if there is none.
func (t *stickTable) lookup(key Key) uint32 {
	i := *t.chainOf(key)
	for i != 0 && t.entries.at(i).key != key {
		i = t.entries.at(i).to(next)
	}
	return i
}

func (t *stickTable) chain(i uint32, key Key) {
	first := t.chainOf(key)
	t.entries.at(i).key = key
	t.entries.at(i).lead(next, *first)
	*first = i
}

func (t *stickTable) unchain(i uint32) {
	first, after := t.chainOf(t.entries.at(i).key), t.entries.at(i).to(next)
	if *first == i {
		*first = after
		return
	}
	before := t.entries.at(*first)
	for before.to(next) != i {
		before = t.entries.at(before.to(next))
	}
	before.lead(next, after)
}
