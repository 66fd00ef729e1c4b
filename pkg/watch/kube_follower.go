package watch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	// streamedListQuiet is how long a streamed list may say nothing before it is taken for one that will not end: there
	// are servers that ignore what they do not know.
	streamedListQuiet = 20 * time.Second
	// listInstead is how long lists are asked for page by page after a server did not stream one.
	listInstead = time.Hour
)

// A follower keeps the store of one kind up to date. client-go's Reflector decides what to ask for; when it is asked,
// and what an answer may be, is decided here, because the Reflector's own backoff is not ended by its context.
type follower struct {
	kind
	client *http.Client
	most   int // bytes of memory that a list may take while it is read
	log    *slog.Logger
	place  func() string // of the API server that is spoken to
	wake   func()        // called when something changed
	back   func()        // called when the API server answers again
	store  store
	gate   gate

	mu          sync.Mutex
	streams     map[*stream]bool // open watches
	failure     *failure         // why the last request failed; nil: it went well, or there was none
	lastContact time.Time        // when the API server last said something about the kind; monotonic; zero: never
	asked       bool             // a first request has succeeded or failed
	pagedUntil  time.Time        // until when lists are not streamed
}

func newFollower(k kind, c *Cluster) *follower {
	f := &follower{kind: k, client: c.client, most: c.mostDecoded, log: c.Logger.With("source", c.Name), place: c.place,
		wake: c.wakeUp, back: c.answersAgain, streams: make(map[*stream]bool)}
	f.gate.pace = c.pace
	f.store.changed, f.store.replaced = c.wakeUp, f.contact
	return f
}

// run follows the kind until ctx is done.
func (f *follower) run(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(
		&cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.watch}, f.newObject(), &f.store,
		cache.ReflectorOptions{
			Name: f.resource, TypeDescription: f.resource,
			// The gate waits; this is only how soon the Reflector comes to it.
			Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 1, Steps: 1},
		})
	for ctx.Err() == nil {
		_ = reflector.ListAndWatchWithContext(ctx) // its errors were seen in list and watch
	}
}

// request begins a request for the kind; s is nil if it is no watch.
func (f *follower) request(s *stream) *rest.Request {
	c := codec{newObject: f.newObject, newList: func() runtime.Object { return f.newList() }, most: f.most, stream: s}
	return newRequest(f.client, http.MethodGet, c, schema.GroupVersion{Group: f.group, Version: f.version}, f.path())
}

// newRequest begins a request for a path. Server and credentials are filled in by the link that carries it.
func newRequest(client *http.Client, method string, negotiator runtime.ClientNegotiator, gv schema.GroupVersion,
	path string) *rest.Request {
	config := rest.ClientContentConfig{
		AcceptContentTypes: contentTypeJSON, ContentType: contentTypeJSON, GroupVersion: gv, Negotiator: negotiator,
	}
	c, err := rest.NewRESTClient(&url.URL{Scheme: "https", Host: "cluster.invalid"}, "", config, nil, client)
	if err != nil {
		panic(err) // it never returns one
	}
	return c.Verb(method).MaxRetries(0).WarningHandler(rest.NoWarnings{}).AbsPath(path)
}

// list reads all objects, page by page.
func (f *follower) list(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
	if err := f.gate.wait(ctx); err != nil {
		return nil, err
	}
	all, err := f.allPages(ctx)
	if isExpired(err) { // it took longer than the server remembers: once more
		all, err = f.allPages(ctx)
	}
	if err != nil {
		f.fail(ctx, err)
		return nil, forReflector(err, true)
	}
	f.succeed()
	return all, nil
}

func (f *follower) allPages(ctx context.Context) (pages, error) {
	all := f.newList()
	for range maxPages {
		page, err := f.page(ctx, all.GetContinue())
		if err != nil {
			return nil, err
		}
		if all.join(page); all.weight() > f.most {
			return nil, errTooMuch
		}
		if all.GetContinue() == "" {
			return all, nil
		}
	}
	return nil, errTooMuch
}

func (f *follower) page(ctx context.Context, from string) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request := f.request(nil).Param("limit", strconv.Itoa(objectsOfOnePage))
	if from != "" {
		request.Param("continue", from)
	}
	page := f.newList()
	return page, request.Do(ctx).Into(page)
}

