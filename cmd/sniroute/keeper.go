package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sniroute/sniroute/pkg/route"
)

// A table is made as soon as there is something new, so many in a row: an Ingress, and the address that follows at once.
// In a burst, they are spaced: together at most ten in any second.
const (
	tablesInARow  = 3
	betweenTables = 140 * time.Millisecond
)

// A keeper keeps the table: it collects what the sources claim, what the configuration says and what the router is, and
// makes a new table of them whenever one of these has changed. Its methods may be called from any goroutine.
type keeper struct {
	tables  *route.Holder
	adopt   func(*route.Table) // called with each new table, before the holder's subscribers are woken
	log     *slog.Logger
	changed chan struct{} // there is something that the table does not hold yet

	building sync.Mutex // held while a table is made and adopted: the one of newer knowledge comes later

	mu     sync.Mutex               // guards what follows
	policy route.Policy             // replaced, never changed
	router route.Router             // without API servers
	claims map[string][]route.Claim // by source
	apis   map[string]apiServers    // by source
}

// apiServers are those of one cluster: names must not lead there.
type apiServers struct {
	addresses []netip.AddrPort
	names     []string
}

func newKeeper(tables *route.Holder, adopt func(*route.Table), log *slog.Logger) *keeper {
	return &keeper{
		tables: tables, adopt: adopt, log: log, changed: make(chan struct{}, 1),
		claims: make(map[string][]route.Claim), apis: make(map[string]apiServers),
	}
}

// setPolicy takes over a configuration. What sources said that it does not have is forgotten.
func (k *keeper) setPolicy(p route.Policy) {
	k.mu.Lock()
	k.policy = p
	k.mu.Unlock()
	k.forget()
	k.wake()
}

// change makes a table by another policy and takes that over if adopt, which stands in for the keeper's own, takes the
// table. On error everything stays.
func (k *keeper) change(p route.Policy, adopt func(*route.Table) error) (err error) {
	k.building.Lock()
	defer k.building.Unlock()
	defer func() {
		if p := recover(); p != nil {
			k.log.Error("the table could not be made", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the table could not be made because of a bug in sniroute: please report it")
		}
	}()
	started := time.Now()
	policy, claims := k.completed(p)
	table := route.Build(&policy, claims)
	if err := adopt(table); err != nil {
		return err
	}
	k.mu.Lock()
	k.policy = p
	k.mu.Unlock()
	before := k.tables.Load()
	k.tables.Store(table)
	k.note(before, table, time.Since(started))
	return nil
}

// forget drops what sources said that the policy does not have.
func (k *keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := make(map[string]bool)
	for _, s := range k.policy.Sources {
		known[s.Name] = true
	}
	maps.DeleteFunc(k.claims, func(source string, _ []route.Claim) bool { return !known[source] })
	maps.DeleteFunc(k.apis, func(source string, _ apiServers) bool { return !known[source] })
}

// setRouter takes over what the router is, if it has changed.
func (k *keeper) setRouter(r route.Router) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !reflect.DeepEqual(r, k.router) {
		k.router = r
		k.wake()
	}
}

// setClaims takes over what a source claims. The claims are not changed afterwards.
func (k *keeper) setClaims(source string, claims []route.Claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.claims[source] = claims
	k.wake()
}

// setAPIServers takes over where the API servers of a source answer, if that has changed.
func (k *keeper) setAPIServers(source string, servers apiServers) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.apis[source]; !slices.Equal(now.addresses, servers.addresses) || !slices.Equal(now.names, servers.names) {
		k.apis[source] = servers
		k.wake()
	}
}

func (k *keeper) wake() {
	select {
	case k.changed <- struct{}{}:
	default: // not yet looked at: the next table holds this too
	}
}

// run makes tables until ctx ends.
func (k *keeper) run(ctx context.Context) {
	pace := rate.NewLimiter(rate.Every(betweenTables), tablesInARow)
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		}
		if pace.Wait(ctx) != nil {
			return
		}
		k.build()
	}
}

// build makes a table of what is known now. Where that fails, which only a mistake in the program can cause, the table
// before stays: it is better to route by it than not at all.
func (k *keeper) build() {
	k.building.Lock()
	defer k.building.Unlock()
	defer func() {
		if p := recover(); p != nil {
			k.log.Error("the table could not be made; the one before stays", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	select {
	case <-k.changed: // what it tells of is in this table
	default:
	}
	started := time.Now()
	policy, claims := k.inputs()
	table := route.Build(&policy, claims)
	before := k.tables.Load()
	k.adopt(table)
	k.tables.Store(table)
	k.note(before, table, time.Since(started))
}

// inputs is what the next table is made of.
func (k *keeper) inputs() (route.Policy, []route.Claim) {
	k.mu.Lock()
	policy := k.policy
	k.mu.Unlock()
	return k.completed(policy)
}

// completed returns a policy with what the router is, and the claims of its sources.
func (k *keeper) completed(policy route.Policy) (route.Policy, []route.Claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	router := k.router
	router.APIServers = slices.Clone(policy.Router.APIServers)
	router.APINames = slices.Clone(policy.Router.APINames)
	var claims []route.Claim
	for _, s := range policy.Sources {
		claims = append(claims, k.claims[s.Name]...)
		router.APIServers = append(router.APIServers, k.apis[s.Name].addresses...)
		router.APINames = append(router.APINames, k.apis[s.Name].names...)
	}
	policy.Router = router
	return policy, claims
}

// note logs a table that differs from the one before in what it counts.
func (k *keeper) note(before, table *route.Table, took time.Duration) {
	type counts struct{ routes, exposed, refused, backends, records, shared int }
	count := func(t *route.Table) counts {
		c := counts{len(t.Routes), 0, len(t.Refused), len(t.Backends), len(t.Records()), len(t.Shared)}
		for i := range t.Routes {
			if t.Routes[i].Exposed {
				c.exposed++
			}
		}
		return c
	}
	now := count(table)
	level := slog.LevelDebug
	if now != count(before) {
		level = slog.LevelInfo
	}
	k.log.Log(context.Background(), level, "table", "routes", now.routes, "exposed", now.exposed, "refused", now.refused,
		"backends", now.backends, "records", now.records, "shared_addresses", now.shared, "took", took)
}
