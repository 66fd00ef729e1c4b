package house

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
)

// Where the router's dnsmasq looks for what sniroute publishes, below House.Dir.
const (
	HostsDir    = "hosts"
	HostsFile   = "hosts/sniroute"
	ServersFile = "hosts/.sniroute.servers"
)

// DNSPIDFile is where the router's dnsmasq writes its process id: one of the places where OpenWrt's would.
const DNSPIDFile = "/var/run/dnsmasq/dnsmasq.pid"

// internetDNS is the address of the internet's DNS server, on the host WAN.
var internetDNS = netip.MustParseAddr(wanNetwork + "53")

// routerDNS is what OpenWrt's init script makes of a plain dhcp configuration. rebind-domain-ok is the lab's: its
// internet has addresses of RFC 5737, which dnsmasq counts among the private ones.
const routerDNS = `
domain-needed
localise-queries
read-ethers
expand-hosts
bogus-priv
stop-dns-rebind
rebind-localhost-ok
rebind-domain-ok=/example.com/google.com/
domain=lan
local=/lan/
no-resolv
server=%[3]v
bind-dynamic
interface=br-lan
addn-hosts=%[1]s
servers-file=%[2]s
host-record=router.lan,%[4]v
host-record=nas.lan,%[5]v
no-dhcp-interface=br-lan
`

// internetDNSConfiguration answers as the owner's DNS provider would: every name of the cluster's domain is the
// router's public address, so that what the router does not answer itself goes there, and is seen.
const internetDNSConfiguration = `
no-resolv
no-hosts
listen-address=%[1]v
bind-interfaces
address=/k8s.example.com/%[2]v
address=/k8s.example.com/%[3]v
address=/google.com/203.0.113.99
address=/#/
`

// StartDNS starts dnsmasq on the router and in the internet. The files that sniroute will write exist, as they do when
// its init script has run before dnsmasq's.
func (h *House) StartDNS(ctx context.Context) (router *Service, err error) {
	if err := errors.Join(
		os.MkdirAll(filepath.Join(h.Dir, HostsDir), 0o755),
		os.MkdirAll(filepath.Dir(DNSPIDFile), 0o755),
		touch(filepath.Join(h.Dir, HostsFile)),
		touch(filepath.Join(h.Dir, ServersFile)),
	); err != nil {
		return nil, err
	}
	internet := fmt.Sprintf(internetDNSConfiguration, internetDNS, h.Public.IPv4, h.Public.IPv6)
	_, err = h.startDNS(ctx, h.WAN, internetDNS, "dnsmasq-internet", h.Dir+"/dnsmasq-internet.pid", internet)
	if err != nil {
		return nil, err
	}
	home := fmt.Sprintf(routerDNS, filepath.Join(h.Dir, HostsDir), filepath.Join(h.Dir, ServersFile), internetDNS,
		h.Router.IPv4, h.NAS.IPv4)
	return h.startDNS(ctx, h.Router, h.Router.IPv4, "dnsmasq", DNSPIDFile, home)
}

func (h *House) startDNS(ctx context.Context, host *Host, at netip.Addr, name, pid, text string) (*Service, error) {
	path := filepath.Join(h.Dir, name+".conf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	// --no-daemon: otherwise it calls setgroups(2), which a plain user's namespace forbids. It then leaves the file
	// with its process id to us.
	s, err := h.Start(host, name, "dnsmasq", "--no-daemon", "--conf-file="+path)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(pid, fmt.Appendln(nil, s.PID()), 0o644); err != nil {
		return nil, err
	}
	return s, s.Ready(ctx, func(ctx context.Context) error {
		conn, err := host.Dial(ctx, "tcp", netip.AddrPortFrom(at, 53).String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func touch(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}
