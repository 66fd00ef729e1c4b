package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// addresses are those of all interfaces of the router.
type addresses struct {
	all   []netip.Addr     // sorted
	links [][]netip.Prefix // by interface: the networks that it is in
}

// has reports whether an address is the router's own: nothing may be routed there.
func (a addresses) has(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	_, found := slices.BinarySearchFunc(a.all, addr, netip.Addr.Compare)
	return found || addr.IsLoopback() || addr.IsUnspecified()
}

// linked reports whether two addresses lie in networks of one interface, so that they need no router between them. They
// may be of different networks: one link often has several IPv6 prefixes.
func (a addresses) linked(one, other netip.Addr) bool {
	for _, networks := range a.links {
		if within(networks, one) && within(networks, other) {
			return true
		}
	}
	return false
}

func within(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// ownAddresses asks the kernel. Where it does not tell, none are known.
func ownAddresses() addresses {
	own, _ := readAddresses()
	return own
}

// readAddresses asks the kernel for all addresses at once (rtnetlink(7), RTM_GETADDR). Package net would ask for the
// links as well, which has no answer that it can read where qemu emulates a big-endian processor.
func readAddresses() (addresses, error) {
	var own addresses
	answer, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return own, fmt.Errorf("reading the router's addresses: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return own, fmt.Errorf("reading the router's addresses: %w", err)
	}
	byLink := make(map[uint32][]netip.Prefix)
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return own, fmt.Errorf("reading an address of the router: %w", err)
		}
		// At a link between two points, IFA_ADDRESS is the other one's. Elsewhere both are the same, or one is missing.
		var local, network netip.Addr
		for _, a := range attributes {
			switch addr, ok := netip.AddrFromSlice(a.Value); {
			case !ok:
			case a.Attr.Type == syscall.IFA_LOCAL:
				local = addr
			case a.Attr.Type == syscall.IFA_ADDRESS:
				network = addr
			}
		}
		if !local.IsValid() {
			local = network
		} else if !network.IsValid() {
			network = local
		}
		if !local.IsValid() {
			continue
		}
		own.all = append(own.all, local.Unmap())
		length, link := int(m.Data[1]), binary.NativeEndian.Uint32(m.Data[4:]) // struct ifaddrmsg
		if prefix, err := network.Prefix(length); err == nil {
			byLink[link] = append(byLink[link], prefix)
		}
	}
	own.links = slices.Collect(maps.Values(byLink))
	slices.SortFunc(own.all, netip.Addr.Compare)
	own.all = slices.Compact(own.all)
	return own, nil
}

// lookPause is the least time between two looks at the router's addresses: IPv6 ones are announced again and again.
const lookPause = 250 * time.Millisecond

// whenAddressesChange calls look whenever an address of the router comes or goes, and every now and then in case that
// was missed, until ctx ends.
func whenAddressesChange(ctx context.Context, every time.Duration, log *slog.Logger, look func()) {
	told := make(chan struct{}, 1)
	socket, err := openAddressSocket()
	if err != nil {
		log.Warn("the kernel does not tell when addresses change; looking every now and then", "every", every, "error", err)
	} else {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			readAddressSocket(socket, told)
		}()
		defer func() {
			socket.Close() // ends the reader
			<-ended
		}()
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
		case <-ticks.C:
		}
		look()
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookPause):
		}
	}
}

// openAddressSocket subscribes to the kernel's messages about addresses (rtnetlink(7)).
func openAddressSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// readAddressSocket passes on that there was a message. What it says is not looked at: all addresses are read anew.
func readAddressSocket(socket *os.File, told chan<- struct{}) {
	buf := make([]byte, 8192)
	for {
		_, err := socket.Read(buf)
		if err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: messages were lost, which is one too
			return
		}
		select {
		case told <- struct{}{}:
		default: // not yet looked: it will see this change too
		}
	}
}
