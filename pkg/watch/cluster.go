package watch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/klog/v2"

	"github.com/sniroute/sniroute/pkg/route"
)

const (
	// Changes are looked at as soon as they come, so many in a row; in a burst, no sooner than so long after one
	// another: together at most ten times in any second.
	looksInARow  = 3
	betweenLooks = 140 * time.Millisecond
	// firstLook is how long claims of one kind wait for the other kinds to be read, or not to be readable.
	firstLook = 10 * time.Second
	// lookAtCredentials is how often the credentials' files are looked at.
	lookAtCredentials = 2 * time.Second
	// What the credentials may do is asked again after so long; soon if there was no answer.
	reviewAgain, reviewSoon = time.Hour, 30 * time.Second
	// sayExpiry is how long before their end credentials are a problem.
	sayExpiry = 14 * 24 * time.Hour
)

// A Cluster is a source that follows a Kubernetes API server: Ingresses and IngressClasses, Services, or both. It only
// lists and watches.
//
// While the API server cannot be reached or refuses the credentials, the last known claims stay; after a restart they
// come from the state file. A kind that may not be read, or that the cluster does not serve, leaves the others running.
// Attempts are spaced from half a second to half a minute, with jitter, and go to each of the servers in turn.
//
// Credentials are read again when a file changes and when the API server refuses them; until they can be read, the
// Cluster waits. What a kubeconfig must not have is said by CheckKubeconfig.
type Cluster struct {
	Name string // of the section: Claim.Source

	Servers    []string // https URLs, tried in order
	CAFile     string   // of the authorities that sign the servers' certificates; empty: the system's
	TokenFile  string   // empty: no token
	Kubeconfig string   // in place of the three

	Sources []string // what is read: "ingress", "service"; others are not known yet
	Logger  *slog.Logger

	// Publish receives all claims of the cluster: at once if the state file knows some, when the cluster was read for
	// the first time or could not be, and then whenever they differ. It is called from Run's goroutine, one call at a
	// time; the slice is never changed afterwards.
	Publish func(claims []route.Claim)

	Hold      time.Duration // how long an object that lost its addresses keeps them; 0: not at all
	MaxStale  time.Duration // after so long without contact, what is known of a kind goes; 0: never
	MaxClaims int           // bounds what is published; 0: 16,384

	StateFile *StateFile // loaded; nil: nothing is kept over a restart

	setup     sync.Once
	requests  atomic.Uint32
	link      atomic.Pointer[link]
	client    *http.Client
	followers []*follower
	wake      chan struct{}

	given *credentials // in place of files, for Try; nil: none

	// Of tests; the zero values are for use.
	transport   func(*credentials) http.RoundTripper // nil: the network
	pace        pace
	pings       pings
	mostDecoded int

	reloading sync.Mutex
	reader    credentialReader // guarded by reloading

	mu        sync.Mutex
	started   time.Time // monotonic
	unread    error     // why the credentials cannot be read; nil: they were
	secrets   bool      // the credentials may read Secrets
	addresses map[netip.AddrPort]bool
	published publication

	// Owned by Run.
	memory   *memory
	restored *savedSource
}

// A publication is what was published last, and what is known about it.
type publication struct {
	claims   []route.Claim
	done     bool // something was published
	whole    bool // every kind had been read, or could not be, or not in time
	objects  int
	dropped  int
	changed  time.Time
	problems []Problem
}

// prepare makes what State, Run and Try need.
func (c *Cluster) prepare() {
	c.setup.Do(func() {
		c.wake = make(chan struct{}, 1)
		c.addresses = make(map[netip.AddrPort]bool)
		c.client = &http.Client{Transport: roundTripper(c.roundTrip)}
		if c.pace == (pace{}) {
			c.pace = usualPace()
		}
		if c.pings == (pings{}) {
			c.pings = pings{after: 15 * time.Second, timeout: 10 * time.Second}
		}
		c.mostDecoded = cmp.Or(c.mostDecoded, maxDecoded)
		for _, k := range kindsOf(c.Sources) {
			c.followers = append(c.followers, newFollower(k, c))
		}
	})
}

func (c *Cluster) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// answersAgain lets all kinds ask at once: what one of them could reach, the others can.
func (c *Cluster) answersAgain() {
	for _, f := range c.followers {
		f.mu.Lock()
		failing := f.failure != nil
		f.mu.Unlock()
		if failing {
			f.gate.kick()
		}
	}
}

// Run follows the cluster until ctx is done. It must be called once.
func (c *Cluster) Run(ctx context.Context) error {
	c.prepare()
	if len(c.followers) == 0 {
		return fmt.Errorf("cluster %s: there is nothing to read: source is %v", c.Name, c.Sources)
	}
	// client-go logs what it does for whoever debugs client-go.
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(quiet{c.Logger.Handler()}))
	now := time.Now()
	c.mu.Lock()
	c.started = now
	c.mu.Unlock()
	c.restored = new(savedSource)
	if c.StateFile != nil {
		if known := c.StateFile.restore(c.Name); known != nil {
			c.restored = known
			c.Logger.Info("serving the last known claims until the cluster is read", "source", c.Name,
				"claims", len(known.claims))
		}
	}
	c.memory = restoreMemory(c.restored.claims, c.restored.objects, now)

	c.reload()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { c.keepCredentials(ctx) })
	for _, f := range c.followers {
		running.Go(func() { f.run(ctx) })
	}
	c.publishChanges(ctx)
	return nil
}

// publishChanges publishes until ctx is done.
func (c *Cluster) publishChanges(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pace := rate.NewLimiter(rate.Every(betweenLooks), looksInARow)
	for pace.Wait(ctx) == nil {
		again := c.conclude(time.Now())
		var pause <-chan time.Time
		if again > 0 {
			timer.Reset(again)
			pause = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-pause:
		}
	}
}

// quiet hands on nothing that is not for debugging, and that only where debugging is on.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
