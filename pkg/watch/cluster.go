package watch

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/sniroute/sniroute/pkg/route"
)

const (
	// Changes are looked at as soon as they come, so many in a row; in a burst, no sooner than so long after one another:
	// together at most ten times in any second.
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
	var due time.Time // when the next look would be made if all were evenly spaced
	for {
		now := time.Now()
		if due.Before(now) {
			due = now
		}
		due = due.Add(betweenLooks)
		again := c.conclude(now)
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
		if ahead := time.Until(due) - (looksInARow-1)*betweenLooks; ahead > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(ahead):
			}
		}
	}
}

// conclude publishes the claims if they differ, and returns after how long it must look again although nothing changed;
// 0: never.
func (c *Cluster) conclude(now time.Time) time.Duration {
	view := c.look(now)
	claims := view.objects.Claims(c.Name)
	next := c.memory.apply(claims, ask{now: now, hold: c.Hold, frozen: !view.contact, class: view.objects.ownClass(), live: view.live})
	claims = append(claims, c.unreadClaims(view)...)
	if !view.whole && len(claims) == 0 && !c.published.done {
		return view.again // nothing is known yet, and that is no reason to say that there is nothing
	}
	claims, dropped := limitClaims(claims, cmp.Or(c.MaxClaims, defaultMaxClaims))
	objects := c.memory.save(claims, now)
	problems := c.problemsOf(view, dropped)

	c.mu.Lock()
	changed := !c.published.done || !equalClaims(claims, c.published.claims)
	unusual := !sameSaved(objects, c.restored.objects)
	p := publication{claims: claims, done: true, whole: view.whole, objects: view.count, dropped: dropped,
		changed: c.published.changed, problems: sinceBefore(problems, c.published.problems, now)}
	if changed {
		p.changed = now
	}
	c.published = p
	c.mu.Unlock()

	if changed || unusual {
		// What is saved is also what stands for kinds that are no longer read.
		c.restored = &savedSource{claims: claims, objects: objects}
		if c.StateFile != nil {
			c.StateFile.save(c.Name, claims, objects)
		}
	}
	if changed && view.whole {
		c.Logger.Info("claims changed", "source", c.Name, "objects", view.count, "claims", len(claims))
	}
	if changed {
		c.Publish(claims)
	}
	if !next.IsZero() && (view.again == 0 || next.Sub(now) < view.again) {
		return max(next.Sub(now), time.Millisecond)
	}
	return view.again
}

// A view is what the followers know at one moment.
type view struct {
	objects Objects
	count   int
	read    map[string]bool // kinds ("Ingress") whose claims are in objects
	gone    map[string]bool // kinds that nothing is said about any more: MaxStale has passed
	left    []string        // problems of objects that found no room
	whole   bool            // every kind was read, or could not be, or not in time
	contact bool            // no kind that is read has failed
	again   time.Duration   // after which MaxStale passes for a kind; 0: never
}

func (v *view) live(kind string) bool { return v.read[kind] }

func (c *Cluster) look(now time.Time) *view {
	v := &view{read: make(map[string]bool), gone: make(map[string]bool), whole: true, contact: true}
	for _, f := range c.followers {
		f.mu.Lock()
		failure, asked, last := f.failure, f.asked, f.lastContact
		f.mu.Unlock()
		if failure != nil && c.MaxStale > 0 {
			if last.IsZero() {
				last = c.started
			}
			if left := c.MaxStale - now.Sub(last); left <= 0 {
				v.gone[f.name] = true
				continue
			} else if v.again == 0 || left < v.again {
				v.again = left
			}
		}
		kept, left, read := f.store.collect(&v.objects, f.add)
		v.count += kept
		if read {
			v.read[f.name] = true
		}
		v.whole = v.whole && (read || asked && failure != nil)
		v.contact = v.contact && failure == nil
		if left > 0 {
			v.left = append(v.left, fmt.Sprintf("%d %s found no room: each namespace may have %d MB, all together %d MB", left,
				f.resource, maxKeptOfNamespace>>20, maxKept>>20))
		}
	}
	if left := firstLook - now.Sub(c.started); !v.whole && !c.published.whole && left > 0 {
		// What is known of one kind decides what another means: wait for all of them.
		return &view{whole: false, again: left}
	}
	v.whole = true
	if name := c.knownDefaultClass(); name != "" && !v.read["IngressClass"] {
		class := &IngressClass{Metadata: Metadata{Name: name, Annotations: Pairs{annotationDefaultClass: "true"}}}
		v.objects.IngressClasses = append(v.objects.IngressClasses, class)
	}
	return v
}

// knownDefaultClass returns the default IngressClass that the last known claims had, where IngressClasses are not read.
func (c *Cluster) knownDefaultClass() string {
	for _, claim := range c.restored.claims {
		if saved, unusual := c.restored.objects[claim.Object]; unusual && saved.Class == "" && claim.Class != "" {
			return claim.Class
		}
	}
	return ""
}

