package main

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/watch"
)

// A source publishes claims while it runs.
type source interface {
	Run(ctx context.Context) error
	State() watch.State
}

// sources are those that run now. Its methods may be called from any goroutine.
type sources struct {
	publish func(source string, claims []route.Claim)
	apis    func(source string, servers apiServers)
	log     *slog.Logger

	mu      sync.Mutex
	running []*runningSource
	state   *watch.StateFile // of clusters; nil before the first set
	saving  *task            // keeps it up to date
}

type runningSource struct {
	name   string
	kind   string // as status has it
	reads  any    // what of its section says how it reads; the rest is policy
	source source
	task   *task
	ready  chan struct{} // closed when it has published for the first time
}

// set starts the sources of the configuration and ends those that it does not have. One that is to read what it reads
// now goes on; one that is started anew keeps its claims until it publishes again. ctx ends them all.
func (s *sources) set(ctx context.Context, c *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.openState(c)
	var wanted []*runningSource
	for _, cluster := range c.Clusters {
		wanted = append(wanted, s.keep(s.cluster(cluster)))
	}
	for _, m := range c.Manifests {
		wanted = append(wanted, s.keep(s.manifests(m)))
	}
	for _, r := range s.running {
		if !slices.Contains(wanted, r) {
			r.task.stop()
		}
	}
	s.running = wanted
	for _, r := range s.running {
		if r.task == nil {
			r.task = start(ctx, func(ctx context.Context) {
				if err := r.source.Run(ctx); err != nil {
					s.log.Error("a source has ended; its claims stay as they are", "source", r.name, "error", err)
				}
			})
		}
	}
}

// keep returns the running source that does what r would do, or r.
func (s *sources) keep(r *runningSource) *runningSource {
	for _, now := range s.running {
		if now.name == r.name && now.kind == r.kind && reflect.DeepEqual(now.reads, r.reads) {
			return now
		}
	}
	return r
}

func (s *sources) manifests(m config.Manifests) *runningSource {
	r := &runningSource{name: m.Name, kind: status.SourceManifests, ready: make(chan struct{})}
	r.reads = []any{m.Path, m.Kinds, m.MaxHosts}
	r.source = &watch.Manifests{
		Name:      m.Name,
		Path:      m.Path,
		Logger:    s.log,
		MaxClaims: 4 * m.MaxHosts, // some are refused or merged
		Publish:   s.publisher(r, m.Kinds),
	}
	return r
}

// publisher hands on the claims of the kinds that the section asks for.
func (s *sources) publisher(r *runningSource, kinds []string) func([]route.Claim) {
	var first sync.Once
	return func(claims []route.Claim) {
		s.tellAPIServers(r) // first: no table is to have the claims without
		s.publish(r.name, ofKinds(claims, kinds))
		first.Do(func() { close(r.ready) })
	}
}

// lookAround hands on where API servers answer now, also where the claims are as they were.
func (s *sources) lookAround() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		s.tellAPIServers(r)
	}
}

func (s *sources) tellAPIServers(r *runningSource) {
	now := r.source.State()
	s.apis(r.name, apiServers{now.APIServers, now.APINames})
}

// ofKinds returns the claims of objects that are read by the kinds ingress, service and gateway.
func ofKinds(claims []route.Claim, kinds []string) []route.Claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c route.Claim) bool {
		kind := "gateway"
		switch c.Object.Kind {
		case "Ingress":
			kind = "ingress"
		case "Service":
			kind = "service"
		}
		return !slices.Contains(kinds, kind)
	})
}

// wait returns when every source has published once, or when ctx ends.
func (s *sources) wait(ctx context.Context) {
	s.mu.Lock()
	running := slices.Clone(s.running)
	s.mu.Unlock()
	for _, r := range running {
		select {
		case <-r.ready:
		case <-ctx.Done():
			return
		}
	}
}

// stop ends all sources and waits for them.
func (s *sources) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.running {
		r.task.stop()
	}
	s.running = nil
	s.saving.stop()
}

// states says how the sources are doing.
func (s *sources) states() []status.SourceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := []status.SourceState{}
	for _, r := range s.running {
		now := r.source.State()
		state := status.SourceState{
			Name: r.name, Kind: r.kind, Where: now.Place, Synced: now.Synced, FromState: now.FromState, LastSync: now.LastSync,
			Expiry: now.Expiry, Claims: now.Claims,
			Errors: []string{}, Warnings: []status.Warning{},
		}
		if now.Waiting != "" {
			state.Errors = append(state.Errors, now.Waiting)
		}
		for _, p := range now.Problems {
			state.Warnings = append(state.Warnings, status.Warning{Text: p.What(), Remedy: p.Remedy})
		}
		states = append(states, state)
	}
	return states
}
