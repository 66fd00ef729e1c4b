package haproxy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// clients divides all client addresses into groups, of which every src test of the file takes all or none. Groups are
// made of cells: a network that the file mentions, less those that it mentions inside it.
type clients struct {
	cells  []cell
	groups int
	of     map[*test][]bool // by group: whether the test takes it
}

// A cell is a network less those below it.
type cell struct {
	network netip.Prefix
	group   int
	below   []int // indexes of the largest networks inside
}

// The networks that all others lie in. Addresses of IPv4 clients are compared as such on dual-stack sockets too.
var (
	allIPv4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	allIPv6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// newClients makes the groups for tests of the client's address.
func newClients(tests []*test) *clients {
	c := &clients{of: make(map[*test][]bool)}
	networks := []netip.Prefix{allIPv4, allIPv6}
	for _, t := range tests {
		networks = append(networks, t.networks...)
	}
	slices.SortFunc(networks, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	networks = slices.Compact(networks)

	// A network's parent comes before it, and all between lie in the parent too.
	var path []int
	for i, n := range networks {
		c.cells = append(c.cells, cell{network: n})
		for len(path) > 0 && !networks[path[len(path)-1]].Contains(n.Addr()) {
			path = path[:len(path)-1]
		}
		if len(path) > 0 {
			parent := &c.cells[path[len(path)-1]]
			parent.below = append(parent.below, i)
		}
		path = append(path, i)
	}

	takes := make([][]bool, len(tests)) // by cell
	for i, t := range tests {
		takes[i] = c.takenBy(t)
	}
	groups := make(map[string]int)
	for i := range c.cells {
		var signature strings.Builder
		for j := range tests {
			if takes[j][i] {
				signature.WriteByte('1')
			} else {
				signature.WriteByte('0')
			}
		}
		group, ok := groups[signature.String()]
		if !ok {
			group = len(groups)
			groups[signature.String()] = group
			for j, t := range tests {
				c.of[t] = append(c.of[t], takes[j][i])
			}
		}
		c.cells[i].group = group
	}
	c.groups = len(groups)
	return c
}

// takenBy says of each cell whether the test takes it.
func (c *clients) takenBy(t *test) []bool {
	listed := make(map[netip.Prefix]bool, len(t.networks))
	for _, n := range t.networks {
		listed[n] = true
	}
	taken := make([]bool, len(c.cells))
	for i := range c.cells { // parents first
		if listed[c.cells[i].network] {
			taken[i] = true
		}
		for _, b := range c.cells[i].below {
			taken[b] = taken[i]
		}
	}
	return taken
}

// open is the group that most clients belong to: those of IPv4 that no test mentions.
func (c *clients) open() int { return c.cells[0].group }

// all returns the set of all groups.
func (c *clients) all() groups {
	g := make(groups, c.groups)
	for i := range g {
		g[i] = true
	}
	return g
}

// groups is a set of groups of clients, by their numbers.
type groups []bool

func (g groups) empty() bool { return !slices.Contains(g, true) }

func (g groups) full() bool { return !slices.Contains(g, false) }

// union adds another set.
func (g groups) union(o groups) groups {
	u := slices.Clone(g)
	for i, in := range o {
		u[i] = u[i] || in
	}
	return u
}

// lists returns the networks to allow and to deny so that just the clients of the set pass: denied ones never, and
// where some are allowed only those. The set is not empty.
func (c *clients) lists(g groups) (allow, deny []netip.Prefix) {
	if g.full() {
		return nil, nil
	}
	roots := []int{c.cellOf(allIPv4), c.cellOf(allIPv6)}
	if g[c.cells[roots[0]].group] && g[c.cells[roots[1]].group] {
		if c.split(g, roots, true, nil, &deny) {
			return nil, deny
		}
	} else if c.split(g, roots, false, &allow, &deny) {
		return allow, deny
	}
	return c.only(g), nil
}

// only returns the networks that make up the set, and nothing else.
func (c *clients) only(g groups) []netip.Prefix {
	var list []netip.Prefix
	for _, n := range []netip.Prefix{allIPv4, allIPv6} {
		c.cover(g, n, []int{c.cellOf(n)}, false, &list)
	}
	return list
}

func (c *clients) cellOf(n netip.Prefix) int {
	return slices.IndexFunc(c.cells, func(o cell) bool { return o.network == n })
}

// split writes down the largest networks of the set below cells that are not in it, and within these the largest ones
// that are not. It reports false where that is not enough to tell them apart. inside says that the cells' parent is in.
func (c *clients) split(g groups, cells []int, inside bool, allow, deny *[]netip.Prefix) bool {
	for _, i := range cells {
		in := g[c.cells[i].group]
		switch {
		case in && !inside:
			*allow = append(*allow, c.cells[i].network)
		case !in && inside:
			*deny = append(*deny, c.cells[i].network)
			if c.any(g, c.cells[i].below) {
				return false
			}
			continue
		}
		if !c.split(g, c.cells[i].below, in, allow, deny) {
			return false
		}
	}
	return true
}

// any reports whether one of the cells, or one below, is in the set.
func (c *clients) any(g groups, cells []int) bool {
	return slices.ContainsFunc(cells, func(i int) bool { return g[c.cells[i].group] || c.any(g, c.cells[i].below) })
}

// cover adds the networks that make up exactly the set's part of network: inside says whether what is in none of the
// cells is in the set.
func (c *clients) cover(g groups, network netip.Prefix, cells []int, inside bool, list *[]netip.Prefix) {
	if len(cells) == 1 && c.cells[cells[0]].network == network {
		inside = g[c.cells[cells[0]].group]
		cells = c.cells[cells[0]].below
	}
	if len(cells) == 0 {
		if inside {
			*list = append(*list, network)
		}
		return
	}
	low, high := halves(network)
	var left, right []int
	for _, i := range cells {
		if low.Contains(c.cells[i].network.Addr()) {
			left = append(left, i)
		} else {
			right = append(right, i)
		}
	}
	c.cover(g, low, left, inside, list)
	c.cover(g, high, right, inside, list)
}

// halves returns the two networks that one consists of. It has more than one address.
func halves(n netip.Prefix) (low, high netip.Prefix) {
	bits := n.Bits()
	b := n.Addr().AsSlice()
	b[bits/8] |= 0x80 >> (bits % 8)
	upper, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(n.Addr(), bits+1), netip.PrefixFrom(upper, bits+1)
}
