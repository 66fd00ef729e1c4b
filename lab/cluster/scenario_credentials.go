package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/lab/cluster/api"
	"github.com/sniroute/sniroute/lab/cluster/controlplane"
	"github.com/sniroute/sniroute/lab/cluster/played"
)

// forbidden: one kind may not be read; the others go on, and it is read as soon as it may be.
func forbidden(t *T) {
	roles, _, err := t.Plane.Admin.List(t, api.Path("clusterroles"))
	t.Must(err)
	at := slices.IndexFunc(roles, func(o api.Object) bool { return o.Name() == "sniroute" })
	if at < 0 {
		t.Fatalf("the manifest has made no ClusterRole sniroute")
	}
	role := roles[at]
	allowed := role["rules"].([]any)
	var narrow []any
	for _, rule := range allowed {
		rule := rule.(map[string]any)
		if !strings.Contains(fmt.Sprint(rule["resources"]), "services") {
			narrow = append(narrow, rule)
		}
	}
	if len(narrow) == len(allowed) {
		t.Fatalf("no rule of the ClusterRole is about services: %v", allowed)
	}
	set := func(rules []any) error {
		return t.Plane.Admin.Merge(t, api.PathOf(role), api.Object{"rules": rules})
	}
	t.Cleanup(func() {
		if err := set(allowed); err != nil {
			t.Errorf("allowing it again: %v", err)
		}
	})
	t.Must(set(narrow))
	t.Must(t.Plane.RestartAPI(t))
	mail := service("team-a", "mail", "mail.k8s.example.com", 443)
	t.Must(t.Plane.Admin.Apply(t, mail))
	t.Must(played.SetStatus(t, t.Plane.Admin, mail, internalAddress))
	t.deploy()
	t.follows()
	t.Must(t.NoRoute("mail.k8s.example.com"))
	t.Eventually("status says what is forbidden", func() error { return t.StatusSays("home", "services") })
	t.Must(set(allowed))
	// Nobody tells the router, and it does not ask again every second for what it may not have.
	t.Within(3*time.Minute, "read once it is allowed", func() error {
		return t.Route("mail.k8s.example.com", "Service team-a/mail", false, internalAddress)
	})
}

// notEnrolled: the package is installed and configured, and nobody has given it credentials yet.
func notEnrolled(t *T) {
	token := filepath.Join(t.House.Dir, "credentials", "later.token")
	t.Must(t.StopDaemon(syscall.SIGTERM))
	t.Must(t.forgetRAM())
	t.Must(os.Remove(filepath.Join(t.dir, "state", "state.json")))
	lines := append(slices.Clone(credentials[:2]), fmt.Sprintf("option token_file '%s'", token))
	t.Must(t.Configure(t, config{cluster: lines}))
	t.Eventually("nothing is known", func() error { return t.NotOurs(app1) }) // dnsmasq has yet to read its files
	t.Eventually("status says what it waits for", func() error { return t.StatusSays("home", "sniroute enroll") })
	t.Must(t.HTTPStatus("/readyz", http.StatusServiceUnavailable))
	t.Must(t.WriteCredentials(t, tokenSecret))
	t.Must(os.Rename(filepath.Join(t.House.Dir, "credentials", "token"), token))
	t.Must(t.WriteCredentials(t, tokenSecret))
	t.Eventually("served once it has the token", t.serves)
	t.Eventually("ready", func() error { return t.HTTPStatus("/readyz", http.StatusOK) })
}

// withKubeconfig writes a kubeconfig and returns the lines of a cluster section that uses it.
func (t *T) withKubeconfig(text []byte) []string {
	path := filepath.Join(t.House.Dir, "credentials", "kubeconfig")
	t.Must(os.WriteFile(path, text, 0o600))
	return []string{fmt.Sprintf("option kubeconfig '%s'", path)}
}

