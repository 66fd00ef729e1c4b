package peers

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sniroute/sniroute/lab/house"
)

// withACME is a home with apps that the internet may reach and some that it may not. All want certificates.
const withACME = `
config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'
config listener 'http'
	option proto 'http'
	list listen ':8080'
	option wan_port '80'
	option acme_internal '0'

config manifests 'files'
	option path '%[1]s/manifests'
	list domain 'k8s.example.com'
config class 'external'
	option cluster 'files'
	option class 'nginx-external'
	list match_address '192.168.0.3/32'
	list match_address '192.168.0.7/32'
	option expose '1'

config backend 'responder'
	list server '192.168.0.2:7443'
	option check 'none'
config route 'app1_acme'
	list host 'app1.k8s.example.com'
	option alpn 'acme-tls/1'
	option backend 'responder'
config route 'lan_nas'
	list host 'nas.k8s.example.com'
	list dns '192.168.0.2'
	option expose '0'
`

const (
	app1   = "app1.k8s.example.com"   // exposed, at External
	app2   = "app2.k8s.example.com"   // the same, and its certificates are cert-manager's business
	wiki   = "wiki.k8s.example.com"   // internal, at Internal
	secret = "secret.k8s.example.com" // the same, and its certificates are cert-manager's business
	nas    = "nas.k8s.example.com"    // written by hand, for the LAN alone
)

// TestACME: a certificate authority that asks from the internet on ports 80 and 443, and its client at home. Pebble is
// Let's Encrypt's own test server, dehydrated a client that people use.
func TestACME(t *testing.T) {
	h := build(t)
	solver, err := h.AddHost("solver", 7)
	h.must(err)
	for host, names := range map[*house.Host][]string{
		h.External: {app1, app2}, h.Internal: {wiki, secret}, h.NAS: {nas}, solver: {"solver.invalid"},
	} {
		web, err := h.StartWeb(h.ctx, host, names...)
		h.must(err)
		h.must(os.MkdirAll(filepath.Join(web.Documents, ".well-known/acme-challenge"), 0o755))
	}
	_, err = h.StartDNS(h.ctx)
	h.must(err)
	for host, at := range map[string]*house.Host{app1: h.External, app2: h.External, wiki: h.Internal, secret: h.Internal} {
		name, _, _ := strings.Cut(host, ".")
		class := map[*house.Host]string{h.External: "nginx-external", h.Internal: "nginx-internal"}[at]
		h.write("manifests/"+name+".yaml", house.Ingress{
			Namespace: "default", Name: name, Class: class, Host: host, Address: at.IPv4.String(),
		}.Manifest())
	}
	h.start(withACME)
	ca := h.pebble(solver)
	h.responder(h.NAS, h.path("alpn"))
	wan80 := netip.MustParseAddrPort("203.0.113.1:80")

	certified := func(t *testing.T, names []string, more ...string) {
		dir, said, err := ca.certify(names, more...)
		if err != nil {
			t.Errorf("no certificate for %s: %v\n%s", names, err, said)
			return
		}
		for _, name := range names {
			if out, err := ca.verify(dir, names[0], name); err != nil {
				t.Errorf("the certificate for %s: %v\n%s", name, err, out)
			}
		}
	}
	hidden := func(t *testing.T) { // except for challenges
		for _, name := range []string{wiki, secret, nas} {
			if got := h.curl(h.WAN, wan, "https://"+name+"/", "-k"); !got.refused() {
				t.Errorf("%s can be reached: %q, %v", name, got.body, got.err)
			}
			for _, path := range []string{"/", "/.well-known/acme-challenge/../../", "/.well-known/acme-challenge/"} {
				if got := h.statusOf(wan80, "http://"+name+path); got != "308" {
					t.Errorf("http://%s%s: got %q", name, path, got)
				}
			}
		}
	}

	t.Run("exposed", func(t *testing.T) {
		var asking sync.WaitGroup // a client waits more than it works
		defer asking.Wait()
		asking.Go(func() { certified(t, []string{app1, app2}) })
		asking.Go(func() { certified(t, []string{app1}, "-t", "tls-alpn-01", "--alpn", h.path("alpn")) })
		if got := h.curl(h.WAN, wan, "https://"+app1+"/"); !strings.HasPrefix(got.body, app1+" on external") {
			t.Errorf("another hello than a challenge: %q, %v", got.body, got.err)
		}
	})
	t.Run("LAN only, without acme_internal", func(t *testing.T) {
		if _, said, err := ca.certify([]string{wiki}); err == nil || !strings.Contains(said, "returned 404") {
			t.Errorf("a certificate for %s: %v\n%s", wiki, err, said)
		}
		for _, name := range []string{wiki, secret, nas} {
			if got := h.statusOf(wan80, "http://"+name+"/.well-known/acme-challenge/token"); got != "404" {
				t.Errorf("a challenge for %s: %s", name, got)
			}
		}
		hidden(t)
	})
	t.Run("LAN only, with acme_internal", func(t *testing.T) {
		h.reload(strings.Replace(withACME, "acme_internal '0'", "acme_internal '1'", 1))
		certified(t, []string{wiki, secret, nas})
		hidden(t)
	})
}

// statusOf returns the status that a client in the internet gets for a URL.
func (h *home) statusOf(at netip.AddrPort, url string) string {
	h.t.Helper()
	return h.curl(h.WAN, at, url, "--path-as-is", "-o", "/dev/null",
		"-w", `%{http_code}%{stderr}%{local_ip} %{local_port}`).body
}

