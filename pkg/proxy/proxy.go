// Package proxy takes the connections that reach the router, peeks at the TLS ClientHello and hands each one on to the
// backend that the route table names. TLS is never terminated.
package proxy

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// Options are fixed for the life of a Proxy.
type Options struct {
	Loops  int                   // event loops; 0: one, or two from four cores on
	Local  func(netip.Addr) bool // whether an address is the router's own; nil: none is
	Logger *slog.Logger
}

// Limits bound what strangers can make the proxy hold.
type Limits struct {
	MaxConnections int           // client connections at once, over all loops
	PerSource      int           // connections at once of one IPv4 address or IPv6 /64; 0: no limit
	RatePerSource  int           // new connections a second of one source, burst ten times that; 0: no limit
	PeekMemory     int           // bytes of all unfinished hellos together
	DrainTimeout   time.Duration // what a connection gets whose listener or exposure went away
}

// A Listener is one section of the configuration.
type Listener struct {
	Name         string
	HTTP         bool // plain HTTP instead of TLS
	Addresses    []netip.AddrPort
	InspectDelay time.Duration
	NonTLS       string // "reject", "default", or the name of a backend
	AcceptProxy  []netip.Prefix
	Allow        []netip.Prefix
	Deny         []netip.Prefix
}

// A Setup is what a reload may change.
type Setup struct {
	Listeners []Listener
	Limits    Limits
}

// A Proxy owns the listening sockets and the event loops.
type Proxy struct{}

// New makes a Proxy without listeners.
func New(o Options) (*Proxy, error) { return &Proxy{}, nil }

// Setup opens what is new, keeps what is unchanged and drains what is gone. On error nothing has changed.
func (p *Proxy) Setup(s Setup) error { return nil }

// SetTable makes t the table of all connections whose hello is completed from now on. Connections of a host that lost
// its exposure are closed after the drain timeout.
func (p *Proxy) SetTable(t *route.Table) {}

// Run serves until ctx ends, then stops accepting, drains for at most one second and closes everything.
func (p *Proxy) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Stats returns a snapshot of all counters. It waits for every loop.
func (p *Proxy) Stats() Stats { return Stats{} }

// Stats are counters since start, added up over all loops.
type Stats struct {
	Listeners []ListenerStats
	Backends  []BackendStats // those of the table, and those that still have connections
	Peek      Histogram      // seconds from accept to the end of the hello
	Active    int            // client connections now
	Peeking   int            // those of them whose hello is unfinished
	PeekBytes int            // bytes that unfinished hellos hold
	Limit     int            // connections that are admitted at once
}

// ListenerStats are the counters of one listener.
type ListenerStats struct {
	Name     string
	Accepted uint64
	Rejected map[string]uint64 // by reason; the reasons are the constants Reject...
}

// BackendStats are the counters of one backend.
type BackendStats struct {
	Name        string
	Active      int
	Connections map[ConnectionResult]uint64
	ToBackend   uint64 // bytes
	ToClient    uint64 // bytes
	Connect     Histogram
	Servers     []ServerStats
}

// A ConnectionResult says on which listener connections came in and how they ended.
type ConnectionResult struct {
	Listener string
	Result   string // "ok", "connect_failed", "timeout", "reset", "drained"
}

// ServerStats are the counters of one server.
type ServerStats struct {
	Address netip.AddrPort
	Active  int
	Up      bool
	Failed  uint64 // connects that failed
}

// A Histogram counts durations in buckets.
type Histogram struct {
	Bounds []float64 // upper bounds in seconds
	Counts []uint64  // not cumulative; one longer than Bounds
	Sum    float64   // seconds
}
