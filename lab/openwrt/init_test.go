package openwrt

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sniroute/sniroute/pkg/config"
)

var update = flag.Bool("update", false, "write the golden files again")

const initScript = "../../init.d/sniroute"

// newRouter makes a router with the init script and the account in it, and busybox's shell to run it.
func newRouter(t *testing.T) *Router {
	t.Helper()
	r := bareRouter(t)
	text, err := os.ReadFile(initScript)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r, "/etc/init.d/sniroute", string(text), 0o755)
	write(t, r, "/etc/passwd", "root:x:0:0:root:/root:/bin/ash\nsniroute:x:443:443::/:/bin/false\n", 0o644)
	r.Play("sniroute", func(Call) (string, int) { return "/etc/config/sniroute is valid\n", 0 })
	return r
}

// bareRouter has nothing of sniroute's. At the end, every call that a script made must have been answered.
func bareRouter(t *testing.T) *Router {
	t.Helper()
	dir, err := os.MkdirTemp("", "router") // not t.TempDir: the daemon is another user and must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := New(dir, filepath.Join(built, "forward"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for _, call := range r.Unknown() {
			t.Errorf("nobody answers %s", call)
		}
	})
	return r
}

func write(t *testing.T, r *Router, name, text string, mode os.FileMode) {
	t.Helper()
	if err := r.WriteFile(name, text, mode); err != nil {
		t.Fatal(err)
	}
}

// service runs the init script as a person would.
func service(t *testing.T, r *Router, args ...string) error {
	t.Helper()
	_, err := r.Run(append([]string{"/etc/init.d/sniroute"}, args...)...)
	return err
}

// golden compares a value, as JSON, with a file of testdata.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, b.String(), want)
	}
}

const plain = `
config sniroute 'main'
	option enabled '1'

config listener 'https'
	list listen ':8443'
`

// TestStart compares what procd is told, and what is logged, with golden files.
func TestStart(t *testing.T) {
	for _, c := range []struct {
		name, config string
		bad          bool
	}{
		{name: "default", config: plain},
		{name: "listeners", config: `
config sniroute 'main'
	option max_connections '20000'
	option control '/var/run/elsewhere/control.sock'
	option state_file '/mnt/usb/sniroute/state.json'

config listener 'https'
	list listen '192.168.0.1:8443'
	list listen '[fd00::1]:9443'
	list wan_zone 'wan'
	list wan_zone 'vpn'
	option wan_port '4443'

config listener 'http'
	option proto 'http'

config listener 'inside'
	list listen ':9000'
	option wan_port '0'

config listener 'off'
	option enabled '0'
	list listen ':9001'

config cluster 'home'
	option kubeconfig '/etc/sniroute/kubeconfig'

config cluster 'other'
	list server 'https://192.168.0.10:6443'
	option ca_file '/mnt/usb/ca.crt'
	option token_file '/mnt/usb/token'

config manifests 'files'
	option path '/srv/manifests'

config backend 'ssh'
	option source 'client'

config dns 'dns'
	option hosts_file '/tmp/dns/hosts'
	option servers_file '/tmp/hosts/.sniroute.servers'
	option hook '/usr/bin/told'
	list instance 'lan_dns'
	list instance 'guest_dns'
	list instance "x'; reboot"
`},
		{name: "ipv6", config: plain + `
	option wan_ipv6 '1'

config listener 'v4'
	list listen '0.0.0.0:9443'
	option wan_port '9443'
	option wan_ipv6 '1'

config listener 'both'
	list listen '[::]:10443'
	option wan_port '10443'
	option wan_ipv6 '1'

config listener 'v6'
	list listen '[fd00::1]:11443'
	option wan_port '11443'
	option wan_ipv6 '1'
`},
		{name: "hairpin", config: plain + `
	option wan_ipv6 '1'
	list hairpin 'wan'
	list hairpin 'wan6'
	list hairpin 'wanb'
	list hairpin_zone 'lan'
	list hairpin_zone 'guest'
`},
		{name: "disabled", config: strings.Replace(plain, "'1'", "'0'", 1)},
		{name: "bad", config: plain, bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			r.SetAddresses(map[string]string{"wan": "203.0.113.7", "wan6 6": "2001:db8::7"}) // wanb is down
			write(t, r, "/etc/config/sniroute", c.config, 0o600)
			if c.bad {
				r.Play("sniroute", refuse)
			}
			if err := service(t, r, "start"); err != nil {
				t.Fatal(err)
			}
			conntrack, err := os.ReadFile(r.Path("/proc/sys/net/netfilter/nf_conntrack_max"))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "start-"+c.name, map[string]any{
				"service":   r.Service("sniroute"),
				"calls":     r.Calls("sniroute", "chown", "procd_set_config_changed", "procd_send_signal"),
				"log":       append([]string{}, r.Log()...),
				"files":     tree(t, r, "/etc/sniroute", "/var/run", "/tmp", "/mnt", "/etc/config"),
				"conntrack": strings.TrimSpace(string(conntrack)),
			})
		})
	}
}

