package main

import (
	"strconv"
	"time"

	"github.com/sniroute/sniroute/lab/bench/load"
	"github.com/sniroute/sniroute/lab/hello"
)

// The name that is asked for; the configurations in testdata route it.
const askedFor = "app1.k8s.example.com"

// A sample is one run of one measure against one proxy.
type sample struct {
	load.Result
	cpu         time.Duration // of the proxy, from begin to end
	memory      int64         // bytes that were added
	descriptors int           // that were added
}

// A measure is a job and the figures that come from it.
type measure struct {
	name    string
	job     load.Job
	rests   bool // on a proxy that has just been started, for what it holds and not for what it does
	names   int  // on a proxy that has just been started with so many more hosts; 0: with as many as all have
	figures []figure
}

// A figure is one row of the table.
type figure struct {
	name     string
	unit     string
	absolute bool // shown as it is for every proxy, not as a ratio
	value    func(sample) float64
}

// measures returns all that can be measured.
func measures(duration time.Duration, idle int) []measure {
	ordinary := hello.Bytes(hello.Options{Name: askedFor, ALPN: []string{"h2", "http/1.1"}, Size: 517})
	postQuantum := hello.Bytes(hello.Options{Name: askedFor, ALPN: []string{"h2", "http/1.1"}, PostQuantum: true,
		Size: 1800})
	perConnection := func(what string) figure {
		return figure{name: "CPU per connection, " + what, unit: "us", value: perOperation}
	}
	perGB := func(streams int) figure {
		return figure{name: "CPU per GB, " + plural(streams, "stream"), unit: "ms", value: func(s sample) float64 {
			return s.cpu.Seconds() * 1e3 / (float64(s.Bytes) / 1e9)
		}}
	}
	short := load.Job{Kind: load.Short, Hello: ordinary, Duration: duration}
	open := func(job load.Job, n int) load.Job { job.Open = n; return job }
	bulk := load.Job{Kind: load.Bulk, Hello: ordinary, Duration: duration}
	split := load.Job{Kind: load.Short, Hello: postQuantum, Split: 1400, Open: 64, Duration: duration}
	pairs := load.Job{Kind: load.Pairs, Hello: ordinary, Open: 64, Duration: duration}
	rest := load.Job{Kind: load.Idle, Hello: ordinary, Open: idle, Sources: 1000}
	return []measure{
		{name: "short1", job: open(short, 1), figures: []figure{
			perConnection("1 at a time"),
			latency(50),
			latency(99),
		}},
		{name: "short64", job: open(short, 64), figures: []figure{perConnection("64 open")}},
		{name: "short512", job: open(short, 512), figures: []figure{perConnection("512 open")}},
		{name: "split64", job: split, figures: []figure{perConnection("1.8 kB hello in two segments, 64 open")}},
		{name: "pairs", job: pairs, figures: []figure{{name: "CPU per pair of 1 kB messages, 64 kept", unit: "us", value: perOperation}}},
		{name: "bulk1", job: open(bulk, 1), figures: []figure{perGB(1)}},
		{name: "bulk64", job: open(bulk, 64), figures: []figure{perGB(64)}},
		{name: "names10", job: open(short, 64), names: 10, figures: []figure{perConnection("64 open, 10 hosts")}},
		{name: "names100k", job: open(short, 64), names: 100_000, figures: []figure{perConnection("64 open, 100,000 hosts")}},
		{name: "idle", job: rest, rests: true, figures: []figure{
			{name: "memory per idle connection", unit: "bytes", absolute: true, value: func(s sample) float64 {
				return float64(s.memory) / float64(s.Operations)
			}},
			{name: "descriptors per idle connection", absolute: true, value: func(s sample) float64 {
				return float64(s.descriptors) / float64(s.Operations)
			}},
		}},
	}
}

// latency is the time below which so many percent of the short connections have their answer.
func latency(percent float64) figure {
	name := "p" + strconv.FormatFloat(percent, 'f', -1, 64) + " of connect + hello + 1 kB"
	return figure{name: name, unit: "us", value: func(s sample) float64 { return micro(s.Percentile(percent)) }}
}

func perOperation(s sample) float64 { return micro(s.cpu) / float64(s.Operations) }

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
