package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sniroute/sniroute/lab/freeport"
)

// A configuration is that of the daemon, which changes step by step.
type configuration struct {
	dir                    string
	listen, second, status string // addresses
	releases               []func()
	town                   *town
	step                   int
	mistakes               int
}

// newConfiguration reserves what the daemon listens on until the configuration is closed: a listener comes back to an
// address that one of all these connections could have been given meanwhile.
func newConfiguration(dir string, t *town) (*configuration, error) {
	c := &configuration{dir: dir, town: t}
	for _, address := range []*string{&c.listen, &c.second, &c.status} {
		at, release, err := freeport.Hold()
		if err != nil {
			c.close()
			return nil, err
		}
		*address = at.String()
		c.releases = append(c.releases, release)
	}
	return c, nil
}

func (c *configuration) close() {
	for _, release := range c.releases {
		release()
	}
}

func (c *configuration) address() string { return c.listen }

// marker is a host that the configuration has at no other step.
func (c *configuration) marker() string { return fmt.Sprintf("step%d.example.com", c.step) }

// mistake is what the newest broken configuration says, and none before.
func (c *configuration) mistake() string { return fmt.Sprintf("nowhere%d", c.mistakes) }

// write replaces the file, as uci does. A broken one must be refused.
func (c *configuration) write(broken bool) error {
	text := c.text()
	if broken {
		c.mistakes++
		text += "config route 'broken'\n\tlist host 'broken.example.com'\n\toption backend '" + c.mistake() + "'\n"
	}
	temporary := filepath.Join(c.dir, ".sniroute.uci-new")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(c.dir, "sniroute"))
}

// on says whether a part is there at the present step: every one comes and goes at a pace of its own, so that they meet
// in all combinations.
func (c *configuration) on(part int) bool { return c.step/part%2 == 1 }

// text is the configuration. What stable.example.com, moving.example.com and the default backend need is always there.
func (c *configuration) text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	either := func(part int, yes, no string) string {
		if c.on(part) {
			return yes
		}
		return no
	}
	say("config sniroute 'main'\n\toption control '%s/run/control.sock'\n\tlist status_listen '%s'", c.dir, c.status)
	say("\toption max_connections_per_source '0'\n\toption connection_rate_per_source '%s'", either(2, "100000", "0"))
	say("\toption max_connections '%s'\n\toption peek_memory '%s'", either(3, "4000", "3000"), either(4, "4M", "2M"))
	say("\toption drain_timeout '%s'\n\toption access_log '%s'", either(5, "30s", "60s"), either(6, "1", "0"))
	say("config listener 'https'\n\tlist listen '%s'\n\toption default_backend 'nas'", c.listen)
	say("\toption non_tls '%s'\n\toption inspect_delay '%s'", either(3, "default", "reject"), either(7, "5s", "9s"))
	say("config backend 'nas'\n\tlist server '%s'\n\toption idle_timeout '%s'", c.town.address("nas"), either(2, "1h", "2h"))
	say("config backend 'app'\n\tlist server '%s'\n\toption balance '%s'\n\toption check 'tcp'\n\toption stick '%s'",
		c.town.address("app"), either(3, "leastconn", "roundrobin"), either(5, "source", "none"))
	say("config backend 'moving'\n\tlist server '%s'\n\toption check 'none'",
		c.town.address(either(1, "moving", "moved")))
	say("config route 'stable'\n\tlist host 'stable.example.com'\n\tlist host '%s'\n\toption backend 'app'", c.marker())
	say("config route 'move'\n\tlist host 'moving.example.com'\n\tlist host '*.wild.example.com'\n\toption backend 'moving'")
	if c.on(1) {
		say("config route 'toggle'\n\tlist host 'toggled.example.com'\n\toption backend 'toggled'")
		say("config backend 'toggled'\n\tlist server '%s'\n\toption check 'none'", c.town.address("toggled"))
	}
	if c.on(2) {
		say("config listener 'second'\n\tlist listen '%s'\n\toption default_backend 'nas'", c.second)
	}
	for i := range c.step % 7 * 20 {
		say("config route 'r%d'\n\tlist host 'h%d.example.com'\n\toption backend 'app'", i, i)
	}
	if c.on(4) {
		say("config manifests 'apps'\n\toption path '%s/manifests'\n\tlist domain 'k8s.example.com'", c.dir)
	}
	say("config dns 'dns'\n\toption enabled '0'")
	return b.String()
}