// watch opens a watch, which may begin with a streamed list.
func (f *follower) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	streamed := options.SendInitialEvents != nil && *options.SendInitialEvents
	if streamed && !f.mayStream() {
		return nil, errors.New("this server does not stream lists")
	}
	if err := f.gate.wait(ctx); err != nil {
		return nil, err
	}
	limit := 10 * time.Minute
	if options.TimeoutSeconds != nil {
		limit = time.Duration(*options.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit+requestTimeout)
	ctx, attempt := withAttempt(ctx)
	// An answer must begin soon; how long it goes on is another matter.
	ctx, giveUp := context.WithCancelCause(ctx)
	answered := time.AfterFunc(headerTimeout, func() { giveUp(errNoAnswer) })
	defer answered.Stop()
	s := f.newStream(ctx, func() { giveUp(nil); cancel() }, streamed)
	request := f.request(s).Param("watch", "true").Param("allowWatchBookmarks", "true").
		Param("timeoutSeconds", strconv.Itoa(int(limit/time.Second)))
	if options.ResourceVersion != "" {
		request.Param("resourceVersion", options.ResourceVersion)
	}
	if streamed {
		request.Param("sendInitialEvents", "true").Param("resourceVersionMatch", string(options.ResourceVersionMatch))
	}
	w, err := request.Watch(ctx)
	if s.body != nil {
		return w, nil // what becomes of it, the stream tells
	}
	if err == nil { // rest makes an empty watch of some errors
		w.Stop()
		err = cmp.Or(attempt.err, errNoAnswer)
	}
	if context.Cause(ctx) == errNoAnswer {
		err = &unreachable{f.place(), errNoAnswer}
	}
	if streamed && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) {
		f.doNotStream()
	} else {
		f.fail(ctx, err)
	}
	giveUp(nil)
	cancel()
	return nil, forReflector(err, streamed)
}

var errNoAnswer = errors.New("no answer in time")

// newStream returns the stream of a watch that is about to be opened.
func (f *follower) newStream(ctx context.Context, cancel func(), streamed bool) *stream {
	s := new(stream)
	var opened time.Time
	var broken atomic.Bool
	// The timer runs until a streamed list has ended.
	quiet := time.AfterFunc(streamedListQuiet, func() {
		f.doNotStream()
		_ = s.Close()
	})
	quiet.Stop()
	s.opened = func() {
		opened = time.Now()
		f.mu.Lock()
		f.streams[s] = true
		f.mu.Unlock()
		f.succeed()
		if streamed {
			quiet.Reset(streamedListQuiet)
		}
	}
	s.alive = func() {
		f.contact()
		if streamed {
			quiet.Reset(streamedListQuiet)
		}
	}
	s.complete = func() {
		streamed = false
		quiet.Stop()
	}
	s.failed = func(err error) {
		broken.Store(true)
		f.fail(ctx, err)
	}
	s.closed = func() {
		quiet.Stop()
		f.mu.Lock()
		delete(f.streams, s)
		f.mu.Unlock()
		if time.Since(opened) < shortWatch && !broken.Load() {
			f.gate.failed(false)
		}
		cancel()
	}
	return s
}

// drop ends the open watches, so that they are opened again with what has changed.
func (f *follower) drop() {
	f.mu.Lock()
	streams := slices.Collect(maps.Keys(f.streams))
	f.mu.Unlock()
	for _, s := range streams {
		_ = s.Close()
	}
	f.gate.kick()
}

func (f *follower) mayStream() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !time.Now().Before(f.pagedUntil)
}

func (f *follower) doNotStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pagedUntil = time.Now().Add(listInstead)
}

// contact notes that the API server said something.
func (f *follower) contact() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastContact = time.Now()
}

// succeed notes that a request went well.
func (f *follower) succeed() {
	f.mu.Lock()
	before := f.failure
	f.failure, f.asked, f.lastContact = nil, true, time.Now()
	f.mu.Unlock()
	f.gate.went()
	if before != nil {
		if before.reason != reasonBroken {
			f.log.Info("the cluster can be read again", "resource", f.resource)
		}
		f.back()
	}
	f.wake()
}

// fail notes that a request failed, unless it was ended from here.
func (f *follower) fail(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) && context.Cause(ctx) != errNoAnswer {
		return
	}
	now := explain(&f.kind, err)
	f.mu.Lock()
	before := f.failure
	if !isExpired(err) { // that is an ordinary thing: the Reflector begins anew
		f.failure, f.asked = &now, true
	}
	f.mu.Unlock()
	changed := before == nil || before.reason != now.reason
	if changed && now.answered {
		f.gate.went() // the server is back: an API server that starts forbids everything for a moment
	}
	f.gate.failed(now.refused)
	if changed && !isExpired(err) {
		level := slog.LevelWarn
		if now.reason == reasonBroken {
			level = slog.LevelDebug // most often it is opened again at once
		}
		f.log.Log(ctx, level, "the cluster cannot be read; what is known of it stays", "resource", f.resource,
			"reason", now.reason, "problem", now.message)
	}
	f.wake()
}

// forReflector hides errors upon which the Reflector would wait by itself, deaf to its context. opening says that it
// asked for a whole list; going on with a watch it may know.
func forReflector(err error, opening bool) error {
	if apierrors.IsTooManyRequests(err) || opening && utilnet.IsConnectionRefused(err) {
		return errors.New(err.Error())
	}
	return err
}
