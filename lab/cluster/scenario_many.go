package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/controlplane"
	"github.com/sniroute/sniroute/lab/cluster/played"
)

// The times that the project promises.
const (
	promisedMedian = 100 * time.Millisecond // from apply to routed and answered
	promisedWorst  = 500 * time.Millisecond
	promisedTable  = 5 * time.Second // first full table of 3,000 Ingresses
	promisedRSS    = 60 << 20        // bytes, then
	promisedIdle   = 30 << 20        // with 100 Ingresses
)

// latency measures how long it takes from an Ingress with a status to a routed connection and a right answer.
func latency(t *T) {
	t.StopController("external") // the status is written here, at a time that is known
	t.promise("from an Ingress's status to routed and answered", t.measure(100, "lat", quiet))
	t.promise("the same, the status right behind the Ingress", t.measure(20, "quick", 0))
	rss, err := t.RSS()
	t.Must(err)
	t.Logf("the daemon that watches 123 Ingresses uses %.1f MB", float64(rss)/(1<<20))
	if rss > promisedIdle {
		t.Errorf("that is more than %d MB", promisedIdle>>20)
	}
}

// quiet is how long nothing happens before a status is written, so that the daemon, which paces itself in a burst, does
// not take the Ingress itself and its status for one.
const quiet = 250 * time.Millisecond

// measure deploys n hosts one after the other, a status so long after its Ingress, and returns how long each took from
// there to be routed and answered.
func (t *T) measure(n int, prefix string, between time.Duration) []time.Duration {
	const pause = 3 * time.Millisecond
	// Starting dig would take longer than what is measured.
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return t.House.Client.Dial(ctx, network, netip.AddrPortFrom(t.House.Router.IPv4, 53).String())
	}}
	var took []time.Duration
	for i := range n {
		host := fmt.Sprintf("%s%d.k8s.example.com", prefix, i)
		object := ingress("blog", fmt.Sprint(prefix, i), "nginx-external", host)
		t.Must(t.Plane.Admin.Apply(t, object))
		time.Sleep(between)
		began := time.Now()
		t.Must(played.SetStatus(t, t.Plane.Admin, object, externalAddress))
		// Both are asked at once: the later one counts.
		var both sync.WaitGroup
		var routed, answered error
		both.Go(func() {
			routed = controlplane.Eventually(t, soon, pause, func() error { return t.FromWAN(host, t.House.External) })
		})
		both.Go(func() {
			answered = controlplane.Eventually(t, soon, pause, func() error {
				got, err := resolver.LookupNetIP(t, "ip4", host+".")
				if err == nil && (len(got) != 1 || got[0] != t.House.External.IPv4) {
					err = fmt.Errorf("answered with %v", got)
				}
				return err
			})
		})
		both.Wait()
		took = append(took, time.Since(began))
		t.Must(errors.Join(routed, answered))
	}
	return took
}

// patience is by how much a busy machine may miss what is promised before a scenario fails. The figures are printed.
const patience = 10

// promise prints the median and the worst, and holds them against what is promised.
func (t *T) promise(what string, took []time.Duration) {
	slices.Sort(took)
	m, w := took[len(took)/2], took[len(took)-1]
	t.Logf("%s, %d times: median %s, worst %s; promised %s and %s", what, len(took), m.Round(time.Millisecond),
		w.Round(time.Millisecond), promisedMedian, promisedWorst)
	if m > patience*promisedMedian || w > patience*promisedWorst {
		t.Errorf("that is not near what is promised")
	}
}

// RSS returns the daemon's resident memory in bytes.
func (t *T) RSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.daemon.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("the kernel does not say")
}

// burst: a cluster with 3,000 Ingresses, all deployed at once.
func burst(t *T) {
	const count, perNamespace = 3000, 200
	t.StopController("external")
	for i := range count / perNamespace {
		t.Must(t.Plane.Admin.Apply(t, namespaceObject(fmt.Sprint("many-", i))))
	}
	host := func(i int) string { return fmt.Sprintf("many%d.k8s.example.com", i) }
	began := time.Now()
	t.Must(inParallel(t, 24, count, func(ctx context.Context, i int) error {
		namespace := fmt.Sprint("many-", i/perNamespace)
		object := ingress(namespace, fmt.Sprint("many", i), "nginx-external", host(i))
		if _, err := t.Plane.Admin.Create(ctx, api.Path("ingresses", namespace), object); err != nil {
			return err
		}
		return played.SetStatus(ctx, t.Plane.Admin, object, externalAddress)
	}))
	t.Logf("the cluster took %.1fs to store them", time.Since(began).Seconds())
	stored := time.Now()
	full := func() error {
		routes, err := t.AskRoutes(t)
		if err != nil {
			return err
		}
		if len(routes.Routes) != count+3 {
			return fmt.Errorf("%d routes, %d refused", len(routes.Routes), len(routes.Refused))
		}
		return nil
	}
	t.Eventually("all are routed", full)
	t.Logf("all are routed %.2fs after the last one was stored", time.Since(stored).Seconds())
	t.Must(t.FromWAN(host(count-1), t.House.External))
	t.Eventually("answered", func() error { return t.Answers(host(count-1), externalAddress) })

	t.Must(t.StopDaemon(syscall.SIGTERM))
	t.Must(t.forgetRAM())
	t.Must(os.Remove(t.dir + "/state/state.json"))
	began = time.Now()
	t.Must(t.StartDaemon(t))
	t.Eventually("first full table", full)
	took := time.Since(began)
	t.Logf("first full table %.2fs after the daemon's start, without a state file; promised %s", took.Seconds(),
		promisedTable)
	if took > patience*promisedTable {
		t.Errorf("that is not near what is promised")
	}
	t.promise("with 3,000 others, from an Ingress's status to routed and answered", t.measure(20, "one", quiet))
	rss, err := t.RSS()
	t.Must(err)
	t.Logf("the daemon uses %.1f MB", float64(rss)/(1<<20))
	if rss > promisedRSS {
		t.Errorf("that is more than %d MB", promisedRSS>>20)
	}
	for i := range count / perNamespace {
		t.Must(t.Plane.Admin.Delete(t, api.Path("ingresses", fmt.Sprint("many-", i))))
	}
	t.Eventually("all are gone", func() error { return t.NoRoute(host(0)) })
}

// inParallel calls f for 0 to n-1, several at a time, and returns the first error.
func inParallel(ctx context.Context, workers, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	running.Wait()
	return context.Cause(ctx)
}
