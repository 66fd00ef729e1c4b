package route

import (
	"sync"
	"sync/atomic"
)

// A Holder holds the current Table: one goroutine stores, any number load, consumers are woken. The zero value holds
// an empty Table and is ready to use. It must not be copied.
type Holder struct {
	table atomic.Pointer[Table]

	mu   sync.Mutex
	wake map[chan struct{}]bool
}

// Load returns the current Table, never nil.
func (h *Holder) Load() *Table {
	if t := h.table.Load(); t != nil {
		return t
	}
	return &Table{}
}

// Store makes t the current Table and wakes every subscriber. It does not wait for them.
func (h *Holder) Store(t *Table) {
	h.table.Store(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	for wake := range h.wake {
		select {
		case wake <- struct{}{}:
		default: // not yet taken: it will load the newest Table anyway
		}
	}
}

// Subscribe returns a channel that receives after each Store (several may be seen as one), at once the first time,
// and a function that ends the subscription.
func (h *Holder) Subscribe() (changed <-chan struct{}, cancel func()) {
	wake := make(chan struct{}, 1)
	wake <- struct{}{}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wake == nil {
		h.wake = make(map[chan struct{}]bool)
	}
	h.wake[wake] = true
	return wake, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.wake, wake)
	}
}
