package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/sniroute/sniroute/lab/bench/load"
)

// A bench runs measures against proxies in interleaved rounds: each measure meets every proxy within seconds, in an order
// that changes from round to round, so that whatever else the machine does falls on all alike.
type bench struct {
	proxies  []proxy
	measures []measure
	rounds   int
	core     int // of the proxies
	names    int // how many are routed besides the one that is asked for
	progress io.Writer

	load    *load.Load
	started int // proxies
}

// results are the samples by measure, proxy and round.
type results map[string]map[string][]sample

const (
	// where the proxies listen; each has a port of its own
	listenAddress = "127.0.0.1"
	firstPort     = 8443
	// the answers of the two backends are alike; the second is the default
	backendAddress = "127.0.0.3:1443"
	defaultAddress = "127.0.0.2:1443"
	// proxies have so long until they serve
	startTime = 20 * time.Second
)

func (b *bench) run() (_ results, err error) {
	b.load, err = load.New(netip.MustParseAddrPort(backendAddress), netip.MustParseAddrPort(defaultAddress))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.load.Close()) }()
	var running []*instance
	defer func() {
		for _, i := range running {
			err = errors.Join(err, i.stop())
		}
	}()
	for _, p := range b.proxies {
		i, err := b.start(p, b.names)
		if err != nil {
			return nil, err
		}
		running = append(running, i)
	}
	all := make(results)
	for round := range b.rounds {
		for _, m := range b.measures {
			if all[m.name] == nil {
				all[m.name] = make(map[string][]sample)
			}
			for n := range running {
				i := running[(n+round)%len(running)]
				s, err := b.take(m, i)
				if err != nil {
					return nil, fmt.Errorf("round %d, %s, %s: %w", round+1, m.name, i.name, err)
				}
				all[m.name][i.name] = append(all[m.name][i.name], s)
				fmt.Fprintf(b.progress, "round %d of %d  %-9s %-15s", round+1, b.rounds, m.name, i.name)
				for _, f := range m.figures {
					fmt.Fprintf(b.progress, " %10.2f %s", f.value(s), f.unit)
				}
				if s.Failed > 0 {
					fmt.Fprintf(b.progress, "  %d failed", s.Failed)
				}
				fmt.Fprintln(b.progress)
			}
		}
	}
	return all, nil
}

// start starts a proxy that routes so many more names, and waits until connections get through it.
func (b *bench) start(p proxy, names int) (*instance, error) {
	b.started++
	port := uint16(firstPort + b.started)
	i, err := p.start(world{
		Dir:       filepath.Join("/run", fmt.Sprintf("%s-%d", p.name, port)),
		Listen:    netip.AddrPortFrom(netip.MustParseAddr(listenAddress), port),
		Status:    netip.AddrPortFrom(netip.MustParseAddr(listenAddress), port+1000),
		Backend:   netip.MustParseAddrPort(backendAddress),
		Default:   netip.MustParseAddrPort(defaultAddress),
		MoreNames: moreNames(names),
	}, b.core)
	if err != nil {
		return nil, err
	}
	job := measures(100*time.Millisecond, 0)[0].job
	job.Target, job.Open = i.Listen, 64
	for give := time.Now().Add(startTime); ; {
		if err := i.check(); err != nil {
			return nil, err
		}
		// The last time also brings the proxy to the state that it has when it is in use.
		r, err := b.load.Run(job)
		if err == nil && r.Operations > 0 && r.Failed == 0 {
			return i, nil
		}
		if time.Now().After(give) {
			return nil, errors.Join(err, fmt.Errorf("%s does not serve: %d connections failed\n%s", p.name, r.Failed,
				i.output.Bytes()), i.stop())
		}
		if err := b.load.Serve(50 * time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// take takes one sample of a proxy. A busy machine may give the proxy no time at all: then it takes another one.
func (b *bench) take(m measure, i *instance) (s sample, err error) {
	for range 5 {
		s, err = b.takeOnce(m, i)
		if err != nil || s.Operations > 0 || s.Bytes > 0 {
			return s, err
		}
	}
	return s, fmt.Errorf("nothing came through\n%s", i.output.Bytes())
}

// takeOnce takes a sample of a proxy, or of a new instance of it where the measure needs one.
func (b *bench) takeOnce(m measure, i *instance) (s sample, err error) {
	if m.rests || m.names > 0 {
		if i, err = b.start(i.proxy, max(b.names, m.names)); err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, i.stop()) }()
	}
	before, err := i.usage(m.rests)
	if err != nil {
		return s, err
	}
	var after usage
	var failed error
	job := m.job
	job.Target = i.Listen
	if !m.rests {
		job.Begin = func() { before, failed = i.usage(false) }
	}
	job.End = func() {
		var err error
		after, err = i.usage(m.rests)
		failed = errors.Join(failed, err)
	}
	s.Result, err = b.load.Run(job)
	if err = errors.Join(err, failed, i.check()); err != nil {
		return s, fmt.Errorf("%w\n%s", err, i.output.Bytes())
	}
	if s.Failed > s.Operations/100+1 {
		return s, fmt.Errorf("%d operations, %d failed\n%s", s.Operations, s.Failed, i.output.Bytes())
	}
	s.cpu = after.cpu - before.cpu
	s.memory, s.descriptors = after.memory-before.memory, after.descriptors-before.descriptors
	return s, nil
}

// A usage is what a proxy has used, or uses, at a moment.
type usage struct {
	cpu         time.Duration
	memory      int64
	descriptors int
}

// usage looks at the proxy, at its memory and descriptors only if asked: that takes time.
func (i *instance) usage(all bool) (u usage, err error) {
	if u.cpu, err = i.process.cpu(); err != nil || !all {
		return u, err
	}
	if u.memory, err = i.process.memory(); err != nil {
		return u, err
	}
	u.descriptors, err = i.process.descriptors()
	return u, err
}
