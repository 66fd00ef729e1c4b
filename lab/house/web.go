package house

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
)

// A Web is an nginx on one host, with a certificate for each site. `/` says which site of which host answered, at which
// address, and to whom; any other path is a file below Documents, sent with at most RATE bytes a second if the request
// ends in ?rate=RATE. A name that is no site gets the first one.
type Web struct {
	*Service
	Host      *Host
	Documents string // directory

	house *House
	sites []string
}

// nginx's worker stays root: a plain user's namespace has no second user.
var nginx = template.Must(template.New("nginx").Parse(`
daemon off;
worker_processes 1;
user root root;
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
	access_log off;
	server_names_hash_bucket_size 256;
	server_names_hash_max_size 16384;
	default_type application/octet-stream;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	ssl_protocols TLSv1.2 TLSv1.3;
	sendfile on;
	limit_rate $arg_rate;
	root {{.Documents}};
{{- range $i, $site := .Sites}}
	server {
		listen {{$.IPv4}}:443 ssl http2{{if eq $i 0}} default_server{{end}};
		listen [{{$.IPv6}}]:443 ssl http2{{if eq $i 0}} default_server{{end}};
		listen {{$.IPv4}}:80{{if eq $i 0}} default_server{{end}};
		listen [{{$.IPv6}}]:80{{if eq $i 0}} default_server{{end}};
		server_name {{$site.Name}};
		ssl_certificate {{$site.Certificate}};
		ssl_certificate_key {{$site.Certificate}};
		location = / {
			default_type text/plain;
			return 200 "{{$site.Name}} on {{$.Name}} at $server_addr:$server_port, asked by $remote_addr\n";
		}
	}
{{- end}}
}
`))

// StartWeb starts nginx on a host with the given sites, at least one.
func (h *House) StartWeb(ctx context.Context, host *Host, sites ...string) (*Web, error) {
	w := &Web{Host: host, house: h, Documents: filepath.Join(h.Dir, "www", host.Name)}
	if err := errors.Join(os.MkdirAll(w.Documents, 0o755), os.MkdirAll(w.dir(), 0o755)); err != nil {
		return nil, err
	}
	if err := w.configure(sites); err != nil {
		return nil, err
	}
	var err error
	w.Service, err = h.Start(host, "nginx-"+host.Name, "nginx", "-p", w.dir(), "-e", "stderr", "-c", "nginx.conf")
	if err != nil {
		return nil, err
	}
	return w, w.Ready(ctx, w.serves)
}

// Serve makes nginx serve exactly these sites, and returns when it serves the last one.
func (w *Web) Serve(ctx context.Context, sites ...string) error {
	if err := w.configure(sites); err != nil {
		return err
	}
	old := w.workers()
	if err := w.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return w.Ready(ctx, func(ctx context.Context) error {
		for worker := range old {
			if w.workers()[worker] { // it still accepts connections, beside the new one
				return fmt.Errorf("%s has not let go of its old sites", w.Name)
			}
		}
		return w.serves(ctx)
	})
}

// workers returns the process ids of nginx's workers that accept connections.
func (w *Web) workers() map[string]bool {
	workers := make(map[string]bool)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", w.PID()))
	if err != nil {
		return workers // it has ended, which Ready finds out
	}
	for _, child := range strings.Fields(string(children)) {
		title, err := os.ReadFile("/proc/" + child + "/cmdline")
		if err == nil && !strings.Contains(string(title), "shutting down") {
			workers[child] = true
		}
	}
	return workers
}

func (w *Web) dir() string { return filepath.Join(w.house.Dir, "nginx-"+w.Host.Name) }

func (w *Web) configure(sites []string) error {
	type site struct{ Name, Certificate string }
	values := struct {
		Dir, Documents, Name string
		IPv4, IPv6           netip.Addr
		Sites                []site
	}{w.dir(), w.Documents, w.Host.Name, w.Host.IPv4, w.Host.IPv6, nil}
	for _, name := range sites {
		certificate, err := w.house.Authority.Issue(name)
		if err != nil {
			return err
		}
		values.Sites = append(values.Sites, site{name, certificate})
	}
	var text strings.Builder
	if err := nginx.Execute(&text, values); err != nil {
		return err
	}
	w.sites = slices.Clone(sites)
	return os.WriteFile(filepath.Join(w.dir(), "nginx.conf"), []byte(text.String()), 0o644)
}

// serves returns nil when the last site is served.
func (w *Web) serves(ctx context.Context) error {
	last := w.sites[len(w.sites)-1]
	raw, err := w.Host.Dial(ctx, "tcp", netip.AddrPortFrom(w.Host.IPv4, 443).String())
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{ServerName: last, RootCAs: w.house.Authority.Pool})
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s does not serve %s yet: %w", w.Host.Name, last, err)
	}
	return nil
}
