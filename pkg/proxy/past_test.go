package proxy

import (
	"runtime"
	"testing"
	"weak"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// Of a backend that is gone, its counters are kept and nothing else: the clients that it remembers can be a million.
func TestPastKeepsCountersAlone(t *testing.T) {
	l := &loop{timers: &fakeWorld{timers: make(map[uint32]uint32)}, past: make(map[string]*pastTarget)}
	var set backend.Set
	pools := set.Update([]route.Backend{
		{Name: "nas", Options: route.BackendOptions{Stick: route.StickSource, StickSize: 10}},
	}, nil)
	l.adoptPools(pools)
	l.targets[0].toServer = 7
	pool := weak.Make(pools[0])
	pools = nil
	l.adoptPools(set.Update(nil, nil))
	runtime.GC()
	if pool.Value() != nil {
		t.Error("its pool is still held")
	}
	if past := l.past["nas"]; past == nil || past.toServer != 7 || past.pool.Backend.Name != "nas" {
		t.Errorf("kept: %+v", past)
	}
	runtime.KeepAlive(&set)
}
