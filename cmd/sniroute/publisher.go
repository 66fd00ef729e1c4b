package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/dnsmasq"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
)

// runFolder is where the init script looks for what it is to do as root.
const runFolder = "/var/run/sniroute"

// A publisher runs the dnsmasq.Publisher that the configuration asks for. set and stop are called by one goroutine at a
// time, state by any.
type publisher struct {
	tables *route.Holder
	bus    dnsmasq.Caller // nil: there is no ubus
	folder string         // runFolder, where there is a bus
	log    *slog.Logger

	config config.DNS // in force; set's alone, as is task
	task   *task

	mu      sync.Mutex // guards what follows
	enabled bool
	running *dnsmasq.Publisher // nil: nothing is published
	err     error              // why
}

// set takes over a configuration. ctx ends what it starts. It must be called for the first time once there is a table:
// an empty one would withdraw the names that were published before the daemon was started again.
func (p *publisher) set(ctx context.Context, c config.DNS) {
	if reflect.DeepEqual(c, p.config) {
		return
	}
	before := p.config
	p.task.stop()
	p.config, p.task = c, nil
	if leaves(before, c) {
		if err := dnsmasq.Withdraw(ctx, p.options(before)); err != nil {
			p.log.Error("names could not be withdrawn from where they were published", "error", err)
		}
	}
	var running *dnsmasq.Publisher
	var err error
	if c.Enabled {
		if running, err = dnsmasq.New(p.options(c)); err != nil {
			p.log.Error("no names are published", "error", err)
		}
	}
	p.mu.Lock()
	p.enabled, p.running, p.err = c.Enabled, running, err
	p.mu.Unlock()
	if running == nil {
		return
	}
	p.task = start(ctx, func(ctx context.Context) {
		if err := running.Run(ctx, p.tables); err != nil {
			p.log.Error("no more names are published", "error", err)
		}
	})
}

// leaves reports whether something of what was published is in a place that the next configuration does not look after.
// Where it does, the names stay without a gap.
func leaves(before, next config.DNS) bool {
	switch {
	case !before.Enabled:
		return false
	case !next.Enabled, next.HostsFile != before.HostsFile, next.ServersFile != before.ServersFile,
		next.WildcardsFile != before.WildcardsFile:
		return true
	case before.Notify == dnsmasq.NotifyDBus: // dnsmasq remembers what it was told
		return next.Notify != before.Notify || !slices.Equal(next.Instances, before.Instances)
	}
	return before.UCI && !next.UCI && next.Notify == dnsmasq.NotifyNone // which says nothing to the init script either
}

// options is what the configuration says to the publisher.
func (p *publisher) options(c config.DNS) dnsmasq.Options {
	o := dnsmasq.Options{
		HostsFile: c.HostsFile, ServersFile: c.ServersFile, WildcardsFile: c.WildcardsFile,
		Notify: c.Notify, Instances: c.Instances, Hook: c.Hook, UBus: p.bus, Logger: p.log,
	}
	if c.UCI {
		o.Mode = dnsmasq.ModeUCI
	}
	if p.bus != nil { // then there is procd, which runs the init script on what is found here
		o.DomainsFile = filepath.Join(p.folder, "domains")
		o.WildcardsFile = filepath.Join(p.folder, "wildcards")
	}
	return o
}

// stop ends publishing. What is published stays.
func (p *publisher) stop() { p.task.stop() }

// state says what is published.
func (p *publisher) state() status.DNSState {
	p.mu.Lock()
	running, err := p.running, p.err
	s := status.DNSState{Enabled: p.enabled, Warnings: []status.Warning{}}
	p.mu.Unlock()
	if running != nil {
		now := running.State()
		s.Mode, s.Notify, s.Records, s.Published = running.Mode(), now.Notify, now.Records, now.Published
		err = now.Err
		if now.Skipped > 0 {
			s.Warnings = append(s.Warnings, status.Warning{
				Text: fmt.Sprintf("%d wildcards are not published", now.Skipped),
				Remedy: "where there is no ubus that takes 'option wildcards_file' in the section dns, and a dnsmasq that reads" +
					" that file (conf-file)",
			})
		}
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}
