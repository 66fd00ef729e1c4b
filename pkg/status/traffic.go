package status

import (
	"net/netip"
	"slices"
)

// Traffic is a snapshot of the proxy's counters since start.
type Traffic struct {
	Listeners []ListenerTraffic `json:"listeners"`
	Backends  []BackendTraffic  `json:"backends"`
	Peek      Histogram         `json:"peek"`              // from accept to the end of the hello
	Check     Histogram         `json:"check"`             // of health checks
	Active    int               `json:"active"`            // client connections now
	Peeking   int               `json:"peeking"`           // those of them whose hello is unfinished
	PeekBytes int               `json:"peek_bytes"`        // that unfinished hellos hold
	Limit     int               `json:"connections_limit"` // client connections that are admitted at once
}

// ListenerTraffic are the counters of one listener.
type ListenerTraffic struct {
	Name     string            `json:"name"`
	Accepted uint64            `json:"accepted"`
	Rejected map[string]uint64 `json:"rejected"` // by reason; a small fixed set that no client can add to
}

// BackendTraffic are the counters of one backend.
type BackendTraffic struct {
	Name        string            `json:"name"`
	Removed     bool              `json:"removed,omitempty"` // not in the table any more; it has no servers then
	Active      int               `json:"active"`
	Connections []ConnectionCount `json:"connections"` // one entry for each listener and result
	ToBackend   uint64            `json:"to_backend"`  // bytes
	ToClient    uint64            `json:"to_client"`   // bytes
	Connect     Histogram         `json:"connect"`
	Servers     []ServerTraffic   `json:"servers"`

	Remembered      int `json:"remembered"`       // clients that return to their server (stick)
	RememberedLimit int `json:"remembered_limit"` // how many that can be; 0: none return
}

// A ConnectionCount is how many connections from one listener ended in one way.
type ConnectionCount struct {
	Listener string `json:"listener"`
	Result   string `json:"result"`
	Count    uint64 `json:"count"`
}

// ServerTraffic are the state and counters of one server.
type ServerTraffic struct {
	Address netip.AddrPort `json:"address"`
	Active  int            `json:"active"`
	Up      bool           `json:"up"`
	Failed  uint64         `json:"failed"`          // connects that failed
	Error   string         `json:"error,omitempty"` // of the check or connect that took it down
}

// A Histogram counts durations in buckets. The zero value is an empty one.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper bounds in seconds, ascending
	Counts []uint64  `json:"counts"` // not cumulative; one longer than Bounds
	Sum    float64   `json:"sum"`    // seconds
}

// withLists returns a copy in which no list and no map is nil, so that JSON shows [] or {} and never null.
func (t Traffic) withLists() Traffic {
	t.Listeners, t.Backends = orEmpty(slices.Clone(t.Listeners)), orEmpty(slices.Clone(t.Backends))
	t.Peek, t.Check = t.Peek.withLists(), t.Check.withLists()
	for i, l := range t.Listeners {
		if l.Rejected == nil {
			t.Listeners[i].Rejected = map[string]uint64{}
		}
	}
	for i, b := range t.Backends {
		t.Backends[i].Connections, t.Backends[i].Servers = orEmpty(b.Connections), orEmpty(b.Servers)
		t.Backends[i].Connect = b.Connect.withLists()
	}
	return t
}

func (h Histogram) withLists() Histogram {
	return Histogram{orEmpty(h.Bounds), orEmpty(h.Counts), h.Sum}
}
