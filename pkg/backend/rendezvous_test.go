package backend

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/sniroute/sniroute/pkg/route"
)

func sourcePool(list []route.Server) *Pool {
	return New(route.Backend{Servers: list, Options: route.BackendOptions{Balance: route.SourceHash}})
}

// choice returns the address of the server that a client goes to.
func choice(t *testing.T, p *Pool, client netip.Addr) netip.AddrPort {
	t.Helper()
	server, ok := p.Pick(client, 0, 0)
	if !ok {
		t.Fatal("nobody picked")
	}
	return p.Backend.Servers[server].Address
}

// clients of the kinds that there are: a house's, neighbours of one network, the whole world.
func someClients(n int) map[string][]netip.Addr {
	random := rand.New(rand.NewPCG(7, 7))
	kinds := map[string][]netip.Addr{}
	next := netip.MustParseAddr("198.18.0.0")
	six := netip.MustParseAddr("2001:db8:0:1::")
	for range n {
		kinds["IPv4 in a row"] = append(kinds["IPv4 in a row"], next)
		kinds["IPv6 in a row"] = append(kinds["IPv6 in a row"], six)
		kinds["scattered"] = append(kinds["scattered"], randomClient(random))
		next, six = next.Next(), six.Next()
	}
	return kinds
}

// Clients spread over servers by weight: the number of each differs from its share by no more than chance allows (five
// standard deviations).
func TestSourceBalance(t *testing.T) {
	const n = 20000
	for kind, clients := range someClients(n) {
		for _, weights := range [][]uint16{{1, 1}, {1, 1, 1}, {5, 5, 5, 5, 5}, {1, 2, 3}, {1, 256}, {100, 90, 7, 1}} {
			list := servers(weights...)
			pool := sourcePool(list)
			got := map[netip.AddrPort]int{}
			for _, client := range clients {
				got[choice(t, pool, client)]++
			}
			total := 0.0
			for _, w := range weights {
				total += float64(w)
			}
			for i, w := range weights {
				p := float64(w) / total
				want := n * p
				if deviation := math.Sqrt(n * p * (1 - p)); math.Abs(float64(got[list[i].Address])-want) > 5*deviation {
					t.Errorf("%s, weights %v: server %d got %d, want %.0f", kind, weights, i, got[list[i].Address], want)
				}
			}
		}
	}
}

// A server that goes moves only its own clients, one that comes takes only those that move to it, and one whose weight
// grows loses none; the order of servers does not matter, nor whether an address is mapped into IPv6.
func TestSourceMovesFew(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	clients := someClients(2000)["scattered"]
	for range 20 {
		list := servers(make([]uint16, 2+random.IntN(6))...)
		for i := range list {
			list[i].Weight = uint16(1 + random.IntN(5))
		}
		before := sourcePool(list)
		gone := random.IntN(len(list))
		without := sourcePool(slices.Delete(slices.Clone(list), gone, gone+1))
		heavier := slices.Clone(list)
		heavier[gone].Weight++
		withMore := sourcePool(heavier)
		shuffled := slices.Clone(list)
		random.Shuffle(len(list), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		inOtherOrder := sourcePool(shuffled)
		down := sourcePool(list)
		takeDown(down, gone)

		moved := 0
		for _, client := range clients {
			was, is := choice(t, before, client), choice(t, without, client)
			if was == list[gone].Address {
				moved++
			} else if was != is {
				t.Fatalf("%s moved from %s to %s although %s is still there", client, was, is, was)
			}
			if got := choice(t, down, client); got != is {
				t.Fatalf("%s goes to %s while a server is down, but to %s once it is removed", client, got, is)
			}
			if got := choice(t, withMore, client); got != was && got != list[gone].Address {
				t.Fatalf("%s moved from %s to %s although the weight of neither grew", client, was, got)
			}
			if got := choice(t, inOtherOrder, client); got != was {
				t.Fatalf("%s goes to %s, in another order of servers to %s", client, was, got)
			}
			if client.Is4() {
				if got := choice(t, before, netip.AddrFrom16(client.As16())); got != was {
					t.Fatalf("%s goes to %s, mapped into IPv6 to %s", client, was, got)
				}
			}
		}
		if moved == 0 {
			t.Error("the server that is gone had no clients")
		}
	}
}

// The choice is the same in every daemon, today and in later versions: these are fixed for good.
func TestSourceIsFixed(t *testing.T) {
	pool := sourcePool(servers(1, 1, 1))
	weighted := sourcePool(servers(1, 2, 3))
	got, gotWeighted := "", ""
	next := netip.MustParseAddr("192.0.2.0")
	for range 32 {
		server, _ := pool.Pick(next, 0, 0)
		got += string(rune('a' + server))
		server, _ = weighted.Pick(next, 0, 0)
		gotWeighted += string(rune('a' + server))
		next = next.Next()
	}
	const want, wantWeighted = "acbbabbbaababbbbbaabbabcaaacacbc", "ccbcabbbacbbbcbbbcabbcbcbcacccbc"
	if got != want || gotWeighted != wantWeighted {
		t.Errorf("192.0.2.0 to 192.0.2.31 go to\n%s and\n%s, want\n%s and\n%s", got, gotWeighted, want, wantWeighted)
	}
}

func TestMinusLog2(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	check := func(h uint64) {
		got := float64(minusLog2(h)) / (1 << 32)
		want := 64 - math.Log2(float64(h))
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%#x: got %v, want %v", h, got, want)
		}
	}
	for _, h := range []uint64{1, 2, 3, 1 << 62, 1<<63 - 1, 1 << 63, 1<<63 + 1, math.MaxUint64} {
		check(h)
	}
	for range 10000 {
		check(random.Uint64()>>random.IntN(64) | 1)
	}
	if minusLog2(0) <= minusLog2(1) {
		t.Error("0 is not beyond all others")
	}
	if minusLog2(math.MaxUint64) == 0 {
		t.Error("the best hash would win whatever the weights")
	}
}
