// Package house builds, in network namespaces, the home that sniroute is made for, with real programs in it: nginx as
// the cluster's ingress controllers and as a NAS, dnsmasq on the router and in the internet, nft as the router's
// firewall. lab/demo shows the daemon in it; lab/cluster adds a control plane.
//
//	     wan  203.0.113.50 a client       203.0.113.53 the internet's DNS
//	      |
//	      |   203.0.113.1
//	    router                            dnsmasq, firewall, sniroute on :8443
//	      |   192.168.0.1
//	------+-----------+----------------+-----------------+----------------+------ br-lan
//	      |           |                |                 |                |
//	     nas .2    external .3     internal .5       client .100     what AddHost adds
//
// Each host also has an IPv6 address: 2001:db8::N in the internet, fd00:c0a8::N at home, N as in its IPv4 address. The
// program must have called netns.Isolate; with it ends everything that this package makes.
package house

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/sniroute/sniroute/lab/netns"
)

// A Host is one machine of the house.
type Host struct {
	*netns.Namespace
	IPv4, IPv6 netip.Addr
}

// A House is the network with its hosts. Its methods may be called from any goroutine.
type House struct {
	Dir       string // files of the lab, in memory
	Authority *Authority

	WAN      *Host // a client in the internet
	Router   *Host // its addresses are those that the LAN sees
	Public   *Host // the same router as the internet sees it
	Client   *Host // a client at home
	NAS      *Host
	External *Host // the ingress controller that the internet may reach
	Internal *Host // the one that it may not

	mu       sync.Mutex
	hosts    []*netns.Namespace
	services []*Service
}

const (
	wanNetwork = "203.0.113." // RFC 5737
	lanNetwork = "192.168.0."
)

// Build makes the hosts, connects them and turns the firewall on. Nothing runs on them yet.
func Build() (*House, error) {
	h := &House{Dir: "/run/lab"}
	if err := h.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the house: %w", err), h.Close())
	}
	return h, nil
}

func (h *House) build() (err error) {
	if err := os.MkdirAll(filepath.Join(h.Dir, "log"), 0o755); err != nil {
		return err
	}
	if h.Authority, err = NewAuthority(filepath.Join(h.Dir, "certificates")); err != nil {
		return err
	}

	router, err := h.newHost("router")
	if err != nil {
		return err
	}
	h.Router = &Host{router, netip.MustParseAddr(lanNetwork + "1"), netip.MustParseAddr("fd00:c0a8::1")}
	h.Public = &Host{router, netip.MustParseAddr(wanNetwork + "1"), netip.MustParseAddr("2001:db8::1")}
	if err := errors.Join(
		router.Sysctl("net.ipv4.ip_forward", "1"),
		router.Sysctl("net.ipv6.conf.all.forwarding", "1"),
		router.Bridge("br-lan"),
		router.Address("br-lan", netip.PrefixFrom(h.Router.IPv4, 24), netip.PrefixFrom(h.Router.IPv6, 64)),
	); err != nil {
		return err
	}

	wan, err := h.newHost("wan")
	if err != nil {
		return err
	}
	h.WAN = &Host{wan, netip.MustParseAddr(wanNetwork + "50"), netip.MustParseAddr("2001:db8::50")}
	if err := errors.Join(
		netns.Connect(router, "wan", wan, "eth0"),
		router.Address("wan", netip.PrefixFrom(h.Public.IPv4, 24), netip.PrefixFrom(h.Public.IPv6, 64)),
		wan.Address("eth0", netip.PrefixFrom(h.WAN.IPv4, 24), netip.PrefixFrom(h.WAN.IPv6, 64),
			netip.PrefixFrom(internetDNS, 24)),
		router.Route(netip.MustParsePrefix("0.0.0.0/0"), h.WAN.IPv4),
		router.Route(netip.MustParsePrefix("::/0"), h.WAN.IPv6),
	); err != nil {
		return err
	}

	for _, member := range []struct {
		host   **Host
		name   string
		number byte
	}{
		{&h.NAS, "nas", 2},
		{&h.External, "external", 3},
		{&h.Internal, "internal", 5},
		{&h.Client, "client", 100},
	} {
		if *member.host, err = h.AddHost(member.name, member.number); err != nil {
			return err
		}
	}
	return router.Firewall(firewall)
}

// AddHost connects one more machine to the LAN, at 192.168.0.NUMBER and fd00:c0a8::NUMBER (in decimal digits).
func (h *House) AddHost(name string, number byte) (*Host, error) {
	n, err := h.newHost(name)
	if err != nil {
		return nil, err
	}
	host := &Host{
		Namespace: n,
		IPv4:      netip.MustParseAddr(fmt.Sprint(lanNetwork, number)),
		IPv6:      netip.MustParseAddr(fmt.Sprint("fd00:c0a8::", number)),
	}
	port := fmt.Sprint("lan", number)
	if err := errors.Join(
		netns.Connect(h.Router.Namespace, port, n, "eth0"),
		h.Router.IP("link", "set", port, "master", "br-lan"),
		n.Address("eth0", netip.PrefixFrom(host.IPv4, 24), netip.PrefixFrom(host.IPv6, 64)),
		n.Route(netip.MustParsePrefix("0.0.0.0/0"), h.Router.IPv4),
		n.Route(netip.MustParsePrefix("::/0"), h.Router.IPv6),
	); err != nil {
		return nil, fmt.Errorf("add host %s: %w", name, err)
	}
	return host, nil
}

func (h *House) newHost(name string) (*netns.Namespace, error) {
	n, err := netns.New(name)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hosts = append(h.hosts, n)
	return n, nil
}

// Close stops all services, the last one first, and removes hosts and files.
func (h *House) Close() error {
	h.mu.Lock()
	services, hosts := h.services, h.hosts
	h.services, h.hosts = nil, nil
	h.mu.Unlock()
	var err error
	for _, s := range slices.Backward(services) {
		err = errors.Join(err, s.Stop(syscall.SIGTERM))
	}
	for _, n := range hosts {
		err = errors.Join(err, n.Close())
	}
	return errors.Join(err, os.RemoveAll(h.Dir))
}

// firewall is what OpenWrt's fw4 makes of a plain configuration and of the redirects of sniroute's init script: nothing
// comes in from the internet but what was redirected to sniroute, so that its own port stays closed there.
const firewall = `
table inet fw4 {
	chain dstnat {
		type nat hook prerouting priority dstnat
		iifname "wan" meta nfproto ipv4 tcp dport 443 redirect to :8443
		iifname "wan" meta nfproto ipv4 tcp dport 80 redirect to :8080
	}
	chain srcnat {
		type nat hook postrouting priority srcnat
		oifname "wan" meta nfproto ipv4 masquerade
	}
	chain input {
		type filter hook input priority filter; policy drop
		iifname { "lo", "br-lan" } accept
		ct state established,related accept
		ct status dnat accept
		icmp type echo-request accept
		icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
		reject with tcp reset
	}
	chain forward {
		type filter hook forward priority filter; policy drop
		iifname "br-lan" accept
		ct state established,related accept
	}
}
`
