// Package openwrt makes a folder in which OpenWrt's scripts run as on a router: busybox, chroot, and doubles of what
// OpenWrt adds to it. Its tests run the init script and the packages' scripts there.
//
// The doubles are shell functions (root/lib) and programs that do nothing but forward their arguments to the Router in
// the test's own process (forward), which plays uci, procd, logger and the rest, and keeps what it was asked. A Service
// is what procd would have been told, in the form in which it would have been told it.
package openwrt
