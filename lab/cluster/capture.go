package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/house"
)

// opening is the filter of tcpdump that finds the first packet of each TCP connection, IPv4 or IPv6.
const opening = "(ip and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn) or (ip6 and ip6[6] == 6 and ip6[53] & 0x12 == 2)"

// A capture notes every connection that the router opens.
type capture struct {
	lab     *Lab
	file    string
	tcpdump *house.Service
}

// startCapture runs tcpdump on all interfaces of the router, loopback too, and returns when it listens.
func startCapture(ctx context.Context, l *Lab) (*capture, error) {
	c := &capture{lab: l, file: filepath.Join(l.House.Dir, "dialled.pcap")}
	var err error
	c.tcpdump, err = l.House.Start(l.House.Router, "tcpdump",
		"tcpdump", "-i", "any", "-n", "-U", "-Z", "root", "-w", c.file, opening)
	if err != nil {
		return nil, err
	}
	// It listens when it has seen a connection that the router makes to itself.
	return c, c.tcpdump.Ready(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if conn, err := l.House.Router.Dial(ctx, "tcp", probe.String()); err == nil {
			conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
		seen, err := c.dialled(ctx)
		if err == nil && seen[probe] == 0 {
			err = errors.New("it has seen nothing yet")
		}
		return err
	})
}

// probe is where the lab itself connects from the router to see whether the capture runs. Nothing answers there.
var probe = netip.MustParseAddrPort("127.0.0.1:9")

// dialled returns how often the router has opened a connection to which address so far.
func (c *capture) dialled(ctx context.Context) (map[netip.AddrPort]int, error) {
	out, err := c.lab.House.Router.Output(exec.CommandContext(ctx, "tcpdump", "-n", "-r", c.file))
	if err != nil && !strings.Contains(err.Error(), "truncated") { // the last packet may be half written
		return nil, err
	}
	type connection struct{ from, to netip.AddrPort }
	noted := map[connection]bool{} // a packet passes several interfaces, and may be sent again
	seen := map[netip.AddrPort]int{}
	for line := range strings.Lines(string(out)) {
		// TIME [INTERFACE DIRECTION] IP 192.168.0.1.40001 > 192.168.0.3.443: Flags [S], ...
		left, right, found := strings.Cut(line, " > ")
		if !found {
			continue
		}
		fields := strings.Fields(left)
		from, err := addrPort(fields[len(fields)-1])
		if err != nil {
			return nil, fmt.Errorf("reading tcpdump's %q: %w", line, err)
		}
		text, _, _ := strings.Cut(right, ": ")
		to, err := addrPort(text)
		if err != nil {
			return nil, fmt.Errorf("reading tcpdump's %q: %w", line, err)
		}
		if c.lab.ofRouter(from.Addr()) && !noted[connection{from, to}] {
			noted[connection{from, to}] = true
			seen[to]++
		}
	}
	return seen, nil
}

// addrPort reads an address and port as tcpdump prints them: ADDR.PORT.
func addrPort(text string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("no port in %q", text)
	}
	a, err := netip.ParseAddr(text[:i])
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	return netip.AddrPortFrom(a, uint16(port)), err
}

// ofRouter reports whether the router has the address; what it forwards for others comes from elsewhere.
func (l *Lab) ofRouter(a netip.Addr) bool {
	for _, own := range []netip.Addr{l.House.Router.IPv4, l.House.Router.IPv6, l.House.Public.IPv4, l.House.Public.IPv6} {
		if a == own {
			return true
		}
	}
	return a.IsLoopback() || a.IsLinkLocalUnicast()
}

// nothingElseDialled is the last scenario: what a capture of all others saw the router connect to.
func nothingElseDialled(t *T) {
	if t.capture == nil {
		t.Fatalf("the capture was never started")
	}
	t.Must(t.FromWAN(app1, t.House.External)) // at least this one must be in it
	t.Must(t.capture.tcpdump.Stop(syscall.SIGINT))
	seen, err := t.capture.dialled(t)
	t.capture = nil
	t.Must(err)
	allowed := map[string]string{
		"192.168.0.2:443":   "the default backend",
		"192.168.0.3:443":   "the external ingress",
		"192.168.0.3:80":    "the solver's address, with a challenge",
		"192.168.0.4:443":   "the external ingress when it had moved",
		"192.168.0.6:443":   "the second cluster's ingress",
		"192.168.0.10:6443": "the API server",
		"192.168.0.10:6444": "the API server that does not answer",
		"192.168.0.14:6443": "the second cluster's API server",
		"127.0.0.1:1936":    "the lab's own look at the metrics",
		probe.String():      "the lab's own probe",
	}
	for to, n := range seen {
		what := allowed[to.String()]
		if what == "" {
			t.Errorf("the router connected to %s, %d times", to, n)
			continue
		}
		t.Logf("%6d connections to %s, %s", n, to, what)
	}
	if seen[netip.MustParseAddrPort(externalServer)] == 0 {
		t.Errorf("the capture has not even seen what is allowed")
	}
}
