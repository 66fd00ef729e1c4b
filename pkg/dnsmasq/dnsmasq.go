// Package dnsmasq tells the LAN's DNS where the names of a route table are.
//
// It writes two files in RAM and has dnsmasq read them again, which takes milliseconds, drops nobody and wears no flash:
//
//   - The hosts file (dnsmasq's --addn-hosts or UCI's /tmp/hosts) answers A and AAAA questions.
//   - The servers file (dnsmasq's --servers-file) keeps every other question for these names, HTTPS (RFC 9460) above
//     all, from going upstream, where an NXDOMAIN or an ECH key of the public site could break the name. Names below
//     them, _acme-challenge for one, still go upstream.
//
// Both files are rewritten in place, because their folder is root's and only they were made for the daemon. A write that
// fails, a full disk for one, leaves the old content where that is possible, and is tried again until it succeeds.
//
// Typical use, once the first table is stored (an empty holder would withdraw all names that an earlier run published):
//
//	p, err := dnsmasq.New(dnsmasq.Options{HostsFile: "/tmp/hosts/sniroute", ...})
//	err = p.Run(ctx, tables)
package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// Options say where the files are and how dnsmasq is told of them.
type Options struct {
	HostsFile   string
	ServersFile string   // empty: questions that the hosts file does not answer go upstream
	Notify      string   // one of the Notify constants; empty: NotifyAuto
	Instances   []string // the dnsmasq instances (UCI section names) to tell; nil: all
	PIDFiles    []string // patterns of path/filepath.Match; nil: where OpenWrt and Debian keep them
	Logger      *slog.Logger
}

// The ways to tell dnsmasq that its files have changed.
const (
	NotifyAuto   = "auto"
	NotifySignal = "signal" // SIGHUP to the processes of the PID files
	NotifyNone   = "none"   // somebody else sees to it
)

// State is what was published.
type State struct {
	Records   int       // names that LAN DNS answers
	Skipped   int       // records that could not be published
	Published time.Time // when what is published was last seen to be what should be; zero: never
	Notify    string    // the way that told dnsmasq last
	Err       error     // why what is published is not what should be; nil if it is
}

const (
	pause      = 100 * time.Millisecond // between two changes: dnsmasq forgets its cache with each
	firstRetry = time.Second            // doubles with each failure
	lastRetry  = time.Minute
)

// A Publisher writes records for dnsmasq. Run may be called once.
type Publisher struct {
	options  Options
	notifier notifier
	pending  bool // the files hold what dnsmasq has perhaps not read; Run's alone

	mu    sync.Mutex
	state State // guarded by mu
}

// New makes a Publisher. Nothing is touched before Run.
func New(o Options) (*Publisher, error) {
	if o.HostsFile == "" {
		return nil, errors.New("publishing names to dnsmasq: no hosts file is given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	n, err := newNotifier(o)
	if err != nil {
		return nil, err
	}
	return &Publisher{options: o, notifier: n, pending: true}, nil
}

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

// follow publishes the records whenever they have changed, and again after a failure, until ctx ends.
func (p *Publisher) follow(ctx context.Context, changed <-chan struct{}, records func() []route.Record) {
	var retry <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-retry:
		}
		if p.publish(ctx, records()) {
			retry, wait = nil, firstRetry
		} else {
			retry, wait = time.After(wait), min(2*wait, lastRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Withdraw publishes that there are no names, once, for a daemon whose DNS was switched off. Files that do not exist
// are not made.
func Withdraw(ctx context.Context, o Options) error {
	p, err := New(o)
	if err != nil {
		return err
	}
	if !exists(o.HostsFile) && !exists(o.ServersFile) {
		return nil
	}
	p.publish(ctx, nil)
	return p.State().Err
}

// publish makes dnsmasq answer the records and reports whether it does.
func (p *Publisher) publish(ctx context.Context, records []route.Record) bool {
	files := render(records)
	err := p.write(files)
	if p.pending {
		if told := p.notifier.notify(ctx); told != nil {
			err = errors.Join(err, fmt.Errorf("telling dnsmasq: %w", told))
		} else {
			p.pending = false
		}
	}
	p.note(files, err)
	return err == nil
}

// write writes both files, the hosts file first: a servers file alone would make its names disappear.
func (p *Publisher) write(files files) error {
	changed, err := rewrite(p.options.HostsFile, files.hosts)
	p.pending = p.pending || changed
	if err != nil {
		return fmt.Errorf("publishing %d names: %w", files.records, err)
	}
	if p.options.ServersFile == "" {
		return nil
	}
	changed, err = rewrite(p.options.ServersFile, files.servers)
	p.pending = p.pending || changed
	if err != nil {
		return fmt.Errorf("keeping questions for %d names from going upstream: %w", files.records, err)
	}
	return nil
}

// note remembers the outcome for State and logs it when it differs from the last one.
func (p *Publisher) note(files files, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.state
	p.state.Err = err
	p.state.Notify = p.notifier.name()
	log := p.options.Logger
	if err != nil {
		if before.Err == nil || before.Err.Error() != err.Error() {
			log.Error("LAN DNS is not up to date; trying again", "error", err)
		}
		return
	}
	p.state.Records, p.state.Skipped, p.state.Published = files.records, files.skipped, time.Now()
	if before.Err != nil {
		log.Info("LAN DNS is up to date again", "records", files.records)
	}
	if before.Published.IsZero() || before.Records != files.records || before.Skipped != files.skipped {
		log.Info("published names to dnsmasq", "records", files.records, "skipped", files.skipped)
	}
}
