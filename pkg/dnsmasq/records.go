package dnsmasq

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
)

// files is the content of the two files that dnsmasq reads.
type files struct {
	hosts   []byte
	servers []byte
	records int // names in them
	skipped int // records that they cannot hold
}

const header = "# Written by sniroute; changes are lost.\n"

// render makes the files' content. A hosts line is "ADDRESS NAME" (hosts(5)). The servers file has two lines for each
// name, as of dnsmasq(8), --server: "server=/NAME/" keeps questions for NAME and all below it, and the more specific
// "server=/*.NAME/#" sends those below it to the standard servers again.
func render(records []route.Record) files {
	var f files
	var hosts, servers bytes.Buffer
	hosts.WriteString(header)
	servers.WriteString(header)
	for _, r := range records {
		if !isHostName(r.Name) || len(r.Addresses) == 0 {
			f.skipped++
			continue
		}
		f.records++
		for _, a := range r.Addresses {
			hosts.WriteString(hostAddress(a) + " " + r.Name + "\n")
		}
		servers.WriteString("server=/" + r.Name + "/\nserver=/*." + r.Name + "/#\n")
	}
	f.hosts, f.servers = hosts.Bytes(), servers.Bytes()
	return f
}

// hostAddress spells an address as a hosts file has it: IPv4 in its own form, no zone.
func hostAddress(a netip.Addr) string { return a.Unmap().WithZone("").String() }

// isHostName reports whether name can stand in dnsmasq's configuration without being anything but a name. The table
// holds no others; this is the last line of defence between a cluster and a file that root's daemon reads.
func isHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
