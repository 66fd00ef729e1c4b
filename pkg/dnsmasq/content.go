package dnsmasq

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/sniroute/sniroute/pkg/route"
)

// A content is everything that is published for one list of records.
type content struct {
	files         []file
	domainServers []string // what the servers file says, as dnsmasq takes it over D-Bus
	records       int      // names that are published
	skipped       int      // records that are not
}

// A file is what one file is to hold.
type file struct {
	path     string
	text     []byte
	then     chores // after it has changed
	optional bool   // it is not made if it is missing
}

const header = "# Written by sniroute; changes are lost.\n"

// content spells the records out for dnsmasq, in the order in which the files are to be written: those that answer come
// before the one that keeps questions from going elsewhere.
func (p *Publisher) content(records []route.Record) content {
	o := p.options
	var c content
	var exact, wild []route.Record
	for _, r := range records {
		name, isWild := strings.CutPrefix(r.Name, "*.")
		switch {
		case !isHostName(name) || len(r.Addresses) == 0 || isWild && o.WildcardsFile == "":
			c.skipped++
		case isWild:
			wild = append(wild, route.Record{Name: name, Addresses: r.Addresses, Except: r.Except})
		default:
			exact = append(exact, r)
		}
	}
	c.records = len(exact) + len(wild)
	c.domainServers = domainServers(exact, wild)
	reload := chores{reload: true, hook: true}
	hosts, servers := hostsText(exact), serversText(c.domainServers)
	if o.Mode == ModeUCI {
		hosts = []byte(header)
		then := chores{domains: true, hook: true}
		c.files = append(c.files, file{path: o.DomainsFile, text: domainsText(exact), then: then})
	}
	c.files = append(c.files, file{path: o.HostsFile, text: hosts, then: reload, optional: o.Mode == ModeUCI})
	if o.Mode != ModeUCI && o.DomainsFile != "" && o.UBus != nil { // an earlier configuration may have had that mode
		c.files = append(c.files, file{path: o.DomainsFile, then: chores{domains: true}, optional: true})
	}
	if o.WildcardsFile != "" {
		c.files = append(c.files, file{path: o.WildcardsFile, text: wildcardsText(wild), then: chores{restart: true},
			optional: len(wild) == 0})
	}
	if o.ServersFile != "" {
		f := file{path: o.ServersFile, text: servers, then: reload}
		if o.Notify == NotifyDBus {
			f.text, f.optional = []byte(header), true
		}
		c.files = append(c.files, f)
	}
	return c
}

// hostsText has a line "ADDRESS NAME" for each address (hosts(5)).
func hostsText(exact []route.Record) []byte {
	b := bytes.NewBufferString(header)
	for _, r := range exact {
		for _, a := range r.Addresses {
			b.WriteString(addressText(a) + " " + r.Name + "\n")
		}
	}
	return b.Bytes()
}

// domainsText has a line "NAME ADDRESS" for each address, which the init script checks and takes over.
func domainsText(exact []route.Record) []byte {
	var b bytes.Buffer
	for _, r := range exact {
		for _, a := range r.Addresses {
			b.WriteString(r.Name + " " + addressText(a) + "\n")
		}
	}
	return b.Bytes()
}

// domainServers says where questions go, in the form that --server takes (dnsmasq(8)): "/NAME/" keeps those for NAME
// and all below it, and the more specific "/*.NAME/#" sends those below it to the standard servers again. Below a
// wildcard only the name that proves control of it for a certificate (RFC 8555, section 8.4) is sent there, and what it
// must not answer.
func domainServers(exact, wild []route.Record) []string {
	list := make([]string, 0, 2*len(exact)+len(wild))
	isExact, isWild := make(map[string]bool, len(exact)), make(map[string]bool, len(wild))
	for _, r := range exact {
		isExact[r.Name] = true
	}
	for _, r := range wild {
		isWild[r.Name] = true
		list = append(list, "/_acme-challenge."+r.Name+"/#")
		for _, name := range r.Except {
			if isHostName(name) && !isExact[name] {
				list = append(list, "/"+name+"/#")
			}
		}
	}
	for _, r := range exact {
		list = append(list, "/"+r.Name+"/")
		if !isWild[r.Name] {
			list = append(list, "/*."+r.Name+"/#")
		}
	}
	return list
}

func serversText(domainServers []string) []byte {
	b := bytes.NewBufferString(header)
	for _, s := range domainServers {
		b.WriteString("server=" + s + "\n")
	}
	return b.Bytes()
}

// wildcardsText answers every name below another and keeps all questions for them, but not for that name itself. It is
// empty without wildcards, as the file is made: dnsmasq need not start again for a comment.
func wildcardsText(wild []route.Record) []byte {
	if len(wild) == 0 {
		return nil
	}
	b := bytes.NewBufferString(header)
	for _, r := range wild {
		for _, a := range r.Addresses {
			b.WriteString("address=/*." + r.Name + "/" + addressText(a) + "\n")
		}
		b.WriteString("local=/*." + r.Name + "/\n")
	}
	return b.Bytes()
}

// addressText spells an address as hosts(5) has it: IPv4 in its own form, no zone.
func addressText(a netip.Addr) string { return a.Unmap().WithZone("").String() }

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