// unreadClaims returns the last known claims of the kinds that have not been read since the start.
func (c *Cluster) unreadClaims(v *view) []route.Claim {
	var claims []route.Claim
	for _, f := range c.followers {
		if v.read[f.name] || v.gone[f.name] {
			continue
		}
		for _, claim := range c.restored.claims {
			if claim.Object.Kind == f.name {
				claims = append(claims, claim)
			}
		}
	}
	return claims
}

// problemsOf returns what a person should mend, of what the view tells.
func (c *Cluster) problemsOf(v *view, dropped int) (problems []Problem) {
	for _, left := range v.left {
		problems = append(problems, Problem{Place: c.Name, Message: left})
	}
	if dropped > 0 {
		problems = append(problems, Problem{Place: c.Name, Message: fmt.Sprintf("there are %d claims too many, which were left out", dropped)})
	}
	for _, o := range c.memory.staleObjects() {
		problems = append(problems, Problem{Place: o.String(), Message: "its class has changed, and its status still has the " +
			"address that the old class's controller wrote: it claims nothing until that changes"})
	}
	return problems
}

// roundTrip carries a request to the API server.
func (c *Cluster) roundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if err != nil {
			noteAttempt(req.Context(), err)
		}
	}()
	l := c.link.Load()
	if l == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, c.unread
	}
	resp, err = l.roundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && c.reload() {
		if fresh := c.link.Load(); fresh.token != l.token || fresh.certificate != l.certificate {
			resp.Body.Close()
			resp, err = fresh.roundTrip(req)
		}
	}
	if err != nil {
		return nil, err
	}
	return bounded(req, resp)
}

// reload reads the credentials again and reports whether they differ.
func (c *Cluster) reload() bool {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.reader = credentialReader{}
	var fresh *credentials
	var err error
	if c.Kubeconfig != "" {
		fresh, err = c.reader.kubeconfig(c.Kubeconfig)
	} else {
		fresh, err = c.reader.options(c.Servers, c.CAFile, c.TokenFile)
	}
	c.mu.Lock()
	before := c.unread
	c.unread = err
	c.mu.Unlock()
	if err != nil {
		if before == nil || before.Error() != err.Error() {
			c.Logger.Warn("the credentials cannot be read", "source", c.Name, "problem", err.Error())
		}
		return false
	}
	old := c.link.Load()
	if old != nil && old.equal(fresh) {
		return false
	}
	l := newLink(fresh, c.pings, c.clock, c.dialled, &c.requests)
	if c.transport != nil {
		l.transport = c.transport(fresh)
	}
	c.mu.Lock()
	c.secrets = false
	for _, server := range fresh.servers {
		if a, err := netip.ParseAddrPort(hostPort(server)); err == nil {
			c.note(a)
		}
	}
	c.mu.Unlock()
	c.link.Store(l)
	if old != nil {
		c.Logger.Info("the credentials have changed", "source", c.Name)
		old.close()
	}
	for _, f := range c.followers {
		f.drop()
	}
	return true
}

// keepCredentials looks after the credentials until ctx is done: whether their files changed, and what they may do.
func (c *Cluster) keepCredentials(ctx context.Context) {
	ticker := time.NewTicker(lookAtCredentials)
	defer ticker.Stop()
	var reviewed *link
	var reviewNext time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.reloading.Lock()
		changed := c.reader.changed()
		c.reloading.Unlock()
		if changed || c.link.Load() == nil {
			c.reload()
		}
		l := c.link.Load()
		if l == nil || !c.inContact() || l == reviewed && time.Now().Before(reviewNext) {
			continue
		}
		reviewed, reviewNext = l, time.Now().Add(reviewSoon)
		if c.reviewSecrets(ctx) {
			reviewNext = time.Now().Add(reviewAgain)
		}
	}
}

// inContact reports whether a request of any kind went well last.
func (c *Cluster) inContact() bool {
	return slices.ContainsFunc(c.followers, func(f *follower) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.asked && f.failure == nil
	})
}

// clock is the time at which the API server's certificate is judged.
func (c *Cluster) clock() time.Time {
	if c.StateFile != nil {
		return c.StateFile.Clock()
	}
	return time.Now()
}

// dialled notes an address that is connected to.
func (c *Cluster) dialled(a netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(a)
}

// note adds to the API server's addresses, of which there are few. The caller holds mu.
func (c *Cluster) note(a netip.AddrPort) {
	if len(c.addresses) < 64 {
		c.addresses[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())] = true
	}
}

// An attempt receives the error of a request where rest hides it.
type attempt struct{ err error }

type attemptKey struct{}

func withAttempt(ctx context.Context) (context.Context, *attempt) {
	a := new(attempt)
	return context.WithValue(ctx, attemptKey{}, a), a
}

func noteAttempt(ctx context.Context, err error) {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		a.err = err
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
