package openwrt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestClientRules: rules for source 'client' are made where an enabled section has it, once, and taken away otherwise.
// Where they cannot be made, the service is as with a bad configuration.
func TestClientRules(t *testing.T) {
	const backend = plain + "\nconfig backend 'web'\n\tlist server '192.168.0.3:443'\n\toption source '%s'\n"
	const class = plain + "\nconfig class 'web'\n\toption enabled '0'\n\toption source 'client'\n" // it has no such option
	made := []string{
		"nft -f -", "ip link show lo",
		"ip -4 rule show", "ip -4 rule add fwmark 0x736e69 lookup 244 priority 443",
		"ip -4 route replace local default dev lo table 244",
		"ip -6 rule show", "ip -6 rule add fwmark 0x736e69 lookup 244 priority 443",
		"ip -6 route replace local default dev lo table 244",
	}
	again := slices.DeleteFunc(slices.Clone(made), func(call string) bool { return strings.Contains(call, "rule add") })
	dropped := []string{
		"nft delete table inet sniroute",
		"ip -4 rule del fwmark 0x736e69 lookup 244 priority 443", "ip -4 route del local default dev lo table 244",
		"ip -6 rule del fwmark 0x736e69 lookup 244 priority 443", "ip -6 route del local default dev lo table 244",
	}

	r := newRouter(t)
	write(t, r, "/proc/net/if_inet6", "", 0o644)
	rules := map[string]string{} // by family
	link := "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n"
	r.Play("ip", func(c Call) (string, int) {
		switch family := c.Args[1]; strings.Join(c.Args[2:min(4, len(c.Args))], " ") {
		case "show lo":
			return link, 0
		case "rule show":
			return rules[family], 0
		case "rule add":
			rules[family] = "0:\tfrom all lookup local \n443:\tfrom all fwmark 0x736e69 lookup 244 \n"
		case "rule del":
			rules[family] = ""
		}
		return "", 0
	})
	var loaded string
	r.Play("nft", func(c Call) (string, int) {
		if c.Args[1] == "-f" {
			loaded = c.Input
		}
		return "", 0
	})
	do := func(what, config, action string, want []string) {
		t.Helper()
		if config != "" {
			write(t, r, "/etc/config/sniroute", config, 0o644)
		}
		r.Calls()
		if err := service(t, r, action); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := r.Calls("nft", "ip"); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	do("not wanted", plain, "start", dropped)
	do("wanted", fmt.Sprintf(backend, "client"), "reload", made)
	if !strings.Contains(loaded, "socket transparent 1 meta mark set 0x736e69 accept\n") {
		t.Errorf("nft loads\n%s", loaded)
	}
	s := r.Service("sniroute")
	if got := s.Instances["instance1"]["capabilities"]; got != "/etc/capabilities/sniroute-client.json" {
		t.Errorf("capabilities: %v", got)
	}
	const trigger = "[eq interface loopback] [run_script /etc/init.d/sniroute client_source]"
	if !strings.Contains(fmt.Sprint(s.Triggers), trigger) {
		t.Errorf("triggers: %v", s.Triggers)
	}
	do("still wanted", "", "reload", again)
	do("loopback came back", "", "client_source", again)
	do("no longer wanted", fmt.Sprintf(backend, "router"), "reload", dropped)
	if got := r.Service("sniroute").Instances["instance1"]["capabilities"]; got != "/etc/capabilities/sniroute.json" {
		t.Errorf("capabilities: %v", got)
	}
	off := strings.Replace(fmt.Sprintf(backend, "client"), "'web'", "'web'\n\toption enabled '0'", 1)
	do("by a section that is off", off, "reload", dropped)
	do("by a class", class, "reload", made)
	do("stopped", "", "stop", dropped)
	do("switched off", strings.Replace(class, "'1'", "'0'", 1), "start", dropped)
	do("switched off, when loopback came back", "", "client_source", dropped)
	link = "1: lo: <LOOPBACK> mtu 65536\n"
	do("at boot", class, "start", made[:2])
	link = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n"

	r.Log()
	before := r.Service("sniroute")
	r.Play("nft", func(Call) (string, int) { return "Error: Could not process rule: No such file or directory\n", 1 })
	if err := service(t, r, "start"); err == nil || !strings.Contains(err.Error(), "install it, or say 'router'") {
		t.Errorf("without the kernel's module: %v", err)
	}
	if r.Service("sniroute") != before {
		t.Error("what runs is not left alone")
	}
	log := strings.Join(r.Log(), "\n")
	for _, want := range []string{
		"daemon.err source 'client' needs the package kmod-nft-socket: install it, or say 'router'",
		"daemon.err Error: Could not process rule: No such file or directory",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log says\n%s", log)
		}
	}
}
