// Package controlplane runs a cluster's control plane on one host of the lab: etcd, kube-apiserver, MetalLB's
// controller, and, played in a few lines (package played), the token controller.
//
//	plane, err := controlplane.Start(ctx, controlplane.Options{Name: "home", House: h, Host: master, Tools: set})
//	defer plane.Stop()
//	plane.Admin.Apply(ctx, object)
//	plane.Kubectl(ctx, yaml, "apply", "-f", "-")
//
// The API server can be killed, started again and given another certificate, as happens to real ones.
package controlplane

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/played"
	"github.com/sniroute/sniroute/lab/cluster/tools"
	"github.com/sniroute/sniroute/lab/house"
)

// adminToken is the password of the cluster's administrator: it opens nothing but the lab, which nothing outside can
// reach.
const adminToken = "lab-admin"

// Options say where a control plane runs.
type Options struct {
	Name   string // of the cluster
	House  *house.House
	Host   *house.Host // at whose IPv4 address the API server answers, port 6443
	Tools  *tools.Set
	Report func(error) // what goes wrong in the played parts
}

// A Plane is a control plane that runs. Its methods are not for several goroutines at once; Admin is.
type Plane struct {
	Admin      *api.Client
	Server     string // https://ADDR:PORT
	CA         *Authority
	Kubeconfig string // the administrator's, a file

	options   Options
	dir       string
	etcd      *house.Service
	apiserver *house.Service
	metallb   *house.Service
	key       *rsa.PrivateKey
	cancel    context.CancelFunc
	playing   sync.WaitGroup
}

// Start brings a control plane up and returns when it answers.
func Start(ctx context.Context, o Options) (*Plane, error) {
	p := &Plane{
		options: o,
		Server:  "https://" + netip.AddrPortFrom(o.Host.IPv4, 6443).String(),
		dir:     filepath.Join(o.House.Dir, "cluster-"+o.Name),
	}
	p.Kubeconfig = p.file("admin.kubeconfig")
	if err := p.start(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("starting cluster %s: %w", o.Name, err)
	}
	return p, nil
}

func (p *Plane) start(ctx context.Context) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	if err := p.writeKeys(); err != nil {
		return err
	}
	if err := p.startEtcd(); err != nil {
		return err
	}
	if err := p.StartAPI(ctx); err != nil {
		return err
	}
	playing, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	tokens := &played.Tokens{Client: p.Admin, Key: p.key, CA: p.CA.PEM, Report: p.options.Report}
	p.playing.Go(func() { tokens.Run(playing) })
	return nil
}

// Stop ends every program of the control plane.
func (p *Plane) Stop() {
	if p.cancel != nil {
		p.cancel()
	}
	p.playing.Wait()
	for _, service := range []*house.Service{p.metallb, p.apiserver, p.etcd} {
		kill(service)
	}
}

// kill ends a program at once, as a power cut would. It may not have been started, or have ended.
func kill(service *house.Service) {
	if service != nil {
		_ = service.Stop(syscall.SIGKILL)
	}
}

func (p *Plane) file(name string) string { return filepath.Join(p.dir, name) }

// writeKeys makes the authorities, keys and passwords of a new cluster.
func (p *Plane) writeKeys() error {
	var err error
	if p.CA, err = NewAuthority(p.options.Name + "-ca"); err != nil {
		return err
	}
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(p.key)})
	// Client certificates are the first authority's for good, whoever signs the server's.
	return errors.Join(
		os.WriteFile(p.file("sa.key"), key, 0o600),
		os.WriteFile(p.file("client-ca.crt"), p.CA.PEM, 0o644),
		os.WriteFile(p.file("tokens.csv"), []byte(adminToken+",admin,admin,system:masters\n"), 0o600),
		p.Certify(p.CA),
	)
}

// Certify gives the API server a new certificate by an authority, from its next start on. Admin and the administrator's
// kubeconfig trust that authority from now on; nobody else learns of it.
func (p *Plane) Certify(by *Authority) error {
	certificate, key, err := by.Sign(Subject{Name: "kube-apiserver", Addresses: []netip.Addr{p.options.Host.IPv4},
		Names: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "api.k8s.example.com"}})
	if err != nil {
		return err
	}
	if p.Admin != nil {
		p.Admin.Close()
	}
	p.Admin = api.New(api.Options{Server: p.Server, CA: by.Pool(), Token: adminToken, Dial: p.options.Host.Dial})
	return errors.Join(
		os.WriteFile(p.file("server.crt"), certificate, 0o644),
		os.WriteFile(p.file("server.key"), key, 0o600),
		os.WriteFile(p.Kubeconfig, TokenKubeconfig(p.Server, by.PEM, adminToken), 0o600),
	)
}

