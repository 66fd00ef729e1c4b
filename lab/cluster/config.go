package main

import (
	"fmt"
	"strings"
)

// A config is the daemon's configuration in the lab: the blog post's home, with what a scenario changes.
type config struct {
	cluster []string // lines of the cluster section, in place of the usual credentials where it names any
	main    []string // lines of the main section
	more    string   // further sections
}

// dhcp is the router's /etc/config/dhcp: its LAN's domain and the one name that its owner has given.
const dhcp = `config dnsmasq
	option domain 'lan'

config domain
	option name 'nas'
	option ip '192.168.0.2'
`

// credentials are the usual lines of the cluster section: what `sniroute enroll` leaves.
var credentials = []string{
	"list server 'https://192.168.0.10:6443'",
	"option ca_file '/run/lab/credentials/ca.crt'",
	"option token_file '/run/lab/credentials/token'",
}

// text is the configuration as UCI has it, for the files of one router in a folder.
func (c config) text(dir string) string {
	cluster := c.cluster
	if !names(cluster, "server") && !names(cluster, "kubeconfig") {
		cluster = append(append([]string{}, credentials...), cluster...)
	}
	for _, usual := range []struct{ option, line string }{
		{"source", "list source 'ingress'\n\tlist source 'service'"},
		{"domain", "list domain 'k8s.example.com'\n\tlist domain 'team.example.com ns=team-a'"},
		{"target", "list target '192.168.0.0/28'"},
	} {
		if !names(cluster, usual.option) {
			cluster = append(cluster, usual.line)
		}
	}
	return fmt.Sprintf(`config sniroute 'main'
	option enabled '1'
	option log_level 'info'
	list status_listen '127.0.0.1:1936'
	option control '%[1]s/control/control.sock'
	option state_file '%[1]s/state/state.json'
	option connection_rate_per_source '0'
	%[2]s

config listener 'https'
	option proto 'tls'
	list listen ':8443'
	option default_backend 'nas'

config listener 'http'
	option proto 'http'
	list listen ':8080'
	option http_mode 'acme'

config backend 'nas'
	list server '192.168.0.2:443'

config cluster 'home'
	%[3]s

config class 'external'
	option cluster 'home'
	option class 'nginx-external'
	list match_address '192.168.0.3/32'
	list match_address '192.168.0.4/32'
	option expose '1'

config dns 'dns'
	option hosts_file '/run/lab/hosts/sniroute'
	option servers_file '/run/lab/hosts/.sniroute.servers'
	option notify 'signal'

%[4]s`, dir, strings.Join(c.main, "\n\t"), strings.Join(cluster, "\n\t"), c.more)
}

// names reports whether one of the lines sets the option.
func names(lines []string, option string) bool {
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == option {
			return true
		}
	}
	return false
}
