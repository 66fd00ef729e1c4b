package main

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// withRemedy adds to an error of the system about a listening address or a file what a person can do about it.
func withRemedy(err error) error {
	var remedy string
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		remedy = "another program listens there: end it, or give another port"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = "the router has no such address: give one of its own, or ':PORT' for all"
	case errors.Is(err, unix.EAFNOSUPPORT):
		remedy = "the kernel does without IPv6: listen at '0.0.0.0:PORT'"
	case errors.Is(err, fs.ErrPermission):
		remedy = "root may, and CAP_NET_BIND_SERVICE is enough for a port below 1024"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, remedy)
}
