package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/logging"
)

const (
	// firstClaims is how long connections wait at the start for the sources to be read once. Until then a name that a
	// source claims would be unknown, and go to the default backend.
	firstClaims = 3 * time.Second

	// lookAgain is how often the router's own names and addresses are read although nothing told of a change.
	lookAgain = 30 * time.Second
)

// run is the daemon. It returns when ctx ends, which SIGTERM does.
func run(ctx context.Context, in invocation) error {
	f := newFlags(false)
	logTo := f.String("log", logging.Auto, "`where` the log goes: auto, syslog or stderr")
	if _, err := f.parse(in.args); err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // first of all: without it the signal would end the process
	defer signal.Stop(hangup)
	level := new(slog.LevelVar)
	output, err := logging.Open(logging.Options{To: *logTo, Level: level, Stderr: in.stderr})
	if err != nil {
		return usageError(err.Error())
	}
	defer output.Close()
	log := slog.New(output)
	path, data, err := config.Read(*f.dir)
	if err != nil {
		return err
	}
	c, warnings, err := config.Parse(path, data)
	if err != nil {
		return err
	}
	level.Set(c.Main.LogLevel)
	d, err := newDaemon(*f.dir, c, warnings, level, log)
	if err != nil {
		return err
	}
	d.read = printOf(data, nil)
	return d.run(ctx, c, hangup)
}

// run starts everything in the order in which one needs the other, serves until ctx ends, and ends it in reverse.
func (d *daemon) run(ctx context.Context, c *config.Config, hangup <-chan os.Signal) error {
	d.log.Info("sniroute starts", "version", versionText(), "config", c.File)
	d.lookAround()
	d.sources.set(ctx, c)
	defer d.sources.stop()
	d.keeper.setPolicy(policyOf(c))
	d.firstTable(ctx)
	defer start(ctx, d.keeper.run).stop()
	defer start(ctx, d.watchRouter).stop()
	if d.bus != nil {
		defer start(ctx, d.speakUBus).stop()
	}
	d.dns.set(ctx, c.DNS)
	defer d.dns.stop()
	d.pages.set(ctx, d.pagesOf(c))
	defer d.pages.stop()
	defer start(ctx, func(ctx context.Context) { d.reloadOnDemand(ctx, hangup) }).stop()
	defer start(ctx, d.followConfig).stop()
	defer start(ctx, d.answer).stop()
	d.greet(c)
	debug.FreeOSMemory() // what a large state file or configuration left behind
	if err := d.proxy.Run(ctx); err != nil {
		return fmt.Errorf("the proxy has failed: %w", err)
	}
	d.log.Info("sniroute ends")
	return nil
}

// answer answers the commands that come over the control socket.
func (d *daemon) answer(ctx context.Context) {
	if err := d.control.Serve(ctx, d); err != nil {
		d.log.Error("commands are no longer answered", "error", err)
	}
}

// watchRouter keeps up with what is the router's own.
func (d *daemon) watchRouter(ctx context.Context) {
	whenAddressesChange(ctx, lookAgain, d.log, d.lookAround)
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
		d.log.Info("listening", "listener", l.Name, "addresses", l.Listen)
	}
	if len(c.Listeners) == 0 {
		d.log.Warn("waiting for a listener: none is configured, so no connections are taken", "file", c.File)
	}
	if len(c.Routes)+len(c.Manifests)+len(c.Clusters) == 0 {
		d.log.Warn("waiting for a route, a cluster or manifests: none is configured, so no names are known", "file", c.File)
	}
}
