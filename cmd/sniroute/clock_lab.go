//go:build labclock

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock is that of a router without a battery: it was 1970 when the machine was switched on. Only the lab builds the
// daemon with it.
func clock() time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		panic(err) // there is no Linux without this clock
	}
	return time.Unix(up.Unix())
}
