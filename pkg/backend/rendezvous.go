package backend

import (
	"math/bits"
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
)

// Rendezvous hashing (Thaler and Ravishankar 1998): every pair of a client and a server has a number, and a client goes
// to the server whose number with it is the best. When a server goes, only its own clients move; when one comes, only
// those that move to it. With weights (Schindelhauer and Schomaker 2005) the number is -log(hash)/weight, and the least
// is the best.
//
// Nothing here is seeded and all of it is integers, so that two daemons choose alike, whatever machines they run on.
// That these numbers can be foretold harms nobody: a client that could choose its address chooses no more than its
// server.

// nearest returns the best server for a client.
func (p *Pool) nearest(client netip.Addr, tried Tried) (server int, ok bool) {
	from := clientHash(client)
	var best uint64 // hash of the best so far
	for i := range p.servers {
		if !p.usable(i, tried, false) {
			continue
		}
		hash := mix(from ^ p.hashes[i])
		if !ok || nearer(hash, p.weight(i), best, p.weight(server)) {
			server, best, ok = i, hash, true
		}
	}
	return server, ok
}

func nearer(a, weightOfA, b, weightOfB uint64) bool {
	if weightOfA == weightOfB { // the common case needs no logarithm
		return a > b
	}
	return minusLog2(a)*weightOfB < minusLog2(b)*weightOfA
}

// minusLog2 returns -log2(h / 2^64) in units of 2^-32; for 0 what is beyond all others.
func minusLog2(h uint64) uint64 {
	if h == 0 {
		return 65 << 32
	}
	zeros := bits.LeadingZeros64(h)
	// x / 2^63 is in [1, 2). Its square is in [1, 4): the next bit of its logarithm says whether that is 2 or more.
	x := h << zeros
	var fraction uint64
	for range 32 {
		high, low := bits.Mul64(x, x)
		if fraction <<= 1; high >= 1<<63 {
			fraction |= 1
			x = high
		} else {
			x = high<<1 | low>>63
		}
	}
	return uint64(zeros+1)<<32 - fraction
}

func serverHashes(servers []route.Server) []uint64 {
	hashes := make([]uint64, len(servers))
	for i, s := range servers {
		hashes[i] = mix(clientHash(s.Address.Addr()) + uint64(s.Address.Port()))
	}
	return hashes
}

// clientHash takes IPv4 addresses for the same whether mapped into IPv6 or not.
func clientHash(client netip.Addr) uint64 {
	b := client.As16()
	var high, low uint64
	for i := range 8 {
		high, low = high<<8|uint64(b[i]), low<<8|uint64(b[8+i])
	}
	return mix(mix(high) ^ low)
}

// mix is the output function of SplitMix64 (Steele, Lea and Flood 2014): one to one, and every bit of its argument
// decides about every bit of its value.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
