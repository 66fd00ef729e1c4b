package backend

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

func TestUpdateKeepsState(t *testing.T) {
	var set Set
	first := set.Update([]route.Backend{{Name: "a", Servers: servers(1, 1)}, {Name: "b", Servers: servers(1)}}, nil)
	first[0].Opened(1)
	second := set.Update([]route.Backend{
		{Name: "a", Servers: servers(1, 1), HTTPPort: 8080},
		{Name: "c", Servers: servers(1)},
	}, nil)
	if second[0].Active(1) != 1 || second[0].Backend.HTTPPort != 8080 || !second[0].Continues(first[0]) {
		t.Error("a pool with the same servers lost its state, or kept its old options")
	}
	third := set.Update([]route.Backend{{Name: "a", Servers: servers(1, 1, 1)}, {Name: "b", Servers: servers(1)}}, nil)
	if third[0].Active(1) != 1 || third[0].Active(2) != 0 || third[0].Continues(second[0]) {
		t.Error("a pool with one more server lost the counters of the others, or passes for the one before")
	}
	if third[1] == first[1] {
		t.Error("a pool that was gone came back itself")
	}
	fourth := set.Update([]route.Backend{{Name: "b", Servers: servers(1)}}, nil)
	if fourth[0] != third[1] {
		t.Error("a pool that did not change was made anew")
	}
}

// Who is up is known by address, port and kind of check, whatever the pool: it outlives every change of pools, as long
// as one of them asks the same.
func TestUpdateSharesChecks(t *testing.T) {
	checked := func(name string, kind route.Check, weights ...uint16) route.Backend {
		return route.Backend{Name: name, Servers: servers(weights...), Options: route.BackendOptions{
			Check: kind, CheckInterval: time.Minute, CheckRise: 1, CheckFall: 2,
		}}
	}
	var set Set
	pools := set.Update([]route.Backend{
		checked("a", route.CheckTCP, 1, 1), checked("b", route.CheckTCP, 1), checked("c", route.CheckTLS, 1),
		checked("d", route.CheckNone, 1),
	}, nil)
	if pools[0].checks[0] != pools[1].checks[0] {
		t.Error("two pools with one server do not share its check")
	}
	if len(set.checks) != 3 {
		t.Errorf("there are %d checks, want 3: two servers by TCP, one by TLS", len(set.checks))
	}
	for range 2 {
		pools[1].Failed(0, errTest)
	}
	for i, up := range []bool{false, false, true, true} {
		if pools[i].Up(0) != up {
			t.Errorf("pool %d: up is %v", i, pools[i].Up(0))
		}
	}
	if got := pools[0].Problem(0); got != errTest.Error() {
		t.Errorf("the problem is %q", got)
	}
	pools = set.Update([]route.Backend{checked("e", route.CheckTCP, 1, 1, 1)}, nil)
	if pools[0].Up(0) || !pools[0].Up(1) {
		t.Error("another pool with the same server does not know that it is down")
	}
	set.Update(nil, nil)
	if pools = set.Update([]route.Backend{checked("e", route.CheckTCP, 1)}, nil); !pools[0].Up(0) {
		t.Error("a check that nobody wanted any more was remembered")
	}
}

// What several pools want of one check: the most impatient one has its way.
func TestTermsJoin(t *testing.T) {
	options := func(interval, limit time.Duration, rise, fall int) route.BackendOptions {
		return route.BackendOptions{
			Check: route.CheckTLS, CheckInterval: interval, ConnectTimeout: limit, CheckRise: rise, CheckFall: fall,
		}
	}
	var set Set
	set.Update([]route.Backend{
		{Name: "a", Servers: servers(1), Options: options(2*time.Second, 5*time.Second, 2, 5)},
		{Name: "b", Servers: servers(1), Options: options(9*time.Second, 3*time.Second, 3, 3)},
	}, []string{"", "b.example.com"})
	for _, c := range set.checks {
		got := c.current()
		if got.interval != 2*time.Second || got.limit != 2*time.Second || got.rise != 2 || got.fall != 3 ||
			got.name != "b.example.com" || len(got.backends) != 2 {
			t.Errorf("got %+v", got)
		}
	}
	set.Update([]route.Backend{
		{Name: "a", Servers: servers(1), Options: options(100*time.Millisecond, 5*time.Second, 2, 5)},
	}, nil)
	for _, c := range set.checks {
		if got := c.current(); got.limit != leastLimit || got.name != "" || got.fall != 5 {
			t.Errorf("got %+v", got)
		}
	}
}

func TestNamesOf(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:443")
	policy := route.Policy{
		Backends: []route.Backend{
			{Name: "app", Servers: []route.Server{{Address: at, Weight: 1}}},
			{Name: "nas", Servers: []route.Server{{Address: at, Weight: 1}}},
			{Name: "wild", Servers: []route.Server{{Address: at, Weight: 1}}},
		},
		Static: []route.Static{
			{Name: "1", Hosts: []string{"acme.example.com"}, ALPN: "acme-tls/1", Backend: "app", Expose: true},
			{Name: "2", Hosts: []string{"internal.example.com"}},
			{Name: "3", Hosts: []string{"x.example.com", "y.example.com"}, Backend: "app", Expose: true},
			{Name: "4", Hosts: []string{"*.example.org"}, Backend: "wild", Expose: true},
		},
	}
	table := route.Build(&policy, nil)
	names := NamesOf(table)
	for i, want := range []string{"x.example.com", "", ""} {
		if names[i] != want {
			t.Errorf("%s: got %q, want %q", table.Backends[i].Name, names[i], want)
		}
	}
}