// An authority issues certificates to whoever answers its challenges.
type authority struct {
	h       *home
	dir     string // of its clients
	mu      sync.Mutex
	clients int
}

// pebble starts Pebble in the internet and makes an account. Whatever host solves challenges in place of others is
// solver.
func (h *home) pebble(solver *house.Host) *authority {
	h.t.Helper()
	pem := h.certificate("pebble.example.com")
	config := h.write("pebble.json", fmt.Sprintf(`{"pebble": {
		"listenAddress": "203.0.113.50:14000", "managementListenAddress": "203.0.113.50:15000",
		"certificate": %[1]q, "privateKey": %[1]q, "httpPort": 80, "tlsPort": 443
	}}`, pem))
	// It neither waits before it validates, nor refuses at random, nor takes yesterday's proof.
	h.serve(h.WAN, 14000, "pebble", "env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0",
		"pebble", "-config", config, "-dnsserver", "203.0.113.53:53")
	a := &authority{h: h, dir: h.path("acme")}
	root := h.curl(h.WAN, netip.MustParseAddrPort("203.0.113.50:15000"), "https://pebble.example.com/roots/0")
	h.must(root.err)
	h.write("acme/root.pem", root.body+"\n")
	h.write("solver.yaml", house.Ingress{
		Namespace: "default", Name: "cm-acme-http-solver-x7k2p", Class: "CLASS", Host: "HOST", Address: solver.IPv4.String(),
		Labels: `{acme.cert-manager.io/http01-solver: "true"}`,
	}.Manifest())
	h.must(os.Chmod(h.write("acme/hook", strings.ReplaceAll(hook, "%[1]s", h.Dir)), 0o700))
	if out, err := a.client(a.configure(), "--register", "--accept-terms"); err != nil {
		h.t.Fatalf("dehydrated --register: %v\n%s", err, out)
	}
	return a
}

// hook puts each answer where the challenge for its host has to arrive, and nowhere else. For some hosts it does what
// cert-manager does: an Ingress for a solver, then a look, from home, whether the answer can be seen.
const hook = `#!/bin/bash
class=nginx-external
case $2 in
app1.*) web=external ;;
app2.*) web=solver ;;
secret.*) web=solver class=nginx-internal ;;
wiki.*) web=internal ;;
nas.*) web=nas ;;
esac
answer=%[1]s/www/$web/.well-known/acme-challenge/$3
object=%[1]s/manifests/solver-$2.yaml
case $1 in
deploy_challenge)
	printf %s "$4" >"$answer"
	[[ $web = solver ]] || exit 0
	sed "s/HOST/$2/; s/CLASS/$class/" %[1]s/solver.yaml >"$object.new"
	mv "$object.new" "$object"
	for ((i = 0; i < 300; i++)); do
		seen=$(curl -s --connect-to ::192.168.0.1:8080 "http://$2/.well-known/acme-challenge/$3")
		[[ $seen != "$4" ]] || exit 0
		sleep 0.1
	done ;;
clean_challenge)
	rm -f "$answer" "$object" ;;
esac
`

// configure makes a folder for a client and returns it.
func (a *authority) configure() (dir string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients++
	name := fmt.Sprintf("acme/client%d", a.clients)
	dir = a.h.path(name)
	a.h.write(name+"/config", fmt.Sprintf(`
CA=https://pebble.example.com:14000/dir
CURL_OPTS="--cacert %[3]s --resolve pebble.example.com:14000:203.0.113.50"
BASEDIR=%[1]s
WELLKNOWN=%[1]s
ACCOUNTDIR=%[2]s/accounts
ACCOUNT_KEYSIZE=2048
KEY_ALGO=prime256v1
`, dir, a.dir, a.h.Authority.File))
	return dir
}

// client runs dehydrated.
func (a *authority) client(dir string, arguments ...string) (string, error) {
	return a.h.run(a.h.Client, "dehydrated", append([]string{"-f", dir + "/config"}, arguments...)...)
}

// certify asks for one certificate for these names. It returns the folder of the client and what that said.
func (a *authority) certify(names []string, more ...string) (dir, said string, err error) {
	dir = a.configure()
	arguments := []string{"-c", "-k", a.dir + "/hook"}
	for _, name := range names {
		arguments = append(arguments, "-d", name)
	}
	said, err = a.client(dir, append(arguments, more...)...)
	return dir, said, err
}

// verify says whether the certificate that a client has, named by its first name, is the authority's for a name.
func (a *authority) verify(dir, first, name string) (string, error) {
	dir = filepath.Join(dir, "certs", first)
	return a.h.run(a.h.Client, "openssl", "verify", "-CAfile", a.dir+"/root.pem", "-untrusted", dir+"/chain.pem",
		"-verify_hostname", name, dir+"/cert.pem")
}

// responder starts a server for TLS-ALPN-01 (RFC 8737): it shows the certificate that the client made for the name.
func (h *home) responder(host *house.Host, folder string) {
	h.t.Helper()
	h.accept(host, 7443, func(conn net.Conn) {
		server := tls.Server(conn, &tls.Config{
			NextProtos: []string{"acme-tls/1"},
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				file := filepath.Join(folder, filepath.Base(hello.ServerName))
				pair, err := tls.LoadX509KeyPair(file+".crt.pem", file+".key.pem")
				return &pair, err
			},
		})
		_, _ = io.Copy(io.Discard, server)
	})
}
