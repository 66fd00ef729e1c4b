package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/uci"
)

// routerFacts reads what is the router's own and can never be claimed: its addresses, its names, and the names that its
// own DNS holds, from the interfaces, /etc/hosts and the configuration dhcp in dir. Where that cannot be read, its names
// are those that were known last (nil: none were), and there is an error; what does not exist is none.
func routerFacts(dir string, own []netip.Addr, last *route.Router) (route.Router, error) {
	r := route.Router{Addresses: own}
	if host, err := os.Hostname(); err == nil {
		r.Names = append(r.Names, host)
	}
	dhcp, err := readDHCP(dir)
	switch {
	case err != nil && last != nil:
		err = fmt.Errorf("the LAN's own names cannot be read; those that were known last stay: %w", err)
		r.Domain, r.LocalNames = last.Domain, slices.Clone(last.LocalNames)
	case err != nil:
		err = fmt.Errorf("the LAN's own names are not known, so that a cluster could claim one: %w", err)
	case dhcp != nil:
		r.Domain = dhcpDomain(dhcp)
		r.LocalNames = dhcpNames(dhcp, r.Domain)
	}
	if r.Domain != "" {
		for _, name := range slices.Clone(r.Names) {
			r.Names = append(r.Names, name+"."+r.Domain)
		}
	}
	if data, err := readBounded("/etc/hosts", 1<<20); err == nil {
		r.LocalNames = append(r.LocalNames, hostsNames(string(data))...)
	}
	slices.Sort(r.LocalNames)
	r.LocalNames = slices.Compact(r.LocalNames)
	return r, err
}

// dhcpCopy is what the init script leaves of /etc/config/dhcp, which is root's alone.
const dhcpCopy = "/var/run/sniroute-lan/dhcp"

// readDHCP reads the configuration dhcp in dir, or the copy of it; nil if there is none.
func readDHCP(dir string) (*uci.File, error) {
	data, err := readBounded(filepath.Join(dir, "dhcp"), uci.MaxSize)
	if errors.Is(err, fs.ErrPermission) {
		if copied, err := readBounded(dhcpCopy, uci.MaxSize); err == nil {
			return uci.Parse("dhcp", copied)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return uci.Parse("dhcp", data)
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// dhcpDomain returns the domain of the LAN, as the first dnsmasq section has it.
func dhcpDomain(f *uci.File) string {
	for _, s := range f.Sections {
		if o := s.Option("domain"); s.Type == "dnsmasq" && o != nil {
			return o.Values[0].Text
		}
	}
	return ""
}

// dhcpNames returns the names for which dnsmasq holds records from /etc/config/dhcp. Those without a dot lie in the
// LAN's domain. The sections that the init script made of our own names (mode 'uci') are passed over: they would beat
// the claims that they come from.
func dhcpNames(f *uci.File, domain string) []string {
	option := map[string]string{
		"domain": "name", "host": "name", "cname": "cname", "hostrecord": "name", "mxhost": "domain", "srvhost": "srv",
		"dnsmasq": "address",
	}
	var names []string
	for _, s := range f.Sections {
		o := s.Option(option[s.Type])
		if o == nil || s.Type == "domain" && isOwnSection(s.Name) {
			continue
		}
		for _, v := range o.Values {
			list := strings.Fields(v.Text)
			if s.Type == "dnsmasq" { // /NAME/NAME/ADDRESS
				list = strings.Split(v.Text, "/")
				list = list[:len(list)-1]
			}
			for _, name := range list {
				switch {
				case name == "", strings.ContainsAny(name, "*#"):
					continue
				case !strings.Contains(name, ".") && domain != "":
					name += "." + domain
				}
				names = append(names, name)
			}
		}
	}
	return names
}

// isOwnSection reports whether the init script calls a domain section so that it makes: sniroute_N.
func isOwnSection(name string) bool {
	number, ok := strings.CutPrefix(name, "sniroute_")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// hostsNames returns the names of a hosts file (hosts(5)).
func hostsNames(text string) []string {
	var names []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if fields := strings.Fields(line); len(fields) > 1 {
			names = append(names, fields[1:]...)
		}
	}
	return names
}
