package main

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// mostConnections returns how many client connections are admitted at once: what is configured (0: auto, by memory),
// but never more than descriptors and conntrack allow, since running out of either would hurt the whole router.
func mostConnections(configured int) int {
	most := configured
	if most == 0 {
		most = connectionsForMemory()
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil && files.Cur < 1<<31 {
		most = min(most, (int(files.Cur)-256)/2) // two a connection, some for everything else
	}
	if n, ok := readNumber("/proc/sys/net/netfilter/nf_conntrack_max"); ok {
		most = min(most, n/4) // two entries a connection, and others use the router too
	}
	return max(most, 16)
}

// connectionsForMemory gives a quarter of the memory to connections, at 16 KiB each: what the kernel holds for two
// sockets that are busy.
func connectionsForMemory() int {
	const each, least, most = 16 << 10, 256, 1 << 16
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return least
	}
	memory := uint64(info.Totalram) * uint64(info.Unit)
	return int(min(max(memory/4/each, least), most))
}

func readNumber(path string) (int, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(data)))
	return n, err == nil
}
