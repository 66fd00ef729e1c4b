package load_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/bench/load"
	"github.com/sniroute/sniroute/lab/freeport"
	"github.com/sniroute/sniroute/lab/hello"
)

func newLoad(t *testing.T) (*load.Load, netip.AddrPort) {
	t.Helper()
	at := freeport.Reserve(t)
	l, err := load.New(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, at
}

// Each kind of job does its work, here without a proxy between.
func TestRun(t *testing.T) {
	ordinary := hello.Bytes(hello.Options{Name: "app1.k8s.example.com", Size: 517})
	large := hello.Bytes(hello.Options{Name: "app1.k8s.example.com", PostQuantum: true, Size: 1800})
	l, at := newLoad(t)
	for _, c := range []struct {
		name string
		job  load.Job
	}{
		{"short", load.Job{Kind: load.Short, Open: 1, Hello: ordinary}},
		{"short, 64 open", load.Job{Kind: load.Short, Open: 64, Hello: ordinary}},
		{"two segments", load.Job{Kind: load.Short, Open: 8, Hello: large, Split: 1400}},
		{"pairs", load.Job{Kind: load.Pairs, Open: 8, Hello: ordinary}},
		{"bulk", load.Job{Kind: load.Bulk, Open: 4, Hello: ordinary}},
		{"idle", load.Job{Kind: load.Idle, Open: 50, Hello: ordinary, Sources: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var began, ended int
			c.job.Target, c.job.Duration = at, time.Second
			c.job.Begin, c.job.End = func() { began++ }, func() { ended++ }
			r, err := l.Run(c.job)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed != 0 || r.Operations == 0 && r.Bytes == 0 {
				t.Errorf("%d operations, %d bytes, %d failed", r.Operations, r.Bytes, r.Failed)
			}
			if want := map[bool]int{true: 0, false: 1}[c.job.Kind == load.Idle]; began != want || ended != 1 {
				t.Errorf("began %d times, ended %d times", began, ended)
			}
			switch c.job.Kind {
			case load.Short:
				if len(r.Latencies) != r.Operations || r.Percentile(50) <= 0 || r.Percentile(99) < r.Percentile(50) {
					t.Errorf("%d latencies for %d operations, p50 %v, p99 %v", len(r.Latencies), r.Operations,
						r.Percentile(50), r.Percentile(99))
				}
			case load.Idle:
				if r.Operations != c.job.Open {
					t.Errorf("%d connections, want %d", r.Operations, c.job.Open)
				}
			}
		})
	}
}

// A peer that hangs up is a failure, not an operation.
func TestFailure(t *testing.T) {
	l, _ := newLoad(t)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	r, err := l.Run(load.Job{Kind: load.Short, Open: 2, Target: listener.Addr().(*net.TCPAddr).AddrPort(),
		Hello: hello.Bytes(hello.Options{}), Duration: time.Second})
	listener.Close()
	<-done
	if err != nil || r.Failed == 0 || r.Operations != 0 {
		t.Errorf("%d operations, %d failed, %v", r.Operations, r.Failed, err)
	}
}
