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
// microsecond, twice for each connection.
type stickTable struct {
	since time.Time // what entries count their seconds from

	mu             sync.Mutex // guards what follows
	size           int
	expire         time.Duration
	places         map[Key]uint32
	entries        []stickEntry // entry 0 is not used
	oldest, newest uint32
}

type stickEntry struct {
	key          Key
	server       uint32 // its tag
	seen         uint32 // in seconds
	older, newer uint32 // neighbours in the order of seen; 0: none
}

func newStickTable(size int, expire time.Duration) *stickTable {
	return &stickTable{
		since: time.Now(), size: max(size, 1), expire: expire, places: make(map[Key]uint32), entries: make([]stickEntry, 1),
	}
}

// resize takes over changed options and keeps as many entries as there is room for, the newest ones.
func (t *stickTable) resize(size int, expire time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.size, t.expire = max(size, 1), expire
	if len(t.places) <= t.size {
		return
	}
	first := t.newest
	for range t.size - 1 {
		first = t.entries[first].older
	}
	kept := t.entries
	t.places, t.entries = make(map[Key]uint32, t.size), make([]stickEntry, 1, 1+t.size)
	t.oldest, t.newest = 0, 0
	for i := first; i != 0; i = kept[i].newer {
		t.add(kept[i])
	}
}

// len returns the number of entries, those that have expired and not made room yet among them, and its bound.
func (t *stickTable) len() (entries, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.places), t.size
}

// find returns the tag of the server that the client with the key went to last.
func (t *stickTable) find(key Key) (server uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, ok := t.places[key]
	if !ok || t.expired(i) {
		return 0, false
	}
	return t.entries[i].server, true
}

// remember makes the entry of the key the newest.
func (t *stickTable) remember(key Key, server uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := stickEntry{key: key, server: server, seen: t.now()}
	i, ok := t.places[key]
	switch {
	case ok:
		t.unlink(i)
	case len(t.places) >= t.size || t.oldest != 0 && t.expired(t.oldest):
		i = t.oldest
		t.unlink(i)
		delete(t.places, t.entries[i].key)
	default:
		t.add(e)
		return
	}
	t.put(i, e)
}

func (t *stickTable) now() uint32 { return uint32(time.Since(t.since) / time.Second) }

func (t *stickTable) expired(i uint32) bool {
	return time.Duration(t.now()-t.entries[i].seen)*time.Second >= t.expire
}

// add appends an entry as the newest.
func (t *stickTable) add(e stickEntry) {
	t.entries = append(t.entries, stickEntry{})
	t.put(uint32(len(t.entries)-1), e)
}

// put makes e the newest entry, at a place that is not linked.
func (t *stickTable) put(i uint32, e stickEntry) {
	e.older, e.newer = t.newest, 0
	t.entries[i] = e
	t.places[e.key] = i
	if t.newest != 0 {
		t.entries[t.newest].newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *stickTable) unlink(i uint32) {
	e := &t.entries[i]
	if e.older != 0 {
		t.entries[e.older].newer = e.newer
	} else {
		t.oldest = e.newer
	}
	if e.newer != 0 {
		t.entries[e.newer].older = e.older
	} else {
		t.newest = e.older
	}
}
