package main

import (
	"context"
	"os"
	"strings"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/proxy"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
)

// A reloadRequest asks the goroutine that reloads for a reload, and is told what came of it.
type reloadRequest struct {
	ifChanged bool // only if the file holds something else than what was read last
	done      chan<- error
}

// Reload is part of status.Daemon.
func (d *daemon) Reload(ctx context.Context) error { return d.request(ctx, reloadRequest{}) }

// request has the goroutine that reloads do what is asked and returns when it has.
func (d *daemon) request(ctx context.Context, r reloadRequest) error {
	done := make(chan error, 1)
	r.done = done
	select {
	case d.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reloadOnDemand reloads the configuration on each signal and each request until ctx ends. One goroutine does it, so
// that one reload is done before the next begins, and what a reload starts outlives the request.
func (d *daemon) reloadOnDemand(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = d.reload(ctx) // it logs what is wrong
		case request := <-d.reloads:
			if request.ifChanged && !d.changed() {
				request.done <- nil
				continue
			}
			request.done <- d.reload(ctx)
		}
	}
}

// reload reads the configuration again and takes it over. On error the old one stays in force.
func (d *daemon) reload(ctx context.Context) error {
	c, warnings, err := d.load()
	if err == nil {
		err = c.Loops(d.isOwn)
	}
	if err == nil {
		err = c.ClientSource(proxy.CanBorrow)
	}
	if err == nil {
		setup := setupOf(c)
		err = withRemedy(d.keeper.change(policyOf(c), func(t *route.Table) error { return d.proxy.Change(setup, t) }))
	}
	if err != nil {
		d.refuse(err)
		return err
	}
	d.note(c, warnings)
	d.lookAround()
	d.level.Set(c.Main.LogLevel)
	d.sources.set(ctx, c)
	d.keeper.forget()
	d.dns.set(ctx, c.DNS)
	d.pages.set(ctx, d.pagesOf(c))
	d.log.Info("configuration reloaded", "file", c.File, "warnings", len(warnings))
	return nil
}

// refuse remembers and says why the newest configuration is not in force.
func (d *daemon) refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state.OK, d.state.Error = false, err.Error()
	for line := range strings.Lines(err.Error()) {
		d.log.Error("the new configuration is refused, the old one stays", "error", strings.TrimSpace(line))
	}
}

// pagesOf is what the configuration says to the status server.
func (d *daemon) pagesOf(c *config.Config) status.Options {
	d.mu.Lock()
	names := d.names
	d.mu.Unlock()
	return status.Options{Listen: c.Main.StatusListen, Allow: c.Main.StatusAllow, Names: names}
}
