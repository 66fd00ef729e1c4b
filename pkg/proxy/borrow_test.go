package proxy

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/backend"
	"github.com/sniroute/sniroute/pkg/route"
)

// A client's address is borrowed only where the server's answer can come back to us.
func TestBorrows(t *testing.T) {
	lan := netip.MustParsePrefix("192.168.0.0/24")
	s := &shared{
		local:  func(a netip.Addr) bool { return a.IsLoopback() || a == netip.MustParseAddr("192.168.0.1") },
		linked: func(a, b netip.Addr) bool { return lan.Contains(a) && lan.Contains(b) },
	}
	for _, c := range []struct {
		client, server string
		want           bool
	}{
		{"198.51.100.7", "192.168.0.3", true},
		{"10.0.0.7", "192.168.0.3", true}, // another network of the house
		{"2001:db8::7", "fd00::3", true},
		{"192.168.0.100", "192.168.0.3", false},
		{"192.168.0.1", "10.0.0.3", false},
		{"127.0.0.1", "192.168.0.3", false},
		{"198.51.100.7", "192.168.0.1", false},
		{"198.51.100.7", "fd00::3", false},
		{"2001:db8::7", "192.168.0.3", false},
		{"fe80::7", "fd00::3", false},
		{"0.0.0.0", "192.168.0.3", false}, // only a PROXY protocol header says such things
		{"224.0.0.1", "192.168.0.3", false},
		{"255.255.255.255", "192.168.0.3", false},
	} {
		if got := s.borrows(netip.MustParseAddr(c.client), netip.MustParseAddr(c.server)); got != c.want {
			t.Errorf("%s for %s: got %t", c.server, c.client, got)
		}
	}
}

// What fails with a client's address may be about that client, and takes no server down; but it is said once.
func TestBorrowedConnectFails(t *testing.T) {
	var set backend.Set
	pools := set.Update([]route.Backend{{
		Name:    "nas",
		Servers: []route.Server{{Address: netip.MustParseAddrPort("192.0.2.1:443"), Weight: 1}},
		Options: route.BackendOptions{Check: route.CheckTCP, CheckFall: 1, CheckRise: 1, ClientSource: true},
	}}, nil)
	var log bytes.Buffer
	l := &loop{targets: []*target{{pool: pools[0]}}, shared: &shared{logger: slog.New(slog.NewTextHandler(&log, nil))}}
	c := &conn{borrowed: true}
	for range 2 * unansweredInARow {
		c.dialFailed(l, 0, unix.ECONNREFUSED)
	}
	if pool := pools[0]; !pool.Up(0) || pool.Failures(0) != 2*unansweredInARow {
		t.Errorf("up: %t, %d failures", pool.Up(0), pool.Failures(0))
	}
	if n := strings.Count(log.String(), "get no answer"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
	c.borrowed = false
	if c.dialFailed(l, 0, unix.ECONNREFUSED); pools[0].Up(0) {
		t.Error("with the router's address it takes the server down")
	}
}