// run starts a program of the control plane.
func (p *Plane) run(program string, args ...string) (*house.Service, error) {
	return p.options.House.Start(p.options.Host, p.options.Name+"-"+filepath.Base(program), program, args...)
}

// startEtcd starts the store. It keeps its files in memory and need not wait for a disk.
func (p *Plane) startEtcd() (err error) {
	p.etcd, err = p.run(p.options.Tools.Etcd, "--data-dir", p.file("etcd"),
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--log-level", "warn", "--unsafe-no-fsync")
	return err
}

// StartAPI starts the API server and waits until it is ready.
func (p *Plane) StartAPI(ctx context.Context) (err error) {
	address := p.options.Host.IPv4.String()
	p.apiserver, err = p.run(p.options.Tools.APIServer,
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address="+address, "--secure-port=6443",
		"--advertise-address="+address,
		"--tls-cert-file="+p.file("server.crt"), "--tls-private-key-file="+p.file("server.key"),
		"--client-ca-file="+p.file("client-ca.crt"), "--token-auth-file="+p.file("tokens.csv"),
		"--service-account-key-file="+p.file("sa.key"), "--service-account-signing-key-file="+p.file("sa.key"),
		"--service-account-issuer=https://lab", "--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
		"--max-requests-inflight=0", "--max-mutating-requests-inflight=0", "--enable-priority-and-fairness=false")
	if err != nil {
		return err
	}
	return p.WaitReady(ctx)
}

// WaitReady waits until the API server says that it is ready.
func (p *Plane) WaitReady(ctx context.Context) error {
	err := Eventually(ctx, 5*time.Minute, 100*time.Millisecond, func() error {
		if !p.apiserver.Running() {
			return errors.New("it has exited")
		}
		var answer string
		return p.Admin.Do(ctx, http.MethodGet, "/readyz", nil, &answer)
	})
	if err != nil {
		return fmt.Errorf("API server (its log is %s): %w", p.apiserver.Log, err)
	}
	return nil
}

// KillAPI ends the API server at once, as a power cut would.
func (p *Plane) KillAPI() { kill(p.apiserver) }

// Running reports whether the API server runs.
func (p *Plane) Running() bool { return p.apiserver.Running() }

// RestartAPI ends the API server and starts it again.
func (p *Plane) RestartAPI(ctx context.Context) error {
	p.KillAPI()
	return p.StartAPI(ctx)
}

// StartMetalLB installs MetalLB's resource definitions and starts its controller.
func (p *Plane) StartMetalLB(ctx context.Context) error {
	if _, err := p.Kubectl(ctx, "", "apply", "-f", p.options.Tools.CRDs); err != nil {
		return err
	}
	_, err := p.Kubectl(ctx, "", "wait", "--for=condition=Established", "--timeout=5m", "crd/ipaddresspools.metallb.io",
		"crd/servicel2statuses.metallb.io")
	if err != nil {
		return err
	}
	err = p.Admin.Apply(ctx, api.Object{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": "metallb-system"}})
	if err != nil {
		return err
	}
	p.metallb, err = p.run(p.options.Tools.MetalLB, "--kubeconfig="+p.Kubeconfig,
		"--namespace=metallb-system", "--webhook-mode=disabled", "--port=7472")
	return err
}

// Kubectl runs the real kubectl as the administrator, with a text as its standard input, and returns what it prints.
func (p *Plane) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.options.Tools.Kubectl, append([]string{"--kubeconfig", p.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+p.dir)
	out, err := p.options.Host.Output(cmd)
	return string(bytes.TrimSpace(out)), err
}

// TokenKubeconfig returns a kubeconfig of a user who is known by a token.
func TokenKubeconfig(server string, ca []byte, token string) []byte {
	return Kubeconfig(server, ca, "token: "+token)
}
