// Package dnsmasq tells the LAN's DNS where the names of a route table are.
//
// It writes two files in RAM and has dnsmasq read them again, which takes milliseconds, drops nobody and wears no
// flash:
//
//   - The hosts file (dnsmasq's --addn-hosts, or a file in OpenWrt's /tmp/hosts) answers A and AAAA questions.
//   - The servers file (dnsmasq's --servers-file) keeps every other question for these names, HTTPS (RFC 9460) above
//     all, from going upstream, where an NXDOMAIN or an ECH key of the public site could break the name. Names below
//     them, _acme-challenge for one, still go upstream.
//
// Two more files are for what dnsmasq does not read again, and for those who want to see names in LuCI:
//
//   - The wildcards file (part of dnsmasq's configuration) answers names of which only a wildcard is claimed. dnsmasq
//     has to start again for it, so that happens only when it changes, and at most once a minute.
//   - The domains file, in ModeUCI, is what the init script makes dhcp domain sections of, instead of the hosts file.
//
// All are rewritten in place, because their folder may be root's and only they were made for the daemon. A write that
// fails, on a full disk for one, leaves the old content where that is possible, and is tried again until it succeeds.
//
// A wildcard answers names at any depth, also where the claim takes one label: dnsmasq knows no other. Names below an
// exact name go upstream even if a wildcard further up is claimed.
//
// Typical use, once the first table is stored (an empty holder would withdraw all names that an earlier run published):
//
//	p, err := dnsmasq.New(dnsmasq.Options{HostsFile: "/tmp/hosts/sniroute", ...})
//	err = p.Run(ctx, tables)
package dnsmasq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// Options say where the files are and how dnsmasq is told of them.
type Options struct {
	Mode          string // ModeHosts or ModeUCI; empty: ModeHosts
	HostsFile     string
	ServersFile   string // empty: questions that the hosts file does not answer go upstream
	WildcardsFile string // empty: wildcards are not published
	DomainsFile   string // needed for ModeUCI alone

	Notify    string   // one of the Notify constants; empty: NotifyAuto
	Instances []string // the dnsmasq instances to tell: sections of /etc/config/dhcp; nil: all
	PIDFiles  []string // for NotifySignal, patterns of path/filepath.Match; nil: where OpenWrt and Debian keep them
	UBus      Caller   // for NotifyUBus; nil: there is no ubus
	DBus      string   // for NotifyDBus: the address of the bus; empty: the system bus

	// Hook is a program that is run with the hosts file's name after each change, for other DNS servers. After
	// NotifyUBus it is not: there the init script runs it, as root.
	Hook string

	Logger *slog.Logger
}

// Where names are published.
const (
	ModeHosts = "hosts" // the hosts file
	ModeUCI   = "uci"   // dhcp domain sections in /etc/config/dhcp, through the domains file
)

// The ways to tell dnsmasq that its files have changed.
const (
	NotifyAuto   = "auto"   // ubus where it is there and works, else signal
	NotifyUBus   = "ubus"   // an event to procd, which does the rest as root
	NotifySignal = "signal" // SIGHUP to the processes of the PID files
	NotifyDBus   = "dbus"   // method calls, which replace the servers file
	NotifyNone   = "none"   // somebody else sees to it
)

// A Caller calls methods on OpenWrt's bus; *ubus.Client is one.
type Caller interface {
	Call(ctx context.Context, path, method string, args ubus.Table) (ubus.Table, error)
}

// State is what was published.
type State struct {
	Records   int       // names that LAN DNS answers
	Skipped   int       // records that could not be published
	Published time.Time // when what is published was last seen to be what should be; zero: never
	Notify    string    // the way that told dnsmasq last; empty: none has yet
	Err       error     // why what is published is not what should be; nil if it is
}

const (
	pause           = 100 * time.Millisecond // between two changes: dnsmasq forgets its cache with each
	firstRetry      = time.Second            // doubles with each failure
	lastRetry       = time.Minute
	restartInterval = time.Minute // between two restarts of dnsmasq: the LAN has no DNS for seconds
)

// A Publisher writes records for dnsmasq. Run may be called once.
type Publisher struct {
	options  Options
	notifier notifier
	chores   chores    // what remains to be done; Run's alone
	restart  time.Time // when dnsmasq may be restarted again; Run's alone

	mu    sync.Mutex
	state State // guarded by mu
}

