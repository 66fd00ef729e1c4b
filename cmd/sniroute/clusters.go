package main

import (
	"context"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/watch"
)

// cluster returns the source that a cluster section describes. The caller holds mu.
func (s *sources) cluster(c config.Cluster) *runningSource {
	r := &runningSource{name: c.Name, kind: status.SourceCluster, ready: make(chan struct{})}
	r.reads = []any{c.Kubeconfig, c.Servers, c.CAFile, c.TokenFile, c.Kinds, c.Hold, c.MaxStale, c.MaxHosts}
	r.source = &watch.Cluster{
		Name:       c.Name,
		Servers:    c.Servers,
		CAFile:     c.CAFile,
		TokenFile:  c.TokenFile,
		Kubeconfig: c.Kubeconfig,
		Sources:    c.Kinds,
		Logger:     s.log,
		Publish:    s.publisher(r, c.Kinds),
		Hold:       c.Hold,
		MaxStale:   c.MaxStale,
		MaxClaims:  4 * c.MaxHosts, // some are refused or merged
		StateFile:  s.state,
	}
	return r
}

// openState reads the last known claims of clusters and keeps them from now on, until the sources are stopped. Only the
// first configuration says where; the caller holds mu.
func (s *sources) openState(c *config.Config) {
	if s.state == nil {
		s.state = &watch.StateFile{
			Path:   c.Main.StateFile,
			Copy:   filepath.Join(filepath.Dir(c.Main.Control), "state.json"),
			Logger: s.log,
			Now:    clock,
			Built:  buildTime(),
		}
		s.state.Load()
		// It ends after the sources, with what they knew last: not with the context that ends them.
		s.saving = start(context.Background(), func(ctx context.Context) {
			if err := s.state.Run(ctx); err != nil {
				s.log.Error("the last known claims are no longer kept", "error", err)
			}
		})
	}
	var names []string
	for _, cluster := range c.Clusters {
		names = append(names, cluster.Name)
	}
	s.state.Keep(names)
}

// buildTime returns when the revision was made that the program was built from; zero: not known. A router without a
// clock judges certificates at no earlier time.
func buildTime() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			built, _ := time.Parse(time.RFC3339, s.Value)
			return built
		}
	}
	return time.Time{}
}
