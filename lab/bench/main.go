// Command bench measures what proxies cost that route TLS by server name: sniroute and its peers, side by side, each on one
// core while the other makes and answers the traffic.
//
//	make bench ARGS='[-rounds N] [-measures a,b] [-proxies a,b] [-write FILE]'
//
// What counts is the CPU that the proxy's process uses, per connection, message and gigabyte, as a ratio to HAProxy with
// the configuration that sniroute replaces (testdata/haproxy-blog.cfg): absolute figures drift with what else the machine
// does, ratios within a round hardly. It runs in namespaces of its own (see lab/netns) and leaves nothing behind.
//
// HAPROXY=/path/to/haproxy measures another HAProxy than Debian's. -also NAME=PROGRAM measures another build of sniroute
// beside the current one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/lab/netns"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flag.DurationVar(&o.duration, "duration", time.Second, "how long each measurement lasts")
	flag.StringVar(&o.measures, "measures", "", "what is measured, separated by commas (default all): "+
		strings.Join(names(measures(0, 0), func(m measure) string { return m.name }), ","))
	flag.StringVar(&o.proxies, "proxies", "haproxy,sniroute", "what is measured; the ratios are to the first one. "+
		"haproxy, haproxy-lean, haproxy-splice, nginx, sniproxy, sniroute, sniroute-full, and what -also names")
	flag.StringVar(&o.sniroute, "sniroute", "dist/sniroute-"+runtime.GOARCH, "the program to measure")
	flag.Var(&o.also, "also", "another build of sniroute, as NAME=PROGRAM; may be repeated")
	flag.IntVar(&o.idle, "idle", 8000, "how many connections rest in the measure of that name")
	flag.IntVar(&o.names, "names", 0, "how many hosts are routed besides the one that is asked for")
	flag.StringVar(&o.write, "write", "", "write a page with the table to this file")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, idle, names                int
	duration                           time.Duration
	measures, proxies, sniroute, write string
	also                               list
}

// A list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func run(o options) error {
	program, err := filepath.Abs(o.sniroute)
	if err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("the program to measure, which make bench builds as it is released: %w", err)
	}
	all, err := proxies(append([]string{"sniroute=" + program}, o.also...))
	if err != nil {
		return err
	}
	b := &bench{rounds: o.rounds, names: o.names, progress: os.Stderr, measures: measures(o.duration, o.idle)}
	if b.proxies, err = choose(all, o.proxies, func(p proxy) string { return p.name }); err != nil {
		return err
	}
	if o.measures != "" {
		if b.measures, err = choose(b.measures, o.measures, func(m measure) string { return m.name }); err != nil {
			return err
		}
	}
	if err := netns.Isolate(); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	results, err := b.run()
	if err != nil {
		return err
	}
	table := b.table(results)
	fmt.Print(table)
	if o.write != "" {
		return b.writePage(o.write, o.duration.String(), table)
	}
	return nil
}

// prepare gives this program one core and the proxies the other, and room for descriptors to all.
func (b *bench) prepare() error {
	first, second, err := cores()
	if err != nil {
		return err
	}
	if first == second {
		return errors.New("only one core: the load would take the proxy's time")
	}
	b.core = first
	if err := pinAll(second); err != nil {
		return err
	}
	debug.SetGCPercent(-1) // nothing is allocated while measuring but the latencies
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask for the limit of descriptors: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil { // explicitly, so that children keep it
		return fmt.Errorf("raise the limit of descriptors: %w", err)
	}
	return setParameters()
}

// setParameters sets those of the namespace's kernel that figures depend on.
func setParameters() error {
	for _, p := range []struct{ name, value string }{
		// The ports that the kernel chooses from. It takes one over from TIME_WAIT after a second, and then searches half
		// of the range before it tries the other: with the usual range all proxies are alike at 14,000 connections a
		// second, all busy with the search. This one is enough for 27,000, and leaves out what the proxies listen on.
		{"ip_local_port_range", "10240 65535"},
		// Without timers that pace downloads, as bbr has them, at the cost of whoever is running. OpenWrt's cubic has none
		// either, but not every kernel lets a namespace choose it.
		{"tcp_congestion_control", "reno"},
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+p.name, []byte(p.value), 0); err != nil {
			return fmt.Errorf("set net.ipv4.%s to %s: %w", p.name, p.value, err)
		}
	}
	return nil
}

// choose returns what wanted lists by name, in its order.
func choose[T any](all []T, wanted string, name func(T) string) (chosen []T, err error) {
	for want := range strings.SplitSeq(wanted, ",") {
		at := slices.IndexFunc(all, func(t T) bool { return name(t) == want })
		if at < 0 {
			return nil, fmt.Errorf("%q is none of %s", want, strings.Join(names(all, name), ", "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

func names[T any](all []T, name func(T) string) (list []string) {
	for _, t := range all {
		list = append(list, name(t))
	}
	return list
}
