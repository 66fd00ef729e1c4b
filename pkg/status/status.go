// Package status shows what the running daemon does: an HTTP server for people (a page), for programs (JSON) and for
// Prometheus (/metrics), and a control socket for the daemon's own subcommands.
//
// It knows the route table and nothing else of the house. What it shows, it asks of a Daemon whenever somebody looks:
// plain snapshots, so that nothing has to be registered or counted here. It never changes anything, except that the
// control socket can ask the Daemon to reload its configuration.
//
// The HTTP server answers GET and HEAD, to loopback and to the networks that it is told, and only when the Host header
// is an IP address or a configured name: a web page that a browser on the LAN visits must not be able to read it by
// pointing a name of its own at the router. It holds at most 16 connections.
//
//	/               the page
//	/api/status     Report as JSON
//	/api/routes     Routes as JSON
//	/api/explain?name=NAME   Explanation as JSON
//	/metrics        for Prometheus
//	/healthz        200 as long as the daemon answers
//	/readyz         200 once all that is configured works, else 503 with the reasons, one a line
//
// The control socket speaks the same JSON over a unix socket, to root and to the daemon's own user only. A lock beside
// it keeps a second daemon from starting.
package status

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A Daemon is what is shown. Its methods are called from any goroutine and return snapshots that nobody changes
// afterwards.
type Daemon interface {
	Status() Status
	Table() *route.Table
	Traffic() Traffic
	Recent() []Connection // the last that ended, the latest first

	// Reload reads the configuration again and returns what is wrong with it, in which case the old one stays.
	Reload(ctx context.Context) error
}

// Status is the state of everything except the counters. A zero time means never or unknown.
type Status struct {
	Version   string          `json:"version"`
	Started   time.Time       `json:"started"`
	Config    ConfigState     `json:"config"`
	Listeners []ListenerState `json:"listeners"`
	Sources   []SourceState   `json:"sources"`
	DNS       DNSState        `json:"dns"`
	Warnings  []Warning       `json:"warnings"` // what concerns no single part, one sentence each
}

// A ConfigState says which configuration is in force.
type ConfigState struct {
	Path     string    `json:"path"`
	Loaded   bool      `json:"loaded"`         // one is in force
	OK       bool      `json:"last_reload_ok"` // the newest one is
	Changed  time.Time `json:"changed,omitzero"`
	Error    string    `json:"error,omitempty"` // why the newest one is not in force; may have several lines
	Warnings []Warning `json:"warnings"`
}

// A ListenerState is one listener section.
type ListenerState struct {
	Name         string           `json:"name"`
	Protocol     string           `json:"protocol"`                // "tls" or "http"
	HTTPMode     string           `json:"http_mode,omitempty"`     // of "http": "acme" or "route"
	ACMEInternal bool             `json:"acme_internal,omitempty"` // of "http": challenges pass for internal hosts, too
	Addresses    []netip.AddrPort `json:"addresses"`
	Default      string           `json:"default_backend,omitempty"`
	Open         bool             `json:"open"`
	Error        string           `json:"error,omitempty"` // why it is not open
}

// A SourceState is one cluster or manifests section.
type SourceState struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`                       // SourceCluster or SourceManifests
	Where     string    `json:"where,omitempty"`            // the API server in use, or the path
	Synced    bool      `json:"synced"`                     // its claims are those of a complete and current reading
	FromState bool      `json:"from_state"`                 // its claims are the last known ones, kept meanwhile
	LastSync  time.Time `json:"last_sync,omitzero"`         // when its claims were last known to be current
	Expiry    time.Time `json:"credential_expiry,omitzero"` // when its credentials end
	Claims    int       `json:"claims"`
	Errors    []string  `json:"errors"`   // what keeps it, or part of it, from being current
	Warnings  []Warning `json:"warnings"` // what a person should mend although it works
}

// The kinds of sources.
const (
	SourceCluster   = "cluster"
	SourceManifests = "manifests"
)

// A DNSState says what the LAN's DNS was told.
type DNSState struct {
	Enabled   bool      `json:"enabled"`
	Mode      string    `json:"mode,omitempty"`
	Notify    string    `json:"notify,omitempty"` // the way that was used last
	Records   int       `json:"records"`          // published now
	Published time.Time `json:"published,omitzero"`
	Error     string    `json:"error,omitempty"` // why what is published is not what should be
	Warnings  []Warning `json:"warnings"`
}

// withLists returns a copy in which no list is nil, so that JSON shows [] and never null.
func (s Status) withLists() Status {
	s.Listeners, s.Sources = orEmpty(slices.Clone(s.Listeners)), orEmpty(slices.Clone(s.Sources))
	s.Warnings, s.Config.Warnings = orEmpty(s.Warnings), orEmpty(s.Config.Warnings)
	s.DNS.Warnings = orEmpty(s.DNS.Warnings)
	for i := range s.Listeners {
		s.Listeners[i].Addresses = orEmpty(s.Listeners[i].Addresses)
	}
	for i := range s.Sources {
		s.Sources[i].Errors, s.Sources[i].Warnings = orEmpty(s.Sources[i].Errors), orEmpty(s.Sources[i].Warnings)
	}
	return s
}

// orEmpty makes a nil list an empty one.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
