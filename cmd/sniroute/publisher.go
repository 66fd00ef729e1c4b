package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/dnsmasq"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
)

// A publisher runs the dnsmasq.Publisher that the configuration asks for. Its methods may be called from any goroutine.
type publisher struct {
	tables *route.Holder
	bus    dnsmasq.Caller // nil: there is no ubus
	log    *slog.Logger

	mu      sync.Mutex
	config  config.DNS
	running *dnsmasq.Publisher // nil: DNS is left alone
	task    *task
	err     error
}

// set takes over a configuration. ctx ends what it starts. It must be called for the first time once there is a table:
// an empty one would withdraw the names that were published before the daemon was started again.
func (p *publisher) set(ctx context.Context, c config.DNS) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if reflect.DeepEqual(c, p.config) {
		return
	}
	before := p.config
	p.task.stop()
	p.config, p.running, p.task, p.err = c, nil, nil, nil
	if before.Enabled && (!c.Enabled || c.HostsFile != before.HostsFile || c.ServersFile != before.ServersFile) {
		if err := dnsmasq.Withdraw(ctx, publisherOf(before, p.bus, p.log)); err != nil {
			p.log.Error("names could not be withdrawn from where they were published", "error", err)
		}
	}
	if !c.Enabled {
		return
	}
	running, err := dnsmasq.New(publisherOf(c, p.bus, p.log))
	if err != nil {
		p.err = err
		p.log.Error("no names are published", "error", err)
		return
	}
	p.running = running
	p.task = start(ctx, func(ctx context.Context) {
		if err := running.Run(ctx, p.tables); err != nil {
			p.log.Error("no more names are published", "error", err)
		}
	})
}

// stop ends publishing. What is published stays.
func (p *publisher) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.task.stop()
}

// state says what is published.
func (p *publisher) state() status.DNSState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := status.DNSState{Enabled: p.config.Enabled, Warnings: []string{}}
	err := p.err
	if p.running != nil {
		now := p.running.State()
		s.Mode, s.Notify, s.Records, s.Published = "hosts", now.Notify, now.Records, now.Published
		err = now.Err
		if now.Skipped > 0 {
			s.Warnings = append(s.Warnings, fmt.Sprintf("%d names are not published: wildcards are not yet", now.Skipped))
		}
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}
