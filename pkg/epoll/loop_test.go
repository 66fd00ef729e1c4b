package epoll

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder collects what a Loop tells its handler.
type recorder struct {
	ready   func(index, generation uint32, events Events)
	expired func(id uint32)
	turn    func() bool
}

func (r recorder) Ready(index, generation uint32, events Events) { r.ready(index, generation, events) }
func (r recorder) Expired(id uint32)                             { r.expired(id) }
func (r recorder) Turn() bool                                    { return r.turn != nil && r.turn() }

func newTestLoop(t *testing.T) *Loop {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func socketPair(t *testing.T) (int, int) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	return pair[0], pair[1]
}

// An edge comes once, with the index and generation of the descriptor.
func TestReadyOnce(t *testing.T) {
	l := newTestLoop(t)
	a, b := socketPair(t)
	if err := l.Add(a, 7, 1<<31+5, Readable|ReadClosed|EdgeTriggered); err != nil {
		t.Fatal(err)
	}
	unix.Write(b, []byte("x"))
	calls := 0
	l.SetTimer(1, 200*time.Millisecond)
	err := l.Run(recorder{
		ready: func(index, generation uint32, events Events) {
			calls++
			if index != 7 || generation != 1<<31+5 || events != Readable {
				t.Errorf("got %d, %d, %#x", index, generation, events)
			}
		},
		expired: func(uint32) { l.Stop() },
	})
	if err != nil || calls != 1 {
		t.Errorf("called %d times (%v), want once", calls, err)
	}
}

// What has ended is seen to last, in the order in which it ended.
func TestEndsComeLast(t *testing.T) {
	l := newTestLoop(t)
	var peers [5]int
	for i := range peers {
		var end int
		end, peers[i] = socketPair(t)
		if err := l.Add(end, uint32(i), 0, Readable|ReadClosed|EdgeTriggered); err != nil {
			t.Fatal(err)
		}
	}
	for i, peer := range peers {
		if i%2 == 0 {
			unix.Shutdown(peer, unix.SHUT_WR)
		} else {
			unix.Write(peer, []byte("x"))
		}
	}
	var order []uint32
	err := l.Run(recorder{ready: func(index, _ uint32, _ Events) {
		if order = append(order, index); len(order) == len(peers) {
			l.Stop()
		}
	}})
	if want := []uint32{1, 3, 0, 2, 4}; err != nil || !slices.Equal(order, want) {
		t.Errorf("came in the order %d (%v), want %d", order, err, want)
	}
}

// Modify reports what already holds; Remove ends the watching.
func TestModifyAndRemove(t *testing.T) {
	l := newTestLoop(t)
	a, b := socketPair(t)
	if err := l.Add(a, 0, 1, Readable|EdgeTriggered); err != nil {
		t.Fatal(err)
	}
	if err := l.Modify(a, 0, 2, Readable|Writable|EdgeTriggered); err != nil {
		t.Fatal(err)
	}
	calls := 0
	l.SetTimer(0, 100*time.Millisecond)
	err := l.Run(recorder{
		ready: func(_, generation uint32, events Events) {
			if calls++; generation != 2 || events != Writable {
				t.Errorf("got generation %d, events %#x", generation, events)
			}
			if err := l.Remove(a); err != nil {
				t.Error(err)
			}
			unix.Write(b, []byte("x")) // must not be seen
		},
		expired: func(uint32) { l.Stop() },
	})
	if err != nil || calls != 1 {
		t.Errorf("called %d times (%v), want once", calls, err)
	}
}

// Posted functions run in order, from many goroutines, and Stop lets those posted before it run.
func TestPostFromManyGoroutines(t *testing.T) {
	l := newTestLoop(t)
	ended := make(chan error)
	go func() { ended <- l.Run(recorder{}) }()
	const posters, each = 8, 1000
	var last [posters]int
	ran := 0
	var posting sync.WaitGroup
	for p := range posters {
		posting.Go(func() {
			for i := 1; i <= each; i++ {
				l.Post(func() {
					ran++
					if last[p] != i-1 {
						t.Errorf("poster %d: %d ran after %d", p, i, last[p])
					}
					last[p] = i
				})
			}
		})
	}
	posting.Wait()
	l.Stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if ran != posters*each {
		t.Errorf("%d functions ran, want %d", ran, posters*each)
	}
	if l.Post(func() {}) {
		t.Error("a stopped loop took a function")
	}
}

// While Turn says that there is more, the loop comes round without waiting, and events still get through.
func TestTurnGoesOn(t *testing.T) {
	l := newTestLoop(t)
	a, b := socketPair(t)
	l.Add(a, 3, 0, Readable|EdgeTriggered)
	l.Post(func() {}) // the first turn comes after the first event
	turns, seen := 0, false
	err := l.Run(recorder{
		ready: func(uint32, uint32, Events) { seen = true; l.Stop() },
		turn: func() bool {
			if turns++; turns == 1000 {
				unix.Write(b, []byte("x"))
			}
			return !seen
		},
	})
	if err != nil || turns < 1000 {
		t.Errorf("%d turns (%v)", turns, err)
	}
}
