package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/lab/house"
	"github.com/sniroute/sniroute/lab/openwrt"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// A world is the house with a daemon that the bus reaches.
type world struct {
	house  *house.House
	daemon *house.Service
	bus    *openwrt.Bus
	config string // path

	visiting sync.WaitGroup
}

const domain = "k8s.example.com"

// configuration is what the pages show and change. Its files lie below the lab's folder.
const configuration = `
config sniroute 'main'
	option enabled '1'
	option control '%[1]s/sniroute/control.sock'
	option state_file '%[1]s/sniroute/state.json'

config listener 'https'
	option proto 'tls'
	list listen ':8443'
	option wan_port '443'
	list wan_zone 'wan'
	option default_backend 'nas'

config listener 'http'
	option proto 'http'
	list listen ':8080'

config backend 'nas'
	list server '192.168.0.2:443'

config backend 'attic'
	list server '192.168.0.2:9443'
	list server '192.168.0.2:9444 backup'
	option check_interval '1s'

config route 'files'
	list host 'files.example.com'
	option backend 'nas'
	list dns '192.168.0.2'

config manifests 'home'
	option path '%[1]s/manifests'
	list domain '` + domain + `'

config class 'external'
	option cluster 'home'
	option class 'nginx-external'
	list match_address '192.168.0.3/32'
	option expose '1'

config dns 'dns'
	option hosts_file '%[1]s/` + house.HostsFile + `'
	option servers_file '%[1]s/` + house.ServersFile + `'
	option notify 'signal'
`

// newWorld builds the house and starts everything in it. The files of manifests are written first.
func newWorld(ctx context.Context, binary string, manifests map[string]string) (*world, error) {
	h, err := house.Build()
	if err != nil {
		return nil, err
	}
	w := &world{house: h, config: filepath.Join(h.Dir, house.ConfigDir, configName)}
	if err := w.start(ctx, binary, manifests); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) start(ctx context.Context, binary string, manifests map[string]string) (err error) {
	h := w.house
	if err := errors.Join(
		overlay("/etc"), os.Mkdir("/etc/sniroute", 0o755),
		os.Mkdir(filepath.Join(h.Dir, "manifests"), 0o755),
		os.Mkdir(filepath.Join(h.Dir, "sniroute"), 0o750),
		os.MkdirAll(filepath.Dir(ubus.DefaultPath), 0o755),
		h.Configure(w.text()),
	); err != nil {
		return err
	}
	for name, text := range manifests {
		if err := w.manifest(name, text); err != nil {
			return err
		}
	}
	if w.bus, err = openwrt.StartBus(ubus.DefaultPath); err != nil {
		return err
	}
	if _, err := h.StartWeb(ctx, h.NAS, "nas.example.com"); err != nil {
		return err
	}
	external, err := h.StartWeb(ctx, h.External, "external.invalid", "git."+domain, "photos."+domain)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(external.Documents, "large"), make([]byte, 1<<20), 0o644); err != nil {
		return err
	}
	if _, err := h.StartDNS(ctx); err != nil {
		return err
	}
	if w.daemon, err = h.StartDaemon(ctx, binary); err != nil {
		return err
	}
	return w.daemon.Ready(ctx, w.published)
}

// overlay lets the lab write into a folder of the machine without the machine's knowing.
func overlay(dir string) error {
	upper, work := "/run/upper"+dir, "/run/work"+dir
	if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	return unix.Mount("overlay", dir, "overlay", 0, "lowerdir="+dir+",upperdir="+upper+",workdir="+work)
}

// text is the configuration that the world begins with.
func (w *world) text() string { return fmt.Sprintf(configuration, w.house.Dir) }

// published returns nil once the daemon's object is on the bus.
func (w *world) published(ctx context.Context) error {
	conn, err := ubus.Dial(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Call(ctx, "sniroute", "status", nil)
	return err
}

// reload has the daemon read its configuration, as the init script does when it is applied.
func (w *world) reload() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := conn.Call(ctx, "sniroute", "reload", nil)
	if err == nil && answer.Get("ok") != true {
		err = errors.New(answer.String("error"))
	}
	return err
}

// manifest writes a file of Kubernetes objects where the daemon follows it.
func (w *world) manifest(name, text string) error {
	return os.WriteFile(filepath.Join(w.house.Dir, "manifests", name), []byte(text), 0o644)
}

// services is what procd would list: the redirect that the init script describes for the listener.
func (w *world) services() any {
	redirect := func(port, to string) map[string]any {
		return map[string]any{
			"type": "redirect", "family": "ipv4", "src": "wan", "src_dport": port, "dest_port": to, "proto": "tcp",
			"target": "DNAT", "reflection": "0",
		}
	}
	return map[string]any{"sniroute": map[string]any{"instances": map[string]any{"instance1": map[string]any{
		"running": true,
		"data":    map[string]any{"firewall": []any{redirect("443", "8443"), redirect("80", "8080")}},
	}}}}
}

