package openwrt

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/lab/netns"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// A sourceLab is a house whose router is run by what the package ships: the init script, in busybox's shell, with
// busybox's ip and the real nft and daemon.
type sourceLab struct {
	cycle
	house *house.House
	web   *house.Web
	guest *netns.Namespace // in a network of its own behind the router, 10.7.0.2
}

const (
	sourceApp   = "app.example.com"   // at the server's IPv4 address
	sourceApp6  = "app6.example.com"  // at its IPv6 address
	sourceLoop  = "loop.example.com"  // at a port that leads back to the router
	sourceKube  = "kube.example.com"  // from a manifest
	sourceProxy = "proxy.example.com" // to a server that wants a PROXY protocol header
)

const sourceConfig = `
config sniroute 'main'

config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'

config backend 'web'
	list server '192.168.0.3:443'
	option connect_timeout '1s'
	option source 'client'

config backend 'web6'
	list server '[fd00:c0a8::3]:443'
	option source 'client'

config backend 'back'
	list server '192.168.0.3:444'
	option connect_timeout '2s'
	option check 'none'
	option source 'client'

config backend 'proxy'
	list server '192.168.0.3:445'
	option check 'none'
	option send_proxy 'v1'
	option source 'client'

config route 'app'
	list host 'app.example.com'
	option backend 'web'

config route 'app6'
	list host 'app6.example.com'
	option backend 'web6'

config route 'loop'
	list host 'loop.example.com'
	option backend 'back'

config route 'named'
	list host 'proxy.example.com'
	option backend 'proxy'

config manifests 'm'
	list source 'ingress'
	list domain 'kube.example.com'

config class 'kube'
	option cluster 'm'
	option class 'nginx'
	option match_address '192.168.0.3/32'
	option expose '1'
	option source 'client'

config dns 'dns'
	option enabled '0'
`

const sourceManifest = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: kube
  namespace: default
spec:
  ingressClassName: nginx
  rules:
  - host: kube.example.com
status:
  loadBalancer:
    ingress:
    - ip: 192.168.0.3