// New makes a Publisher. Nothing is touched before Run.
func New(o Options) (*Publisher, error) {
	n, err := newNotifier(o)
	switch {
	case err != nil:
	case o.HostsFile == "":
		err = errors.New("no hosts file is given")
	case o.Mode != "" && o.Mode != ModeHosts && o.Mode != ModeUCI:
		err = fmt.Errorf("there is no mode %q", o.Mode)
	case o.Mode == ModeUCI && o.UBus == nil:
		err = errors.New("mode uci needs OpenWrt's ubus, and there is none: mode hosts does without")
	case o.Mode == ModeUCI && (o.DomainsFile == "" || !usesUBus(o)):
		err = errors.New("mode uci needs notify by ubus, which tells the init script to write the sections")
	}
	if err != nil {
		return nil, fmt.Errorf("publishing names to dnsmasq: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Publisher{options: o, notifier: n, chores: chores{reload: true, hook: true}}, nil
}

// Mode returns how names are published: ModeHosts or ModeUCI.
func (p *Publisher) Mode() string { return cmp.Or(p.options.Mode, ModeHosts) }

// State returns what was published.
func (p *Publisher) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Run publishes the records of each table until ctx ends, and returns nil then. What it published stays.
func (p *Publisher) Run(ctx context.Context, tables *route.Holder) error {
	changed, cancel := tables.Subscribe()
	defer cancel()
	p.follow(ctx, changed, func() []route.Record { return tables.Load().Records() })
	return nil
}

// follow publishes the records whenever they have changed, when dnsmasq has lost them, and again after a failure, until
// ctx ends.
func (p *Publisher) follow(ctx context.Context, changed <-chan struct{}, records func() []route.Record) {
	defer p.notifier.close()
	var again <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-p.notifier.forgotten():
			p.chores.reload = true
		case <-again:
		}
		again = nil
		if !p.publish(ctx, records()) {
			again, wait = time.After(wait), min(2*wait, lastRetry)
		} else {
			wait = firstRetry
			if p.chores.restart {
				again = time.After(time.Until(p.restart))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Withdraw publishes that there are no names, once, for a daemon whose DNS was switched off or moved to other files.
// Files that do not exist are not made.
func Withdraw(ctx context.Context, o Options) error {
	p, err := New(o)
	if err != nil {
		return err
	}
	defer p.notifier.close()
	p.chores = chores{reload: o.Notify == NotifyDBus}
	content := p.content(nil)
	for i := range content.files {
		content.files[i].optional = true
	}
	return errors.Join(p.write(content), p.do(ctx, content))
}

// publish makes dnsmasq answer the records and reports whether all is done that can be done now.
func (p *Publisher) publish(ctx context.Context, records []route.Record) bool {
	content := p.content(records)
	err := errors.Join(p.write(content), p.do(ctx, content))
	if ctx.Err() == nil { // what fails because the daemon ends is no news
		p.note(content, err)
	}
	return err == nil
}

// write writes the files and remembers the chores that follow. After a failure it leaves the later ones alone.
func (p *Publisher) write(c content) error {
	for _, f := range c.files {
		if f.optional && !exists(f.path) {
			continue
		}
		changed, err := rewrite(f.path, f.text)
		if changed {
			p.chores = p.chores.and(f.then)
		}
		if err != nil {
			return fmt.Errorf("publishing %d names: %w", c.records, err)
		}
	}
	return nil
}

// note remembers the outcome for State and logs it when it differs from the last one.
func (p *Publisher) note(c content, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.state
	p.state.Err = err
	log := p.options.Logger
	if err != nil {
		if before.Err == nil || before.Err.Error() != err.Error() {
			log.Error("LAN DNS is not up to date; trying again", "error", err)
		}
		return
	}
	p.state.Records, p.state.Skipped, p.state.Published = c.records, c.skipped, time.Now()
	if before.Err != nil {
		log.Info("LAN DNS is up to date again", "records", c.records)
	}
	if before.Published.IsZero() || before.Records != c.records || before.Skipped != c.skipped {
		log.Info("published names to dnsmasq", "records", c.records, "skipped", c.skipped)
	}
}
