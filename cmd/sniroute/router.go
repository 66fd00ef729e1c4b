package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/uci"
)

// routerFacts reads what is the router's own and can never be claimed: its addresses, its names, and the names that its
// own DNS holds, from the interfaces, /etc/hosts and the configuration dhcp in dir. What cannot be read is left out.
func routerFacts(dir string, own addresses) route.Router {
	r := route.Router{Addresses: own}
	if host, err := os.Hostname(); err == nil {
		r.Names = append(r.Names, host)
	}
	if data, err := readBounded(filepath.Join(dir, "dhcp"), uci.MaxSize); err == nil {
		if f, err := uci.Parse("dhcp", data); err == nil {
			r.Domain = dhcpDomain(f)
			r.LocalNames = dhcpNames(f, r.Domain)
		}
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
	return r
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
// LAN's domain.
func dhcpNames(f *uci.File, domain string) []string {
	option := map[string]string{
		"domain": "name", "host": "name", "cname": "cname", "hostrecord": "name", "mxhost": "domain", "srvhost": "srv",
	}
	var names []string
	for _, s := range f.Sections {
		o := s.Option(option[s.Type])
		if o == nil {
			continue
		}
		for _, v := range o.Values {
			for name := range strings.FieldsSeq(v.Text) {
				if !strings.Contains(name, ".") && domain != "" {
					name += "." + domain
				}
				names = append(names, name)
			}
		}
	}
	return names
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
