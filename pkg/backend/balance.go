package backend

import (
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
)

// Pick returns the index of the server for a client, among those that are up and not yet tried. It reports false where
// none is left.
func (p *Pool) Pick(client netip.Addr, key Key, tried Tried) (server int, ok bool) {
	if key != 0 && tried == 0 {
		if server, ok = p.remembered(key); ok {
			return server, true
		}
	}
	switch p.Backend.Options.Balance {
	case route.LeastConn:
		server, ok = p.leastLoaded(tried)
	case route.SourceHash:
		server, ok = p.nearest(client, tried)
	default:
		server, ok = p.nextInTurn(tried)
	}
	if ok {
		return server, true
	}
	for i := range p.servers {
		if p.usable(i, tried, true) {
			return i, true
		}
	}
	return 0, false
}

func (p *Pool) usable(server int, tried Tried, backup bool) bool {
	return p.Backend.Servers[server].Backup == backup && !tried.Has(server) && p.Up(server)
}

// weight returns that of a server, which is at least one.
func (p *Pool) weight(server int) uint64 { return uint64(max(p.Backend.Servers[server].Weight, 1)) }

// remembered returns the server that the client with the key went to, if it is up. That may be a backup server: a
// session that began there is not torn away when others come back.
func (p *Pool) remembered(key Key) (server int, ok bool) {
	if p.sticks == nil {
		return 0, false
	}
	tag, ok := p.sticks.find(key)
	if !ok {
		return 0, false
	}
	for i, hash := range p.hashes {
		if serverTag(hash) == tag && p.Up(i) {
			return i, true
		}
	}
	return 0, false
}

// takeTurn returns the server whose turn it is, usable or not. There is one that is no backup server.
func (p *Pool) takeTurn() int { return int(p.order[(p.turn.Add(1)-1)%uint32(len(p.order))]) }

// nextInTurn is the round robin. The turn of a server that cannot take it goes to the next by index.
func (p *Pool) nextInTurn(tried Tried) (server int, ok bool) {
	if len(p.order) == 0 {
		return 0, false
	}
	turn := p.takeTurn()
	for i := range p.servers {
		if next := (turn + i) % len(p.servers); p.usable(next, tried, false) {
			return next, true
		}
	}
	return 0, false
}

// leastLoaded chooses the server with the fewest connections for its weight; among equals whose turn it is.
func (p *Pool) leastLoaded(tried Tried) (server int, ok bool) {
	if len(p.order) == 0 {
		return 0, false
	}
	turn := p.takeTurn()
	var least uint64 // connections of the best so far
	for i := range p.servers {
		next := (turn + i) % len(p.servers)
		if !p.usable(next, tried, false) {
			continue
		}
		active := uint64(max(p.servers[next].active.Load(), 0))
		if !ok || active*p.weight(server) < least*p.weight(next) {
			server, least, ok = next, active, true
		}
	}
	return server, ok
}

// spread returns the order in which servers take turns, by the smooth weighted round robin that nginx uses: at each
// turn everyone gains its weight, and who has the most is chosen and pays the total. Equal weights collapse to one turn
// each.
func spread(servers []route.Server) []uint8 {
	divisor, total := 0, 0
	for _, s := range servers {
		if !s.Backup {
			divisor = gcd(max(int(s.Weight), 1), divisor)
			total += max(int(s.Weight), 1)
		}
	}
	if total == 0 {
		return nil
	}
	credit := make([]int, len(servers))
	order := make([]uint8, total/divisor)
	for i := range order {
		best := -1
		for j, s := range servers {
			if s.Backup {
				continue
			}
			credit[j] += max(int(s.Weight), 1) / divisor
			if best < 0 || credit[j] > credit[best] {
				best = j
			}
		}
		credit[best] -= len(order)
		order[i] = uint8(best)
	}
	return order
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