// execPlugin: a kubeconfig of a cloud provider names a program to run; sniroute refuses and says what to do instead.
func execPlugin(t *T) {
	trap := filepath.Join(t.House.Dir, "plugin-ran")
	user := fmt.Sprintf(`exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: touch,
      args: [%s]}`, trap)
	lines := t.withKubeconfig(controlplane.Kubeconfig(t.Plane.Server, t.Plane.CA.PEM, user))
	t.Must(t.House.Configure(config{cluster: lines}.text(t.dir)))
	t.Cleanup(func() { t.running = "" }) // whatever runs, the configuration on disk is another
	out, err := t.House.Ask(t, t.Binary, "check")
	said := string(out)
	if err != nil {
		said += err.Error()
	}
	if err == nil || !strings.Contains(said, "exec") || !strings.Contains(said, "token") {
		t.Errorf("`sniroute check` does not say what is wrong and what to do instead: %q", said)
	}
	if _, err := os.Stat(trap); err == nil {
		t.Errorf("the program of the kubeconfig was run")
	}
	t.Must(t.serves())
}

// clientCertificate: a kubeconfig as kubeadm and k3s write them, of a user who may read what sniroute reads.
func clientCertificate(t *T) {
	t.Must(t.Plane.Admin.Apply(t, api.Object{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
		"metadata": map[string]any{"name": "router-by-certificate"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sniroute"},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "router"}},
	}))
	text, err := t.Plane.CertificateKubeconfig("router")
	t.Must(err)
	t.Must(t.Configure(t, config{cluster: t.withKubeconfig(text)}))
	t.deploy()
	t.follows()
	if err := t.StatusSays("home", "Secret"); err == nil {
		t.Errorf("a user who may not read Secrets is warned about")
	}
}

// adminKubeconfig works, and is said to be more than a router should have.
func adminKubeconfig(t *T) {
	text, err := os.ReadFile(t.Plane.Kubeconfig)
	t.Must(err)
	t.Must(t.Configure(t, config{cluster: t.withKubeconfig(text)}))
	t.deploy()
	t.follows()
	t.Eventually("warned about", func() error { return t.StatusSays("home", "Secret") })
}

// StatusSays checks that what `sniroute status -json` says of a source holds a text.
func (t *T) StatusSays(source, text string) error {
	out, err := t.House.Ask(t, t.Binary, "status", "-json")
	if err != nil {
		return err
	}
	var status struct {
		Sources []map[string]any `json:"sources"`
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return fmt.Errorf("sniroute status -json: %w", err)
	}
	for _, s := range status.Sources {
		if s["name"] != source {
			continue
		}
		if said := fmt.Sprint(s["errors"], s["warnings"]); !strings.Contains(said, text) {
			return fmt.Errorf("status of %s says nothing of %q: %v", source, text, s)
		}
		return nil
	}
	return fmt.Errorf("status knows no source %s: %s", source, out)
}

// Metric checks the value of a metric, given with its labels as Prometheus prints them.
func (t *T) Metric(name string, want float64) error {
	text, err := t.ask("/metrics")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			var got float64
			if _, err := fmt.Sscan(value, &got); err != nil || got != want {
				return fmt.Errorf("%s is %s, not %v (%v)", name, strings.TrimSpace(value), want, err)
			}
			return nil
		}
	}
	return fmt.Errorf("no metric %s", name)
}

// ask gets a page of the daemon's status server, as curl on the router does.
func (t *T) ask(path string) (string, error) {
	out, err := t.House.Router.Output(exec.CommandContext(t, "curl", "-sS", "--max-time", "20",
		"http://127.0.0.1:1936"+path))
	return string(out), err
}

// HTTPStatus checks the status with which the daemon's status server answers.
func (t *T) HTTPStatus(path string, want int) error {
	out, err := t.House.Router.Output(exec.CommandContext(t, "curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}",
		"http://127.0.0.1:1936"+path))
	if err != nil {
		return err
	}
	if !strings.HasSuffix(string(out), fmt.Sprint("\n", want)) {
		return fmt.Errorf("%s answers %s, not %d", path, out, want)
	}
	return nil
}
