package main

import (
	"context"
	"log/slog"
	"reflect"
	"sync"

	"github.com/sniroute/sniroute/pkg/status"
)

// pages runs the status server that the configuration asks for. What keeps it from running keeps nothing else: routing
// matters more than what is shown of it. set and stop are called by one goroutine at a time, warnings by any.
type pages struct {
	daemon status.Daemon
	log    *slog.Logger

	options status.Options // without the logger; set's alone, as is task
	task    *task

	mu  sync.Mutex
	err error // why it does not run; guarded by mu
}

// set serves what the options say from now on. ctx ends it.
func (p *pages) set(ctx context.Context, o status.Options) {
	if p.task != nil && p.problem() == nil && reflect.DeepEqual(o, p.options) {
		return
	}
	p.task.stop()
	p.task, p.options = nil, o
	o.Logger = p.log
	server, err := status.Open(o)
	if err != nil {
		err = withRemedy(err)
		p.log.Error("the status page is not served; a reload tries again", "error", err)
	}
	p.fail(err)
	if err != nil {
		return
	}
	p.task = start(ctx, func(ctx context.Context) {
		if err := server.Serve(ctx, p.daemon); err != nil {
			p.log.Error("the status page is no longer served; a reload tries again", "error", err)
			p.fail(err)
		}
	})
}

// stop ends the server.
func (p *pages) stop() { p.task.stop() }

func (p *pages) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *pages) problem() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// warnings says why the page is not served.
func (p *pages) warnings() []status.Warning {
	if err := p.problem(); err != nil {
		return []status.Warning{{Text: "the status page is not served: " + err.Error()}}
	}
	return []status.Warning{}
}
