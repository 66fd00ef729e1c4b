package main

import (
	"cmp"
	"slices"

	"github.com/sniroute/sniroute/pkg/proxy"
	"github.com/sniroute/sniroute/pkg/status"
)

// connectionsOf turns what the proxy remembers of connections into what is shown of them.
func connectionsOf(list []proxy.Connection) []status.Connection {
	shown := make([]status.Connection, len(list))
	for i, c := range list {
		shown[i] = status.Connection{
			Ended: c.Ended, Times: c.Times, Client: c.Client, Listener: c.Listener, Host: c.Host, Backend: c.Backend,
			Server: c.Server, ToBackend: c.ToServer, ToClient: c.ToClient, HelloMS: c.Hello.Milliseconds(),
			ConnectMS: c.Connect.Milliseconds(), TotalMS: c.Total.Milliseconds(), Result: c.Result, Reason: c.Reason, By: c.By,
			Error: c.Error,
		}
	}
	return shown
}

// trafficOf turns the proxy's counters into what is shown of them.
func trafficOf(s proxy.Stats) status.Traffic {
	t := status.Traffic{
		Listeners: []status.ListenerTraffic{}, Backends: []status.BackendTraffic{},
		Peek: status.Histogram(s.Peek), Check: status.Histogram(s.Check),
		Active: s.Active, Peeking: s.Peeking, PeekBytes: s.PeekBytes, Limit: s.Limit,
	}
	for _, l := range s.Listeners {
		t.Listeners = append(t.Listeners, status.ListenerTraffic(l))
	}
	for _, b := range s.Backends {
		backend := status.BackendTraffic{
			Name: b.Name, Removed: b.Removed, Active: b.Active, ToBackend: b.ToBackend, ToClient: b.ToClient,
			Remembered: b.Remembered, RememberedLimit: b.RememberedLimit,
			Connect: status.Histogram(b.Connect), Connections: []status.ConnectionCount{}, Servers: []status.ServerTraffic{},
		}
		for how, n := range b.Connections {
			backend.Connections = append(backend.Connections, status.ConnectionCount{
				Listener: how.Listener, Result: how.Result, Count: n,
			})
		}
		slices.SortFunc(backend.Connections, func(a, b status.ConnectionCount) int {
			return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Result, b.Result))
		})
		for _, s := range b.Servers {
			backend.Servers = append(backend.Servers, status.ServerTraffic{
				Address: s.Address, Active: s.Active, Up: s.Up, Failed: s.Failed, Error: s.Error,
			})
		}
		t.Backends = append(t.Backends, backend)
	}
	return t
}