// TestPlantedLinks: a daemon that somebody took over puts links to root's files into its folders, and waits for root.
func TestPlantedLinks(t *testing.T) {
	r := newRouter(t)
	const shadow, inside = "root:x:\nsecret.example.com 192.0.2.1\n", "root's"
	write(t, r, "/etc/config/sniroute", plain, 0o644)
	write(t, r, "/etc/config/dhcp", dhcp, 0o644)
	write(t, r, "/etc/shadow", shadow, 0o600)
	write(t, r, "/etc/other/file", inside, 0o600)
	for _, folder := range []string{"/etc/sniroute", "/var/run/sniroute"} {
		write(t, r, folder+"/folder/file", inside, 0o600)
		for name, to := range map[string]string{"link": "/etc/shadow", "near": "../../etc/shadow", "nowhere": "/etc/new",
			"other": "/etc/other", "domains": "/etc/shadow", "wildcards": "/etc/shadow"} {
			if err := os.Symlink(to, r.Path(folder+"/"+name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := tree(t, r, "/etc/other", "/etc/shadow", "/etc/config", "/etc/passwd", "/etc/new")
	for _, command := range []string{"start", "reload", "dns_domains", "dns_wildcards", "dns_withdraw"} {
		write(t, r, "/etc/sniroute/"+command, "a credential", 0o600)
		if err := service(t, r, command); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, r, "/etc/other", "/etc/shadow", "/etc/config", "/etc/passwd", "/etc/new"); !slices.Equal(got, before) {
			t.Errorf("%s: there is now\n%q, and before\n%q", command, got, before)
		}
		for _, name := range []string{"/etc/shadow", "/etc/other", "/etc/other/file", "/etc/passwd", "/etc/config/dhcp"} {
			if uid := owner(t, r, name); uid != os.Getuid() {
				t.Errorf("%s: %s belongs to %d", command, name, uid)
			}
		}
		for _, call := range r.Calls("chown") {
			if !strings.HasPrefix(call, "chown -h sniroute:sniroute ") && !strings.HasSuffix(call, " /var/run/sniroute-lan/dhcp.new") {
				t.Errorf("%s: %s follows links, or folders that become some", command, call)
			}
		}
		if command != "start" && command != "reload" || os.Getuid() != 0 {
			continue
		}
		for _, name := range []string{"/etc/sniroute", "/var/run/sniroute", "/etc/sniroute/" + command, "/etc/sniroute/folder"} {
			if uid := owner(t, r, name); uid != 443 {
				t.Errorf("%s: %s belongs to %d, and the daemon cannot use it", command, name, uid)
			}
		}
	}
	if text, err := os.ReadFile(r.Path("/etc/config/dhcp")); err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("/etc/config/dhcp now says (%v)\n%s", err, text)
	}
}

// TestDNSFiles: what the configuration names and is not for LAN DNS is neither handed to the daemon nor taken away.
func TestDNSFiles(t *testing.T) {
	r := newRouter(t)
	write(t, r, "/etc/shadow", "root:x:\n", 0o600)
	write(t, r, "/etc/config/dhcp", dhcp, 0o644)
	write(t, r, "/tmp/own", "", 0o644)
	write(t, r, "/tmp/other's", "", 0o644)
	if os.Getuid() == 0 {
		if err := os.Chown(r.Path("/tmp/other's"), 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"/tmp/link": "/etc/shadow", "/tmp/nowhere": "/etc/new", "/tmp/folder": "/etc"} {
		if err := os.Symlink(to, r.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	everything := func() []string { return tree(t, r, "/etc", "/tmp") }
	for name, hosts := range map[string]string{
		"a file of root's":            "/etc/shadow",
		"by way of /tmp":              "/tmp/../etc/shadow",
		"in a folder that is a link":  "/tmp/folder/shadow",
		"a link":                      "/tmp/link",
		"a link to what is not there": "/tmp/nowhere",
		"a folder":                    "/tmp/hosts",
		"a file of somebody else's":   "/tmp/other's",
	} {
		if strings.HasSuffix(hosts, "'s") && os.Getuid() != 0 {
			continue
		}
		write(t, r, "/etc/config/sniroute", strings.Replace(plain, "'1'", "'0'", 1)+"\nconfig dns 'dns'\n\toption hosts_file \""+
			hosts+"\"\n\toption servers_file '/tmp/own'\n", 0o644)
		before := everything()
		r.Log()
		if err := service(t, r, "start"); err != nil {
			t.Fatal(err)
		}
		if calls := r.Calls("chown"); !slices.Equal(calls, []string{"chown -h sniroute:sniroute /tmp/own"}) {
			t.Errorf("%s: %q", name, calls)
		}
		if log := r.Log(); len(log) != 1 || !strings.HasPrefix(log[0], "daemon.warning "+hosts+" is left alone: ") {
			t.Errorf("%s: the log says %q", name, log)
		}
		if got := everything(); !slices.Equal(got, before) {
			t.Errorf("%s: there is now\n%q, and before\n%q", name, got, before)
		}
		if err := service(t, r, "dns_withdraw"); err != nil {
			t.Fatal(err)
		}
		write(t, r, "/tmp/own", "", 0o644)
		if got := everything(); !slices.Equal(got, before) {
			t.Errorf("%s, withdrawn: there is now\n%q, and before\n%q", name, got, before)
		}
	}
	// One that is made somewhere else is the daemon's from then on.
	write(t, r, "/etc/config/sniroute", plain+"\nconfig dns 'dns'\n\toption hosts_file '/mnt/usb/hosts'\n", 0o644)
	for range 2 {
		if err := service(t, r, "start"); err != nil {
			t.Fatal(err)
		}
		if uid := owner(t, r, "/mnt/usb/hosts"); os.Getuid() == 0 && (uid != 443 || len(r.Log()) != 0) {
			t.Errorf("a new file belongs to %d", uid)
		}
	}
}

// owner returns whose a file is; of a link, whose the link is.
func owner(t *testing.T, r *Router, name string) int {
	t.Helper()
	info, err := os.Lstat(r.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// refuse is a program that finds the configuration bad.
func refuse(Call) (string, int) {
	return "/etc/config/sniroute:5: listener https: listen: nonsense\nsniroute check: the configuration is not valid\n", 1
}

// tree lists what is in folders: path and mode.
func tree(t *testing.T, r *Router, folders ...string) []string {
	t.Helper()
	list := []string{}
	for _, folder := range folders {
		err := filepath.Walk(r.Path(folder), func(name string, info os.FileInfo, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			list = append(list, info.Mode().String()+" "+strings.TrimPrefix(name, r.Dir))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(list)
	return list
}

// TestReload: a good configuration is described again and signalled; a bad one is signalled too, since the daemon is to
// say so, but leaves procd's description alone; a daemon that does not run is not signalled.
func TestReload(t *testing.T) {
	r := newRouter(t)
	write(t, r, "/etc/config/sniroute", plain, 0o644)
	hangup := "procd_send_signal sniroute * HUP"
	reload := func() []string {
		t.Helper()
		r.Calls()
		if err := service(t, r, "reload"); err != nil {
			t.Fatal(err)
		}
		return r.Calls("procd_close_service", "procd_send_signal", "procd_set_config_changed")
	}
	if got := reload(); !slices.Equal(got, []string{"procd_close_service", "procd_set_config_changed firewall"}) {
		t.Errorf("reload of what does not run: %q", got)
	}
	before := r.Service("sniroute")
	write(t, r, "/etc/config/sniroute", plain+"\toption wan_port '9443'\n", 0o644)
	if got := reload(); !slices.Equal(got, []string{"procd_close_service", "procd_set_config_changed firewall", hangup}) {
		t.Errorf("reload: %q", got)
	}
	after := r.Service("sniroute")
	if before == after || len(after.Instances) != 1 {
		t.Errorf("reload leaves %+v", after)
	}
	write(t, r, "/etc/config/sniroute", plain+"\nconfig backend 'b'\n\toption source 'client'\n", 0o644)
	if got := reload(); !slices.Equal(got, []string{"procd_close_service", "procd_set_config_changed firewall"}) {
		t.Errorf("reload with other rights, for which procd starts it again: %q", got)
	}
	after = r.Service("sniroute")
	r.Play("sniroute", refuse)
	if got := reload(); !slices.Equal(got, []string{hangup}) {
		t.Errorf("reload of a bad configuration: %q", got)
	}
	if r.Service("sniroute") != after {
		t.Error("a bad configuration changes the service")
	}
	if err := service(t, r, "start"); err == nil {
		t.Error("a start with a bad configuration succeeds")
	}
	if err := service(t, r, "restart"); err == nil || r.Service("sniroute") != after {
		t.Errorf("a restart with a bad configuration ends what runs: %v", err)
	}
	if log := strings.Join(r.Log(), "\n"); !strings.Contains(log, "daemon.err /etc/config/sniroute:5: listener https") {
		t.Errorf("the log does not say what is wrong:\n%s", log)
	}
	r.Play("sniroute", func(Call) (string, int) { return "", 0 })
	write(t, r, "/etc/config/sniroute", strings.Replace(plain, "'1'", "'0'", 1), 0o644)
	reload()
	if s := r.Service("sniroute"); len(s.Instances) != 0 || len(s.Triggers) == 0 {
		t.Errorf("switched off: %+v", s)
	}
}

const dhcp = `
config dnsmasq
	option domain 'lan'
	option serversfile '/tmp/hosts/.sniroute.servers'

config dnsmasq 'guest'
	option serversfile '/etc/own.servers'

config domain 'printer'
	option name 'printer.lan'
	option ip '192.168.0.9'

`

// TestDHCPCopy: the daemon finds the former copy until the new one is whole and its own.
func TestDHCPCopy(t *testing.T) {
	r := newRouter(t)
	write(t, r, "/etc/config/sniroute", plain, 0o644)
	copied := func(name string) string {
		text, err := os.ReadFile(r.Path("/var/run/sniroute-lan/" + name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	start := func() {
		t.Helper()
		if err := service(t, r, "start"); err != nil {
			t.Fatal(err)
		}
	}
	write(t, r, "/etc/config/dhcp", dhcp, 0o644)
	start()
	if got := copied("dhcp"); got != dhcp {
		t.Fatalf("the copy holds %q", got)
	}
	const changed = "config dnsmasq\n\toption domain 'home'\n"
	write(t, r, "/etc/config/dhcp", changed, 0o600)
	var found []string
	code := 1
	r.Play("chown", func(c Call) (string, int) {
		if !strings.Contains(c.String(), "sniroute-lan") {
			return "", 0
		}
		found = append(found, copied("dhcp"))
		return "", code
	})
	start()
	if !slices.Equal(found, []string{dhcp}) || copied("dhcp") != dhcp {
		t.Errorf("in between there is %q, then %q", found, copied("dhcp"))
	}
	code = 0
	start()
	if got := copied("dhcp"); !slices.Equal(found, []string{dhcp, dhcp}) || got != changed || copied("dhcp.new") != "" {
		t.Errorf("in between there is %q, then %q", found, got)
	}
	if mode := tree(t, r, "/var/run/sniroute-lan/dhcp"); !slices.Equal(mode, []string{"-r-------- /var/run/sniroute-lan/dhcp"}) {
		t.Errorf("the copy is %q", mode)
	}
	if err := os.Remove(r.Path("/etc/config/dhcp")); err != nil {
		t.Fatal(err)
	}
	start()
	if got := tree(t, r, "/var/run/sniroute-lan/dhcp"); len(got) != 0 {
		t.Errorf("the copy stays when there is no configuration: %q", got)
	}
}

// TestDomains: uci mode owns the sections that it wrote, writes only what changed, and never what a person left
// uncommitted.
func TestDomains(t *testing.T) {
	r := newRouter(t)
	write(t, r, "/etc/config/sniroute", plain, 0o644)
	write(t, r, "/etc/config/dhcp", dhcp, 0o644)
	apply := func(names string) string {
		t.Helper()
		write(t, r, "/var/run/sniroute/domains", names, 0o644)
		r.Calls()
		if err := service(t, r, "dns_domains"); err != nil {
			t.Log(err)
		}
		text, err := os.ReadFile(r.Path("/etc/config/dhcp"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const changed = "procd_set_config_changed dhcp"
	own := `
config domain 'sniroute_1'
	option name 'a.k8s.example.com'
	option ip '192.168.0.3'

config domain 'sniroute_2'
	option name 'b.k8s.example.com'
	option ip 'fd00::3'

`
	hostile := "a.k8s.example.com 192.168.0.3\nx.example.com' 1.2.3.4\nc $(reboot)\ndhcp.lan\none two three\n" +
		"b.k8s.example.com fd00::3\n"
	want := strings.TrimSuffix(dhcp, "\n") + own
	if got := apply(hostile); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if calls := r.Calls("procd_set_config_changed"); !slices.Equal(calls, []string{changed}) {
		t.Errorf("dnsmasq is told %q", calls)
	}
	info, err := os.Stat(r.Path("/etc/config/dhcp"))
	if err != nil {
		t.Fatal(err)
	}
	apply(hostile)
	again, err := os.Stat(r.Path("/etc/config/dhcp"))
	if err != nil {
		t.Fatal(err)
	}
	if calls := r.Calls("procd_set_config_changed"); len(calls) != 0 || !os.SameFile(info, again) {
		t.Errorf("the same names are written again: %q", calls)
	}
	if _, err := r.Run("/sbin/uci", "set", "dhcp.printer.ip=192.168.0.10"); err != nil {
		t.Fatal(err)
	}
	if got := apply("d.example.com 192.168.0.3\n"); got != want {
		t.Errorf("a person's uncommitted changes are overrun: %s", got)
	}
	if log := strings.Join(r.Log(), "\n"); !strings.Contains(log, "uncommitted changes") {
		t.Errorf("the log says %q", log)
	}
	if _, err := r.Run("/sbin/uci", "set", "dhcp.printer.ip=192.168.0.9"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run("/sbin/uci", "commit", "dhcp"); err != nil {
		t.Fatal(err)
	}
	if got := apply(""); got != dhcp {
		t.Errorf("without names there is\n%s\ninstead of\n%s", got, dhcp)
	}
	apply(hostile)
	if err := service(t, r, "dns_withdraw"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.Path("/etc/config/dhcp"))
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Replace(dhcp, "\toption serversfile '/tmp/hosts/.sniroute.servers'\n", "", 1)
	if string(text) != want {
		t.Errorf("withdrawn: got %s\nwant %s", text, want)
	}
}

// TestShellcheck has shellcheck read every script that a router runs.
func TestShellcheck(t *testing.T) {
	scripts := []string{initScript}
	for _, pattern := range []string{"*.defaults", "*.ntp"} {
		found, err := filepath.Glob(filepath.Join("../../openwrt/package/sniroute/files", pattern))
		if err != nil || len(found) == 0 {
			t.Errorf("no script %s: %v", pattern, err)
		}
		scripts = append(scripts, found...)
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	for _, name := range scripts {
		if out, err := exec.Command("busybox", "ash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v:\n%s", name, err, out)
		}
	}
}

// TestWildcards: of what the daemon left, only wildcards reach dnsmasq's configuration, and dnsmasq starts again only
// for a change.
func TestWildcards(t *testing.T) {
	r := newRouter(t)
	if err := r.Forward("/etc/init.d/dnsmasq"); err != nil {
		t.Fatal(err)
	}
	r.Play("dnsmasq", func(Call) (string, int) { return "", 0 })
	write(t, r, "/etc/config/sniroute", plain, 0o644)
	write(t, r, "/etc/config/dhcp", dhcp, 0o644)
	write(t, r, "/var/etc/dnsmasq.conf.cfg01411c", "port=53\nconf-dir=/tmp/dnsmasq.cfg01411c.d\nuser=dnsmasq\n", 0o644)
	write(t, r, "/var/etc/dnsmasq.conf.guest", "conf-dir=/tmp/dnsmasq.guest.d,*.conf\n", 0o644)
	for _, folder := range []string{"/tmp/dnsmasq.cfg01411c.d", "/tmp/dnsmasq.guest.d"} {
		if err := os.Mkdir(r.Path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(text string) []string {
		t.Helper()
		write(t, r, "/var/run/sniroute/wildcards", text, 0o644)
		r.Calls()
		if err := service(t, r, "dns_wildcards"); err != nil {
			t.Fatal(err)
		}
		return r.Calls("dnsmasq")
	}
	written := func(folder string) string {
		text, err := os.ReadFile(r.Path(folder + "/sniroute"))
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	restart := []string{"dnsmasq running", "dnsmasq restart"}
	if calls := apply(""); len(calls) != 0 {
		t.Errorf("without wildcards: %q", calls)
	}
	const good = "address=/*.apps.example.com/192.168.0.3\naddress=/*.apps.example.com/fd00::3\n" +
		"local=/*.apps.example.com/\n"
	hostile := "# Written by sniroute; changes are lost.\ndhcp-script=/tmp/x\nconf-file=/tmp/x\naddress=/com/1.2.3.4\n" +
		"address=/*.a.com/#\naddress=/*.a.com/1.2.3.4/5\nserver=/*.a.com/1.2.3.4\nlocal=/*.a.com/ \\\n" + good
	if calls := apply(hostile); !slices.Equal(calls, restart) {
		t.Errorf("wildcards: %q", calls)
	}
	if got := written("/tmp/dnsmasq.cfg01411c.d"); got != good || written("/tmp/dnsmasq.guest.d") != good {
		t.Errorf("dnsmasq gets\n%s", got)
	}
	if calls := apply(hostile); len(calls) != 0 {
		t.Errorf("the same wildcards: %q", calls)
	}
	if calls := apply(""); !slices.Equal(calls, restart) || written("/tmp/dnsmasq.guest.d") != "" {
		t.Errorf("no more wildcards: %q", calls)
	}
	write(t, r, "/etc/config/sniroute", plain+"\nconfig dns 'dns'\n\tlist instance 'guest'\n", 0o644)
	apply(good)
	if written("/tmp/dnsmasq.guest.d") != good || written("/tmp/dnsmasq.cfg01411c.d") != "" {
		t.Error("another instance than the one that is asked for gets wildcards")
	}
	if err := os.Remove(r.Path("/var/etc/dnsmasq.conf.guest")); err != nil { // as before dnsmasq's first start
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.Path("/tmp/dnsmasq.guest.d")); err != nil {
		t.Fatal(err)
	}
	if apply(good); written("/tmp/dnsmasq.guest.d") != good {
		t.Error("dnsmasq would start without wildcards")
	}
	write(t, r, "/var/etc/dnsmasq.conf.guest", "conf-dir=/tmp/dnsmasq.guest.d,*.conf\n", 0o644)
	r.Calls()
	if err := service(t, r, "dns_withdraw"); err != nil {
		t.Fatal(err)
	}
	if calls := r.Calls("dnsmasq"); !slices.Equal(calls, restart) || len(tree(t, r, "/tmp/dnsmasq.guest.d")) != 1 {
		t.Errorf("withdrawn: %q, %q", calls, tree(t, r, "/tmp/dnsmasq.guest.d"))
	}
}

// TestShippedConfiguration: the file that the package ships is valid, also with its examples switched on, and starts
// nothing.
func TestShippedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../openwrt/package/sniroute/files/sniroute.conf")
	if err != nil {
		t.Fatal(err)
	}
	shipped, _, err := config.Parse("sniroute", text)
	if err != nil {
		t.Fatal(err)
	}
	if shipped.Main.Enabled {
		t.Error("it is enabled")
	}
	examples := regexp.MustCompile(`(?m)^#([\tc]|$)`).ReplaceAllString(string(text), "$1")
	c, _, err := config.Parse("sniroute", []byte(examples))
	if err != nil {
		t.Error(err)
	}
	if c == nil || len(c.Clusters) == 0 || len(c.Routes) == 0 {
		t.Errorf("the examples are %+v", c)
	}
}
