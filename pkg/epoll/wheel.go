package epoll

// The wheel of timers: one coarse timer for each id, kept in circular lists, one for each slot of time. Setting and
// clearing a timer costs a few stores and no allocation; a timer further away than one turn of the wheel stays in its
// slot until its turn comes.
const (
	tickShift = 6 // a tick is 64 ms
	slots     = 1024
	due       = slots     // the list of timers that have run out and were not called yet
	firstID   = slots + 1 // node of id 0
)

// none marks a node that is in no list.
const none = 1<<32 - 1

// chunk is how many nodes are made at a time. They never move: a slice that grows would leave its old places behind.
const chunk = 1024

type node struct {
	next, prev uint32
	deadline   uint32 // milliseconds on the Loop's clock
}

type wheel struct {
	chunks   []*[chunk]node // slots and due first, as the heads of their lists, then one for each id
	tick     uint32         // the last tick that was advanced to
	armed    int            // timers that are set
	earliest uint32         // no timer runs out before it, while armed > 0
}

func (w *wheel) init() {
	for i := range uint32(firstID) {
		w.grow(i)
		w.node(i).next, w.node(i).prev = i, i
	}
}

func (w *wheel) node(i uint32) *node { return &w.chunks[i/chunk][i%chunk] }

// grow makes the nodes up to i, if they are not there yet.
func (w *wheel) grow(i uint32) {
	for uint32(len(w.chunks)) <= i/chunk {
		made := new([chunk]node)
		for n := range made {
			made[n].next = none
		}
		w.chunks = append(w.chunks, made)
	}
}

func (w *wheel) set(id, deadline, now uint32) {
	i := firstID + id
	w.grow(i)
	if w.node(i).next != none {
		w.unlink(i)
	}
	if w.armed == 0 { // nothing may have happened for so long that the wheel's place says nothing any more
		w.tick = now >> tickShift
	}
	if int32(deadline-now) < 1 {
		deadline = now + 1
	}
	w.node(i).deadline = deadline
	if w.armed == 0 || int32(deadline-w.earliest) < 0 {
		w.earliest = deadline
	}
	w.armed++
	w.link(w.slot(deadline), i)
}

// slot returns the list of a deadline: the first tick that begins at or after it, so that the timer is never early,
// and always one that is still ahead of the wheel.
func (w *wheel) slot(deadline uint32) uint32 {
	tick := (deadline + 1<<tickShift - 1) >> tickShift
	if ahead := (tick - w.tick) & (1<<(32-tickShift) - 1); ahead == 0 || ahead >= 1<<(31-tickShift) {
		tick = w.tick + 1
	}
	return tick % slots
}

func (w *wheel) clear(id uint32) {
	i := firstID + id
	if i/chunk < uint32(len(w.chunks)) && w.node(i).next != none {
		w.unlink(i)
	}
}

func (w *wheel) link(head, i uint32) {
	last := w.node(head).prev
	w.node(i).next, w.node(i).prev = head, last
	w.node(last).next, w.node(head).prev = i, i
}

func (w *wheel) unlink(i uint32) {
	n := w.node(i)
	w.node(n.prev).next, w.node(n.next).prev = n.next, n.prev
	n.next = none
	w.armed--
}

// advance calls expired for every timer that ran out by now. A callback may set and clear any timer.
func (w *wheel) advance(now uint32, expired func(id uint32)) {
	target := now >> tickShift
	if target == w.tick {
		return
	}
	passed := (target - w.tick) & (1<<(32-tickShift) - 1)
	first := w.tick
	w.tick = target
	if w.armed == 0 || int32(now-w.earliest) < 0 {
		return
	}
	for step := uint32(1); step <= min(passed, slots); step++ {
		head := (first + step) % slots
		for i := w.node(head).next; i != head; {
			next := w.node(i).next
			if int32(w.node(i).deadline-now) <= 0 {
				w.unlink(i)
				w.link(due, i)
				w.armed++
			}
			i = next
		}
	}
	for i := w.node(due).next; i != due; i = w.node(due).next {
		w.unlink(i)
		expired(i - firstID)
	}
	w.findEarliest(now)
}

// findEarliest looks for the first slot ahead that holds a timer. Its deadline may lie turns of the wheel ahead; being
// woken too early once a turn does no harm.
func (w *wheel) findEarliest(now uint32) {
	if w.armed == 0 {
		return
	}
	for step := uint32(1); step <= slots; step++ {
		head := (w.tick + step) % slots
		if w.node(head).next != head {
			w.earliest = (w.tick + step) << tickShift
			return
		}
	}
	w.earliest = now
}

// timeout returns how many milliseconds epoll_wait may block at now; -1: for ever.
func (w *wheel) timeout(now uint32) int {
	if w.armed == 0 {
		return -1
	}
	// A slot is looked at when its tick begins, so wait for that.
	at := (w.earliest + 1<<tickShift - 1) >> tickShift << tickShift
	return int(max(int32(at-now), 1))
}
