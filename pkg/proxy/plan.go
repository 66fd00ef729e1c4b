package proxy

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A plan is a table with all the backends that its connections may need: the table's own first, under the same indexes,
// and behind them those for plain HTTP. It does not change.
type plan struct {
	table    *route.Table
	backends []route.Backend
	http     []int          // by index of the table's backends: where plain HTTP goes, or NoBackend
	solvers  map[string]int // by host: where challenges go while a solver stands for it, or if it is not exposed
}

// solverOptions are those of a backend that nobody configured.
var solverOptions = route.BackendOptions{ConnectTimeout: 5 * time.Second, IdleTimeout: time.Minute}

// planOf makes the plan of a table; withHTTP says that some listener takes plain HTTP.
func planOf(table *route.Table, withHTTP bool) *plan {
	p := &plan{
		table:    table,
		backends: slices.Clone(table.Backends),
		http:     make([]int, len(table.Backends)),
		solvers:  make(map[string]int),
	}
	for i := range table.Backends {
		p.http[i] = route.NoBackend
		if b := &table.Backends[i]; withHTTP && b.HTTPPort != 0 {
			p.http[i] = len(p.backends)
			p.backends = append(p.backends, plainHTTP(b))
		}
	}
	if !withHTTP {
		return p
	}
	byName := make(map[string]int)
	solve := func(host string, servers []netip.AddrPort) {
		solver := solverOf(servers)
		at, ok := byName[solver.Name]
		if !ok {
			at = len(p.backends)
			byName[solver.Name] = at
			p.backends = append(p.backends, solver)
		}
		p.solvers[host] = at
	}
	for i := range table.Routes {
		if r := &table.Routes[i]; len(r.Challenge) > 0 {
			solve(r.Host, r.Challenge)
		}
	}
	for i := range table.Challenges { // a solver comes before the host's own servers
		solve(table.Challenges[i].Host, table.Challenges[i].Servers)
	}
	return p
}

// plainHTTP returns a backend's twin on its HTTP port. What the https port is spoken to in, a PROXY protocol header, is
// not meant for it. It is not checked: most backends have nothing there until a challenge must be answered.
func plainHTTP(b *route.Backend) route.Backend {
	twin := route.Backend{Name: b.Name + "/http", Servers: slices.Clone(b.Servers), Options: b.Options}
	twin.Options.SendProxy, twin.Options.Check, twin.Options.Stick = route.ProxyNone, route.CheckNone, route.StickNone
	for i := range twin.Servers {
		twin.Servers[i].Address = netip.AddrPortFrom(twin.Servers[i].Address.Addr(), b.HTTPPort)
	}
	return twin
}

// solverOf returns the backend of a challenge, named by its servers, which many challenges share.
func solverOf(servers []netip.AddrPort) route.Backend {
	b := route.Backend{Options: solverOptions}
	var name strings.Builder
	name.WriteString("acme")
	for _, address := range servers {
		name.WriteString("/" + address.String())
		b.Servers = append(b.Servers, route.Server{Address: address, Weight: 1})
	}
	b.Name = name.String()
	return b
}
