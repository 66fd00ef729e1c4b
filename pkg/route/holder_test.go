package route

import (
	"sync"
	"testing"
	"time"
)

func TestHolderStartsEmpty(t *testing.T) {
	var h Holder
	if h.Load() == nil || h.Load().Lookup("https", []byte("a.example.com"), nil) != nil {
		t.Error("the zero Holder does not hold an empty Table")
	}
}

// A subscriber that loads after each wake-up always ends with the newest table, however stores and wake-ups interleave.
func TestHolderLosesNoWakeUp(t *testing.T) {
	const stores, subscribers = 2_000, 8
	var h Holder
	last := &Table{Shared: nil}
	var group sync.WaitGroup
	for range subscribers {
		group.Go(func() {
			changed, cancel := h.Subscribe()
			defer cancel()
			for {
				select {
				case <-changed:
					if h.Load() == last {
						return
					}
				case <-time.After(time.Minute):
					t.Error("a subscriber waits for a wake-up that never comes")
					return
				}
			}
		})
	}
	for range stores {
		h.Store(&Table{})
	}
	h.Store(last)
	group.Wait()
	if len(h.wake) != 0 {
		t.Errorf("%d subscriptions are left", len(h.wake))
	}
}

func TestHolderWakes(t *testing.T) {
	var h Holder
	changed, cancel := h.Subscribe()
	if len(changed) != 1 {
		t.Error("a subscriber is not woken at once the first time")
	}
	h.Store(&Table{})
	h.Store(&Table{}) // Store does not wait for a subscriber that is slow
	<-changed
	if len(changed) != 0 {
		t.Error("two stores are seen as more than one")
	}
	cancel()
	cancel()
	h.Store(&Table{})
	if len(changed) != 0 {
		t.Error("a subscriber is woken after it has cancelled")
	}
}
