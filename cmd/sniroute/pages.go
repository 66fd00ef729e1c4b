package main

import (
	"context"
	"log/slog"
	"reflect"
	"sync"

	"github.com/sniroute/sniroute/pkg/status"
)

// pages runs the status server that the configuration asks for. What keeps it from running keeps nothing else: routing
// matters more than what is shown of it. Its methods may be called from any goroutine.
type pages struct {
	daemon status.Daemon
	log    *slog.Logger

	mu      sync.Mutex
	options status.Options // without the logger
	task    *task
	err     error
}

// set serves what the options say from now on. ctx ends it.
func (p *pages) set(ctx context.Context, o status.Options) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task != nil && reflect.DeepEqual(o, p.options) {
		return
	}
	p.task.stop()
	p.task, p.options = nil, o
	o.Logger = p.log
	var server *status.Server
	if server, p.err = status.Open(o); p.err != nil {
		p.log.Error("the status page is not served; a reload tries again", "error", p.err)
		return
	}
	p.task = start(ctx, func(ctx context.Context) {
		if err := server.Serve(ctx, p.daemon); err != nil {
			p.log.Error("the status page is no longer served", "error", err)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.err = err
		}
	})
}

// stop ends the server.
func (p *pages) stop() {
	p.mu.Lock()
	task := p.task
	p.mu.Unlock()
	task.stop()
}

// warnings says why the page is not served.
func (p *pages) warnings() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return []string{"the status page is not served: " + p.err.Error()}
	}
	return []string{}
}