`

func newSourceLab(t *testing.T) *sourceLab {
	r := bareRouter(t)
	l := &sourceLab{cycle: cycle{T: t, Router: r}}
	l.build()
	if err := r.MoveTo(l.house.Router.Namespace); err != nil {
		t.Fatal(err)
	}
	l.install()
	l.startProcd()
	return l
}

// build makes the house, with a web server, a guest network, and the firewall's redirect for IPv6.
func (l *sourceLab) build() {
	h, err := house.Build()
	if err != nil {
		l.Fatal(err)
	}
	l.house = h
	l.Cleanup(func() {
		if err := h.Close(); err != nil {
			l.Error(err)
		}
	})
	if l.web, err = h.StartWeb(l.Context(), h.External, sourceApp, sourceApp6, sourceKube); err != nil {
		l.Fatal(err)
	}
	if l.guest, err = netns.New("guest"); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if err := l.guest.Close(); err != nil {
			l.Error(err)
		}
	})
	err = errors.Join(
		netns.Connect(h.Router.Namespace, "guest", l.guest, "eth0"),
		h.Router.Address("guest", netip.MustParsePrefix("10.7.0.1/24")),
		l.guest.Address("eth0", netip.MustParsePrefix("10.7.0.2/24")),
		l.guest.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.7.0.1")),
		h.Router.Firewall(`
			add rule inet fw4 dstnat iifname "wan" meta nfproto ipv6 tcp dport 443 redirect to :8443
			insert rule inet fw4 input iifname "guest" accept
		`),
		h.External.Sysctl("net.ipv4.ip_forward", "1"),
		h.External.Firewall(`
			table ip back {
				chain prerouting {
					type nat hook prerouting priority dstnat
					tcp dport 444 dnat to 192.168.0.1:8443
				}
			}
			table inet ban {
				set clients { type ipv4_addr; }
				chain input {
					type filter hook input priority filter
					ip saddr @clients drop
				}
			}
		`),
	)
	if err != nil {
		l.Fatal(err)
	}
}

// install puts what the package ships where it belongs.
func (l *sourceLab) install() {
	const files = "../../openwrt/package/sniroute/files/"
	for name, from := range map[string]string{
		"/etc/init.d/sniroute":                   initScript,
		"/etc/capabilities/sniroute.json":        files + "sniroute.capabilities.json",
		"/etc/capabilities/sniroute-client.json": files + "sniroute-client.capabilities.json",
		"/usr/bin/sniroute":                      filepath.Join(built, "sniroute-"+goarch()),
	} {
		if err := os.Remove(l.Path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.Fatal(err)
		}
		if err := copyFile(l.Path(name), from); err != nil {
			l.Fatal(err)
		}
	}
	write(l.T, l.Router, "/etc/passwd", "root:x:0:0:root:/root:/bin/ash\nsniroute:x:443:443::/:/bin/false\n", 0o644)
	write(l.T, l.Router, "/etc/group", "root:x:0:\nsniroute:x:443:\n", 0o644)
	write(l.T, l.Router, "/proc/net/if_inet6", "", 0o644)
	write(l.T, l.Router, "/etc/sniroute/manifests/kube.yaml", sourceManifest, 0o644)
	write(l.T, l.Router, "/etc/config/sniroute", sourceConfig, 0o644)
}

// curl asks for a page of a name at an address, from a machine of the house, as often as it takes, and returns it.
func (l *sourceLab) curl(from *netns.Namespace, name, at, path string, more ...string) ([]byte, error) {
	address, port, _ := strings.Cut(at, "|")
	args := append([]string{"--silent", "--show-error", "--fail", "--max-time", "60", "--cacert", l.house.Authority.File,
		"--resolve", name + ":" + port + ":" + address}, more...)
	return from.Output(exec.CommandContext(l.Context(), "curl", append(args, "https://"+name+":"+port+path)...))
}

var askedBy = regexp.MustCompile(`asked by (\S+)`)

// seen waits until the server answers and says that it sees the client at that address.
func (l *sourceLab) seen(from *netns.Namespace, name, at, want string) {
	l.Helper()
	l.within(fmt.Sprintf("%s from %s is seen as %s", name, from.Name, want), func() error {
		page, err := l.curl(from, name, at, "/")
		if err != nil {
			return err
		}
		if m := askedBy.FindSubmatch(page); m == nil || string(m[1]) != want {
			return fmt.Errorf("%q", page)
		}
		return nil
	})
}

const (
	atWAN   = "203.0.113.1|443"
	atWAN6  = "[2001:db8::1]|443"
	atLAN   = "192.168.0.1|8443"
	atLAN6  = "[fd00:c0a8::1]|8443"
	atGuest = "10.7.0.1|8443"
)

// rules returns what there is on the router for source 'client', by the tools of this machine.
func (l *sourceLab) rules() []string {
	l.Helper()
	list := []string{}
	for _, command := range []string{
		"nft list tables", "ip -4 rule", "ip -6 rule",
		"ip -4 route show table all type local", "ip -6 route show table all type local",
	} {
		words := strings.Fields(command)
		out, err := l.house.Router.Output(exec.Command(words[0], words[1:]...))
		if err != nil {
			l.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "sniroute") || strings.Contains(line, "0x736e69") || strings.Contains(line, "table 244") {
				list = append(list, words[0]+" "+strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return list
}

var madeRules = []string{
	"nft table inet sniroute",
	"ip 443: from all fwmark 0x736e69 lookup 244", "ip 443: from all fwmark 0x736e69 lookup 244",
	"ip local default dev lo table 244 scope host", "ip local default dev lo table 244 metric 1024 pref medium",
}

// may reports whether the daemon has the capability that source 'client' takes.
func (l *sourceLab) may() bool {
	l.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.procd.PID("sniroute")))
	if err != nil {
		l.Fatal(err)
	}
	var set uint64
	_, after, _ := strings.Cut(string(status), "CapEff:")
	if _, err := fmt.Sscanf(strings.TrimSpace(after), "%x", &set); err != nil {
		l.Fatal(err)
	}
	return set&(1<<12) != 0
}

// TestClientSource runs the service on a router between real clients and a real server, which says whom it sees.
func TestClientSource(t *testing.T) {
	l := newSourceLab(t)
	h := l.house
	if err := service(t, l.Router, "start"); err != nil {
		t.Fatal(err)
	}

	// From the internet, over IPv4 and IPv6, by static routes and a claim; and from another network of the house.
	l.seen(h.WAN.Namespace, sourceApp, atWAN, "203.0.113.50")
	l.seen(h.WAN.Namespace, sourceApp6, atWAN6, "2001:db8::50")
	l.seen(h.WAN.Namespace, sourceKube, atWAN, "203.0.113.50")
	l.seen(l.guest, sourceApp, atGuest, "10.7.0.2")
	// Beside the server, or of the other family: the router's own address.
	l.seen(h.Client.Namespace, sourceApp, atLAN, "192.168.0.1")
	l.seen(h.Client.Namespace, sourceApp6, atLAN6, "fd00:c0a8::1")
	l.seen(h.Router.Namespace, sourceApp, atLAN, "192.168.0.1")
	l.seen(h.WAN.Namespace, sourceApp, atWAN6, "192.168.0.1")
	l.seen(h.WAN.Namespace, sourceApp6, atWAN, "fd00:c0a8::1")

	if got := l.rules(); !slices.Equal(got, madeRules) {
		t.Errorf("the rules are %q", got)
	}
	if !l.may() {
		t.Error("the daemon lacks the capability")
	}
	openssl := exec.Command("openssl", "s_client", "-connect", "203.0.113.1:443", "-servername", sourceApp,
		"-CAfile", h.Authority.File, "-verify_return_error", "-brief")
	if out, err := h.WAN.Output(openssl); err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}

	l.many()
	l.transfers()
	l.restarted()
	l.banned()
	l.leadsBack()
	l.header()
	l.switched()
	l.refused()
	l.stopped()
}

// many connections of one client are open at the same time, and each is answered.
func (l *sourceLab) many() {
	var open []*tls.Conn
	for range 100 {
		raw, err := l.house.WAN.Dial(l.Context(), "tcp", "203.0.113.1:443")
		if err != nil {
			l.Fatal(err)
		}
		defer raw.Close()
		conn := tls.Client(raw, &tls.Config{ServerName: sourceApp, RootCAs: l.house.Authority.Pool})
		if err := conn.HandshakeContext(l.Context()); err != nil {
			l.Fatalf("connection %d: %v", len(open), err)
		}
		open = append(open, conn)
	}
	for i, conn := range open {
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", sourceApp)
		page, err := io.ReadAll(conn)
		if err != nil || !bytes.Contains(page, []byte("asked by 203.0.113.50\n")) {
			l.Fatalf("connection %d: %v: %s", i, err, page)
		}
	}
}

// transfers compares a lot of bytes, while the service is reloaded: connections and rules stay.
func (l *sourceLab) transfers() {
	big := make([]byte, 48<<20)
	if _, err := rand.Read(big); err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.web.Documents, "big"), big, 0o644); err != nil {
		l.Fatal(err)
	}
	for _, c := range []struct{ name, at string }{{sourceApp, atWAN}, {sourceApp6, atWAN6}} {
		ended := make(chan error, 1)
		go func() {
			got, err := l.curl(l.house.WAN.Namespace, c.name, c.at, "/big?rate=24m")
			if err == nil && !bytes.Equal(got, big) {
				err = fmt.Errorf("%d bytes, and not those that were sent", len(got))
			}
			ended <- err
		}()
		pid := l.procd.PID("sniroute")
		for range 2 {
			if err := service(l.T, l.Router, "reload"); err != nil {
				l.Error(err)
			}
		}
		if err := <-ended; err != nil {
			l.Errorf("%s: %v", c.name, err)
		}
		if now := l.procd.PID("sniroute"); now != pid {
			l.Errorf("the reload started process %d for %d", now, pid)
		}
	}
	if got := l.rules(); !slices.Equal(got, madeRules) {
		l.Errorf("after reloads the rules are %q", got)
	}
}

// restarted does what `service network restart` does to rules and loopback, and what netifd says then.
func (l *sourceLab) restarted() {
	router := l.house.Router
	err := errors.Join(
		router.IP("-4", "rule", "del", "priority", "443"), router.IP("-6", "rule", "del", "priority", "443"),
		router.IP("link", "set", "lo", "down"), router.IP("link", "set", "lo", "up"),
	)
	if err != nil {
		l.Fatal(err)
	}
	if page, err := l.curl(l.house.WAN.Namespace, sourceApp, atWAN, "/"); err == nil {
		l.Errorf("without rule and route there is an answer: %s", page)
	}
	l.procd.Event("interface.*", ubus.Table{{Name: "interface", Value: "loopback"}})
	l.procd.Settle() // rules for IPv6 come behind those for IPv4
	l.seen(l.house.WAN.Namespace, sourceApp, atWAN, "203.0.113.50")
	if got := l.rules(); !slices.Equal(got, madeRules) {
		l.Errorf("after a restart of the network the rules are %q", got)
	}
}

// banned: a server that shuns one client stays up for the others.
func (l *sourceLab) banned() {
	if err := l.house.External.Firewall("add element inet ban clients { 203.0.113.50 }"); err != nil {
		l.Fatal(err)
	}
	l.Router.Log()
	for range 4 {
		if page, err := l.curl(l.house.WAN.Namespace, sourceApp, atWAN, "/"); err == nil {
			l.Errorf("who is banned gets %s", page)
		}
		if page, err := l.curl(l.guest, sourceApp, atGuest, "/"); err != nil {
			l.Errorf("who is not banned gets %s: %v", page, err)
		}
	}
	if err := l.house.External.Firewall("flush set inet ban clients"); err != nil {
		l.Fatal(err)
	}
	l.seen(l.house.WAN.Namespace, sourceApp, atWAN, "203.0.113.50")
}

// leadsBack: a server that sends connections back to the router makes no loop. The router's answer to the address that
// was borrowed goes to the client.
func (l *sourceLab) leadsBack() {
	counters := func() map[string]int {
		out, err := l.house.Router.Output(exec.Command("curl", "--silent", "http://127.0.0.1:1936/metrics"))
		if err != nil {
			l.Fatal(err)
		}
		counted := make(map[string]int)
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			series, _, _ := strings.Cut(name, "{")
			switch series {
			case "sniroute_rejected_total", "sniroute_connections_total", "sniroute_connections_active":
				if counted[name], err = strconv.Atoi(value); err != nil {
					l.Fatal(err)
				}
			}
		}
		return counted
	}
	var want map[string]int
	l.within("connections before have ended, and are counted", func() error {
		want = counters()
		for name, n := range want {
			if strings.HasPrefix(name, "sniroute_connections_active") && n > 0 {
				return fmt.Errorf("%s: %d", name, n)
			}
		}
		return nil
	})
	if page, err := l.curl(l.house.WAN.Namespace, sourceLoop, atWAN, "/"); err == nil {
		l.Errorf("a loop gets %s", page)
	}
	want[`sniroute_rejected_total{listener="https",reason="no_server"}`]++
	l.within("one connection is refused, and no other is seen", func() error {
		if got := counters(); !maps.Equal(got, want) {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return nil
	})
}

// header: a server gets the PROXY protocol as well, if it wants it.
func (l *sourceLab) header() {
	listener, err := l.house.External.Listen("tcp", "192.168.0.3:445")
	if err != nil {
		l.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer conn.Close()
		line, err := bufio.NewReader(conn).ReadString('\n')
		peer, _, _ := strings.Cut(conn.RemoteAddr().String(), ":")
		got <- fmt.Sprint(peer, " ", line, err)
	}()
	if page, err := l.curl(l.house.WAN.Namespace, sourceProxy, atWAN, "/"); err == nil {
		l.Errorf("a server without TLS answers %s", page)
	}
	if text := <-got; !strings.HasPrefix(text, "203.0.113.50 PROXY TCP4 203.0.113.50 203.0.113.1 ") {
		l.Errorf("the server sees %s", text)
	}
}

// switched: without the option there are neither rules nor the capability, and the server sees the router.
func (l *sourceLab) switched() {
	write(l.T, l.Router, "/etc/config/sniroute", strings.ReplaceAll(sourceConfig, "'client'", "'router'"), 0o644)
	if err := service(l.T, l.Router, "reload"); err != nil {
		l.Fatal(err)
	}
	l.seen(l.house.WAN.Namespace, sourceApp, atWAN, "192.168.0.1")
	if got := l.rules(); len(got) != 0 {
		l.Errorf("without the option the rules are %q", got)
	}
	if l.may() {
		l.Error("without the option the daemon has the capability")
	}
}

// refused: a process that lacks the capability says so, whether it starts with the option or gets it later.
func (l *sourceLab) refused() {
	const problem = "/etc/config/sniroute:11: backend 'web': option source: 'client' needs CAP_NET_ADMIN, which this " +
		"process does not have: run 'service sniroute restart', which grants it, or say 'router'\n"
	write(l.T, l.Router, "/etc/config/sniroute", sourceConfig, 0o644)
	if err := l.procd.signal("sniroute", syscall.SIGHUP); err != nil { // not by the init script, which would grant it
		l.Fatal(err)
	}
	l.within("the daemon refuses the option", func() error {
		out, err := l.Router.Run("/usr/bin/sniroute", "status")
		if !strings.Contains(out, strings.TrimSpace(problem)) {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	})
	l.seen(l.house.WAN.Namespace, sourceApp, atWAN, "192.168.0.1")
	for command, code := range map[string]int{"check": 0, "run": 1} {
		cmd := exec.Command("setpriv", "--bounding-set=-net_admin,-net_raw", "--inh-caps=-net_admin,-net_raw",
			"chroot", l.Path("/"), "/usr/bin/sniroute", command)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		err := l.house.Router.Run(cmd)
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(stderr.String(), problem) {
			l.Errorf("%s: %v: %s", command, err, stderr.String())
		}
	}
}

// stopped: nothing is left.
func (l *sourceLab) stopped() {
	if err := service(l.T, l.Router, "reload"); err != nil {
		l.Fatal(err)
	}
	l.seen(l.house.WAN.Namespace, sourceApp, atWAN, "203.0.113.50")
	if got := l.rules(); !slices.Equal(got, madeRules) {
		l.Errorf("the rules are %q", got)
	}
	if err := service(l.T, l.Router, "stop"); err != nil {
		l.Fatal(err)
	}
	if got := l.rules(); len(got) != 0 {
		l.Errorf("after the stop the rules are %q", got)
	}
}
