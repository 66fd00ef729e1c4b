package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/logging"
	"github.com/sniroute/sniroute/pkg/proxy"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// A daemon is everything that runs. It is the status.Daemon that the page and the commands ask.
type daemon struct {
	dir     string
	log     *slog.Logger
	level   *slog.LevelVar
	started time.Time
	atStart config.Main // what is read at the start only is in force from it

	own     atomic.Pointer[addresses]
	tables  *route.Holder
	keeper  *keeper
	proxy   *proxy.Proxy
	sources *sources
	bus     *ubus.Client // nil: there is no ubus
	dns     *publisher
	pages   *pages
	control *status.Control

	reloads chan reloadRequest // to the goroutine that reloads
	read    string             // printOf what was read last, in force or not; of that goroutine

	looking sync.Mutex    // held by lookAround: what was read first is not to overwrite what was read later
	router  *route.Router // what was read of the router last without an error, guarded by looking; nil: nothing

	mu      sync.Mutex         // guards what follows
	config  *config.Config     // in force
	state   status.ConfigState // of it
	names   []string           // of the router
	unknown error              // what could not be found out about the router
}

// newDaemon makes a daemon of a configuration, with its lock taken and its listening sockets open: run must be called
// to release them, unless there is an error, with which the process is expected to end.
func newDaemon(dir string, c *config.Config, warnings []config.Warning, level *slog.LevelVar, log *slog.Logger) (
	*daemon, error) {
	d := &daemon{
		dir: dir, log: log, level: level, started: time.Now(), atStart: c.Main,
		tables: new(route.Holder), reloads: make(chan reloadRequest),
	}
	own, err := readAddresses()
	if err != nil {
		return nil, err
	}
	d.own.Store(&own)
	if err := c.Loops(own.has); err != nil {
		return nil, err
	}
	if err := c.ClientSource(proxy.CanBorrow); err != nil {
		return nil, err
	}
	if d.control, err = status.OpenControl(c.Main.Control, log); errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: run sniroute as root, or give another path with 'option control' in the section main",
			err)
	} else if err != nil {
		return nil, err
	}
	d.proxy, err = proxy.New(proxy.Options{Loops: c.Main.Loops, Local: d.isOwn, Linked: d.areLinked, Logger: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the proxy: %w", err), d.control.Close())
	}
	// A loop with traffic keeps its processor; the rest of the daemon gets another, even where there is one core.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), d.proxy.Loops()+1))
	d.keeper = newKeeper(d.tables, d.proxy.SetTable, log)
	d.sources = &sources{publish: d.keeper.setClaims, apis: d.keeper.setAPIServers, log: log}
	d.dns = &publisher{tables: d.tables, folder: runFolder, log: log}
	if d.bus = openBus(d.onBus(), log); d.bus != nil {
		d.dns.bus = d.bus
	}
	d.pages = &pages{daemon: d, log: log}
	if err := d.proxy.Setup(setupOf(c)); err != nil {
		return nil, errors.Join(withRemedy(err), d.control.Close())
	}
	d.note(c, warnings)
	return d, nil
}

// onBus is what the bus is shown of the daemon.
func (d *daemon) onBus() onBus {
	return onBus{
		Daemon: d, file: filepath.Join(d.dir, "sniroute"), own: d.isOwn, folder: ownFolder, log: d.log,
		config: func() *config.Config {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.config
		},
		claims: func() []route.Claim {
			_, claims := d.keeper.inputs()
			return claims
		},
		lines: func() []logging.Line {
			if l, ok := d.log.Handler().(*logging.Log); ok {
				return l.Recent()
			}
			return nil
		},
	}
}

// isOwn reports whether an address is the router's.
func (d *daemon) isOwn(a netip.Addr) bool { return d.own.Load().has(a) }

// areLinked reports whether two addresses are on one link of the router.
func (d *daemon) areLinked(a, b netip.Addr) bool { return d.own.Load().linked(a, b) }

// lookAround reads again what is the router's own, and where API servers are.
func (d *daemon) lookAround() {
	d.looking.Lock()
	defer d.looking.Unlock()
	own, ownErr := readAddresses()
	if ownErr != nil {
		own = *d.own.Load() // better than none: a cluster could claim one
	}
	d.own.Store(&own)
	d.sources.lookAround()
	facts, err := routerFacts(d.dir, own.all, d.router)
	if err == nil {
		d.router = &facts
	}
	err = errors.Join(ownErr, err)
	d.keeper.setRouter(facts)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && (d.unknown == nil || d.unknown.Error() != err.Error()) {
		d.log.Warn("something of the router is not known", "error", err)
	}
	d.unknown = err
	d.names = facts.Names
}

// note remembers the configuration that is in force now.
func (d *daemon) note(c *config.Config, warnings []config.Warning) {
	state := status.ConfigState{Path: c.File, Loaded: true, OK: true, Changed: time.Now(), Warnings: []status.Warning{}}
	for _, w := range warnings {
		problem := config.Problem(w)
		message, remedy := problem.Parts()
		state.Warnings = append(state.Warnings, status.Warning{Text: problem.Where() + ": " + message, Remedy: remedy})
	}
	for _, o := range []struct {
		name    string
		changed bool
	}{
		{"control", c.Main.Control != d.atStart.Control},
		{"loops", c.Main.Loops != d.atStart.Loops},
		{"state_file", c.Main.StateFile != d.atStart.StateFile},
	} {
		if o.changed {
			state.Warnings = append(state.Warnings, status.Warning{
				Text: "option " + o.name + " has changed and is read at the start only", Remedy: "restart sniroute",
			})
		}
	}
	for _, w := range state.Warnings {
		d.log.Warn("configuration", "warning", w)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config, d.state = c, state
}

// Status is part of status.Daemon.
func (d *daemon) Status() status.Status {
	d.mu.Lock()
	c, state, unknown := d.config, d.state, d.unknown
	d.mu.Unlock()
	s := status.Status{
		Version: versionText(), Started: d.started, Config: state, Listeners: []status.ListenerState{},
		Sources: d.sources.states(), DNS: d.dns.state(), Warnings: d.pages.warnings(),
	}
	if unknown != nil {
		s.Warnings = append(s.Warnings, status.Warning{Text: unknown.Error()})
	}
	for _, l := range c.Listeners {
		state := status.ListenerState{
			Name: l.Name, Protocol: "tls", Addresses: l.Listen, Default: l.DefaultBackend, Open: true,
		}
		if l.HTTP {
			state.Protocol, state.HTTPMode, state.ACMEInternal = "http", "acme", l.ACMEInternal
			if l.HTTPRoute {
				state.HTTPMode = "route"
			}
		}
		s.Listeners = append(s.Listeners, state)
	}
	return s
}

// Table is part of status.Daemon.
func (d *daemon) Table() *route.Table { return d.tables.Load() }

// Traffic is part of status.Daemon.
func (d *daemon) Traffic() status.Traffic { return trafficOf(d.proxy.Stats()) }

// Recent is part of status.Daemon.
func (d *daemon) Recent() []status.Connection { return connectionsOf(d.proxy.Recent()) }
