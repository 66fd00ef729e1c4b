package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
)

const (
	// firstClaims is how long connections wait at the start for the sources to be read once. Until then a name that a
	// source claims would be unknown, and go to the default backend.
	firstClaims = 3 * time.Second

	// lookAround is how often the router's own names and addresses are read again although nothing told of a change.
	lookAround = 30 * time.Second
)

// run is the daemon. It returns when ctx ends, which SIGTERM does.
func run(ctx context.Context, in invocation) error {
	f := newFlags(false)
	if _, err := f.parse(in.args); err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(in.stderr, &slog.HandlerOptions{Level: level}))
	c, warnings, err := config.Load(*f.dir)
	if err != nil {
		return err
	}
	level.Set(c.Main.LogLevel)
	d, err := newDaemon(*f.dir, c, warnings, level, log)
	if err != nil {
		return err
	}
	return d.run(ctx, c)
}

// run starts everything in the order in which one needs the other, serves until ctx ends, and ends it in reverse.
func (d *daemon) run(ctx context.Context, c *config.Config) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	d.log.Info("sniroute starts", "version", versionText(), "config", c.File)
	d.lookAround()
	d.sources.set(ctx, c)
	defer d.sources.stop()
	d.keeper.setPolicy(policyOf(c))
	d.firstTable(ctx)

	keeping := start(ctx, d.keeper.run)
	defer keeping.stop()
	watching := start(ctx, func(ctx context.Context) { whenAddressesChange(ctx, lookAround, d.log, d.lookAround) })
	defer watching.stop()
	d.dns.set(ctx, c.DNS)
	defer d.dns.stop()
	reloading := start(ctx, func(ctx context.Context) { d.reloadOn(ctx, hangup) })
	defer reloading.stop()
	d.greet(c)
	if err := d.proxy.Run(ctx); err != nil {
		return fmt.Errorf("the proxy has failed: %w", err)
	}
	d.log.Info("sniroute ends")
	return nil
}

// firstTable makes the first table once all sources were read, or not in time.
func (d *daemon) firstTable(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstClaims)
	defer cancel()
	d.sources.wait(ctx)
	d.keeper.build()
}

// greet says what the daemon serves, and what it waits for.
func (d *daemon) greet(c *config.Config) {
	for _, l := range c.Listeners {
		if l.HTTP {
			continue // not served yet, as a warning of the configuration says
		}
		d.log.Info("listening", "listener", l.Name, "addresses", l.Listen)
	}
	if len(c.Listeners) == 0 {
		d.log.Warn("waiting for a listener: none is configured, so no connections are taken", "file", c.File)
	}
	if len(c.Routes)+len(c.Manifests)+len(c.Clusters) == 0 {
		d.log.Warn("waiting for a route, a cluster or manifests: none is configured, so no names are known", "file", c.File)
	}
}

// reloadOn reloads the configuration on each signal.
func (d *daemon) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = d.reload(ctx) // it says itself what is wrong
		}
	}
}