// visit keeps clients in the internet busy until ctx ends: some that read slowly, one that comes again and again, one
// that asks for a name that nobody has.
func (w *world) visit(ctx context.Context) {
	client := func(pause time.Duration, name, request string, read int64) {
		w.visiting.Go(func() {
			for ctx.Err() == nil {
				w.ask(ctx, name, request, read)
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	for i := range 12 {
		rate := fmt.Sprint("/large?rate=", 20_000*(i+1))
		client(time.Duration(i)*500*time.Millisecond, "photos."+domain, rate, 100_000*int64(i+1))
	}
	client(300*time.Millisecond, "git."+domain, "/", 1000)
	client(700*time.Millisecond, "files.example.com", "/", 1000)
	client(5*time.Second, "", "", 0)
}

func (w *world) ask(ctx context.Context, name, request string, read int64) {
	conn, err := w.house.WAN.Dial(ctx, "tcp", net.JoinHostPort(w.house.Public.IPv4.String(), "443"))
	if err != nil {
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if name == "" {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n") // the daemon counts it
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	secure := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	request = "GET " + request + " HTTP/1.1\r\nConnection: close\r\nHost: " + name + "\r\n\r\n"
	if _, err := io.WriteString(secure, request); err == nil {
		_, _ = io.CopyN(io.Discard, secure, read) // whatever becomes of it
	}
}

// close ends everything.
func (w *world) close() error {
	w.visiting.Wait()
	err := w.house.Close()
	if w.bus != nil {
		err = errors.Join(err, w.bus.Close())
	}
	return err
}

// An ingress is one object of the cluster.
type ingress struct{ namespace, name, class, host, address, created string }

func manifestOf(list []ingress) string {
	var b strings.Builder
	for _, i := range list {
		b.WriteString(house.Ingress{
			Namespace: i.namespace, Name: i.name, Class: i.class, Host: i.host, Address: i.address, Created: i.created,
		}.Manifest())
	}
	return b.String()
}

const (
	externalClass, externalAddress = "nginx-external", "192.168.0.3"
	internalClass, internalAddress = "nginx-internal", "192.168.0.5"
)

// home is what a household's cluster asks for.
func home() []ingress {
	const date = "2026-01-01T00:00:00Z"
	return []ingress{
		{"apps", "git", externalClass, "git." + domain, externalAddress, date},
		{"apps", "photos", externalClass, "photos." + domain, externalAddress, date},
		{"auth", "oauth2-proxy", externalClass, "photos." + domain, externalAddress, "2026-02-02T00:00:00Z"},
		{"apps", "cloud", externalClass, "cloud." + domain, externalAddress, date},
		{"apps", "wiki", internalClass, "wiki." + domain, internalAddress, date},
		{"apps", "recipes", internalClass, "recipes." + domain, internalAddress, date},
		{"monitoring", "grafana", internalClass, "grafana." + domain, internalAddress, date},
		{"monitoring", "prometheus", internalClass, "prometheus." + domain, internalAddress, date},
		{"play", "wiki", externalClass, "wiki." + domain, externalAddress, "2026-03-03T00:00:00Z"},
		{"play", "elsewhere", externalClass, "www.example.org", externalAddress, date},
		{"play", "router", externalClass, "router." + domain, "127.0.0.1", date},
		{"play", "any", externalClass, "*.play." + domain, externalAddress, date},
	}
}

// markup is what a page would run if it took host names for HTML.
const markup = `<img src=x onerror="console.error('run')">`

// hostile is what someone who may create Ingresses might try on whoever looks at them.
func hostile() []ingress {
	const date = "2026-04-04T00:00:00Z"
	long := strings.Repeat("a", 61) + "." + strings.Repeat("b", 61) + "." + strings.Repeat("c", 61) + "."
	long += strings.Repeat("d", 253-len(long)-len(domain)-1) + "." + domain
	return []ingress{
		{"intruder", "markup", externalClass, markup, externalAddress, date},
		{"intruder", "quotes", externalClass, `"'` + "`" + `</td><script>alert(1)</script>`, externalAddress, date},
		{"intruder", "entity", externalClass, "&lt;b&gt;." + domain, externalAddress, date},
		{"intruder", "direction", externalClass, "safe\u202ecod." + domain, externalAddress, date},
		{"intruder", "long", externalClass, long, externalAddress, date},
		{"intruder", "format", externalClass, "%s%d%h." + domain, externalAddress, date},
	}
}
