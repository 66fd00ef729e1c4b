package proxy

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
)

// sources counts the connections of each source, an IPv4 address or an IPv6 /64, and of each IPv6 /48, and bounds how
// many there are at once and how fast new ones come. It has fixed slots: a stranger can neither make it grow nor, since
// the hash is seeded, aim at another's slot. When every slot of a set is busy, sources share one and so its limits.
// It may be used by all loops at once.
type sources struct {
	seed  maphash.Seed
	slots [sourceSets][sourceWays]source
}

const (
	sourceSets = 1024 // a power of two
	sourceWays = 8
)

type source struct {
	tag    atomic.Uint32 // which source; 0: vacant
	active atomic.Int32
	next   atomic.Uint32 // when the next connection would conform to the rate, in ticks of 1/16 ms, wrapping
}

// A sourceRef remembers the slots of a connection, so that leave finds them: one more than their number, 0 for none.
type sourceRef struct{ host, site uint16 }

// sourceLimits bounds one source; 0 is no limit. An IPv6 /48 gets four times that.
type sourceLimits struct {
	connections int
	rate        int // connections a second, in bursts of ten times that
}

const (
	ticksPerMillisecond = 16
	burst               = 10 // seconds of the rate
)

func newSources() *sources { return &sources{seed: maphash.MakeSeed()} }

// enter counts a connection of the address at the time now, in milliseconds, or says by which limit it is refused.
func (s *sources) enter(addr netip.Addr, now uint32, limits sourceLimits) (ref sourceRef, refused reason) {
	if limits == (sourceLimits{}) {
		return sourceRef{}, accepted
	}
	bits := addr.As16()
	key, length := bits[:], 16 // IPv4 lies in ::ffff:0:0/96
	if !addr.Is4() {
		length = 8
	}
	if ref.host, refused = s.enterPrefix(key, length, now, limits); refused != accepted {
		return sourceRef{}, refused
	}
	if addr.Is4() {
		return ref, accepted
	}
	site := sourceLimits{connections: 4 * limits.connections, rate: 4 * limits.rate}
	if ref.site, refused = s.enterPrefix(key, 6, now, site); refused != accepted {
		s.leave(sourceRef{host: ref.host})
		return sourceRef{}, refused
	}
	return ref, accepted
}

func (s *sources) enterPrefix(key []byte, length int, now uint32, limits sourceLimits) (uint16, reason) {
	var prefix [17]byte
	copy(prefix[:], key[:length])
	prefix[16] = byte(length)
	hash := maphash.Bytes(s.seed, prefix[:])
	set := int(hash % sourceSets)
	tag := uint32(hash>>32) | 1
	ticks := now * ticksPerMillisecond
	way := s.claim(set, tag, ticks)
	slot := &s.slots[set][way]
	if active := slot.active.Load(); limits.connections > 0 && int(active) > limits.connections {
		slot.active.Add(-1)
		return 0, rejectSource
	}
	if limits.rate > 0 && !slot.conforms(ticks, limits.rate) {
		slot.active.Add(-1)
		return 0, rejectRate
	}
	return uint16(set*sourceWays+way) + 1, accepted
}

// claim finds or takes the slot of a tag and adds a connection to it.
func (s *sources) claim(set int, tag, ticks uint32) (way int) {
	slots := &s.slots[set]
	for range 2 * sourceWays { // other loops may take a slot between a look and a step
		for i := range slots {
			if slots[i].tag.Load() != tag {
				continue
			}
			slots[i].active.Add(1)
			if slots[i].tag.Load() == tag {
				return i
			}
			slots[i].active.Add(-1)
		}
		for i := range slots {
			old := slots[i].tag.Load()
			if old != 0 && (slots[i].active.Load() > 0 || slots[i].limited(ticks)) {
				continue
			}
			if slots[i].tag.CompareAndSwap(old, tag) {
				slots[i].next.Store(ticks)
				slots[i].active.Add(1)
				return i
			}
		}
		break
	}
	// All are busy: share the one with the fewest connections.
	for i := range slots {
		if slots[i].active.Load() < slots[way].active.Load() {
			way = i
		}
	}
	slots[way].active.Add(1)
	return way
}

// debt is how far the source is ahead of its rate, in ticks. A time that lies further away than any debt can is one
// from before the clock wrapped.
func (s *source) debt(ticks uint32) uint32 {
	debt := s.next.Load() - ticks
	if debt > 2*burst*1000*ticksPerMillisecond {
		return 0
	}
	return debt
}

func (s *source) limited(ticks uint32) bool { return s.debt(ticks) > 0 }

// conforms counts a connection and says whether the rate allows it: the generic cell rate algorithm (ITU-T I.371).
func (s *source) conforms(ticks uint32, rate int) bool {
	interval := max(1000*ticksPerMillisecond/uint32(rate), 1)
	for {
		old := s.next.Load()
		debt := s.debt(ticks)
		if debt > burst*1000*ticksPerMillisecond-interval {
			return false
		}
		if s.next.CompareAndSwap(old, ticks+debt+interval) {
			return true
		}
	}
}

// leave ends what enter counted.
func (s *sources) leave(ref sourceRef) {
	for _, number := range [...]uint16{ref.host, ref.site} {
		if number > 0 {
			s.slots[(number-1)/sourceWays][(number-1)%sourceWays].active.Add(-1)
		}
	}
}
