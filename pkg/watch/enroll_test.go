package watch

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func secretJSON(t testing.TB, secretType, token string, authority []byte) string {
	data := map[string]string{}
	if token != "" {
		data["token"] = base64.StdEncoding.EncodeToString([]byte(token))
	}
	if authority != nil {
		data["ca.crt"] = base64.StdEncoding.EncodeToString(authority)
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "type": secretType, "data": data})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const tokenSecret = "kubernetes.io/service-account-token"

func TestEnroll(t *testing.T) {
	d := newDouble(t)
	d.set(func() { d.forbidden["services"] = true })
	authority, err := os.ReadFile(d.ca)
	must(t, err)
	dir := t.TempDir()
	if os.Geteuid() == 0 { // as on the router, where the folder is the daemon's and the person is root
		must(t, os.Chown(dir, 443, 443))
	}
	e := Enrolment{Server: d.server.URL, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")}
	must(t, os.WriteFile(e.TokenFile, []byte("old"), 0o666))
	permissions, err := e.Enroll(t.Context(), strings.NewReader(secretJSON(t, tokenSecret, "good", authority)), silent())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range permissions {
		if want := p.Resource != "services" && p.Resource != "secrets"; p.Allowed != want {
			t.Errorf("may %s: %v", p, p.Allowed)
		}
	}
	for path, want := range map[string]string{e.TokenFile: "good\n", e.CAFile: string(authority)} {
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", path, got, err)
		}
		var file, folder unix.Stat_t
		must(t, unix.Stat(path, &file))
		must(t, unix.Stat(dir, &folder))
		if file.Mode&0o7777 != 0o600 || file.Uid != folder.Uid || file.Gid != folder.Gid {
			t.Errorf("%s: mode %o of %d:%d in a folder of %d:%d", path, file.Mode, file.Uid, file.Gid, folder.Uid, folder.Gid)
		}
	}
	r := runCluster(t, d.cluster(t, func(c *Cluster) { c.CAFile, c.TokenFile = e.CAFile, e.TokenFile }))
	r.wantSynced()

	asYAML := "apiVersion: v1\nkind: Secret\ntype: " + tokenSecret + "\nmetadata:\n  name: sniroute-token\ndata:\n  ca.crt: " +
		base64.StdEncoding.EncodeToString(authority) + "\n  token: " + base64.StdEncoding.EncodeToString([]byte("good")) + "\n"
	if _, err := e.Enroll(t.Context(), strings.NewReader(asYAML), silent()); err != nil {
		t.Errorf("as YAML: %v", err)
	}
}

// TestEnrollKeepsWhatWorks: credentials that do not work take nobody's place; those that cannot be tried do.
func TestEnrollKeepsWhatWorks(t *testing.T) {
	d := newDouble(t)
	cluster, err := os.ReadFile(d.ca)
	must(t, err)
	another, _, _ := pems(t)
	dir := t.TempDir()
	e := Enrolment{Server: d.server.URL, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")}
	enroll := func(ctx context.Context, token string, authority []byte) error {
		_, err := e.Enroll(ctx, strings.NewReader(secretJSON(t, tokenSecret, token, authority)), silent())
		return err
	}
	holds := func(name, token string, authority []byte) {
		t.Helper()
		gotToken, err1 := os.ReadFile(e.TokenFile)
		gotAuthority, err2 := os.ReadFile(e.CAFile)
		if string(gotToken) != token || string(gotAuthority) != string(authority) {
			t.Errorf("%s: the files hold %q and %q (%v, %v)", name, gotToken, gotAuthority, err1, err2)
		}
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	refused := func(when, token string, authority []byte) {
		t.Helper()
		for name, test := range map[string]struct {
			ctx       context.Context
			token     string
			authority []byte
			want      string
		}{
			"a revoked token":           {t.Context(), "revoked", cluster, "401"},
			"another cluster's":         {t.Context(), "good", another, "certificate"},
			"a person who has given up": {interrupted, "good", cluster, "canceled"},
		} {
			err := enroll(test.ctx, test.token, test.authority)
			if err == nil || errors.Is(err, ErrUntried) || !strings.HasPrefix(err.Error(), "nothing was written") ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, %s: %v", when, name, err)
			}
			holds(when+", "+name, token, authority)
		}
	}
	refused("at first", "", nil)
	must(t, enroll(t.Context(), "good", cluster))
	refused("later", "good\n", cluster)

	d.server.Close()
	if err := enroll(t.Context(), "next", cluster); !errors.Is(err, ErrUntried) || !strings.Contains(err.Error(), "were written") {
		t.Errorf("nobody answers: %v", err)
	}
	holds("nobody answers", "next\n", cluster)
}

// TestEnrollFollowsNoLink: root enrols, and the daemon, whose folder it is, has put links where the files go.
func TestEnrollFollowsNoLink(t *testing.T) {
	d := newDouble(t)
	authority, err := os.ReadFile(d.ca)
	must(t, err)
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		must(t, os.Chown(dir, 443, 443))
	}
	e := Enrolment{Server: d.server.URL, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")}
	shadow := filepath.Join(t.TempDir(), "shadow")
	must(t, os.WriteFile(shadow, []byte("root:x:\n"), 0o640))
	for _, link := range []string{"token", "token.new", "ca.crt.new"} {
		must(t, os.Symlink(shadow, filepath.Join(dir, link)))
	}
	before, err := os.Stat(shadow)
	must(t, err)
	_, err = e.Enroll(t.Context(), strings.NewReader(secretJSON(t, tokenSecret, "good", authority)), silent())
	must(t, err)
	after, err := os.Stat(shadow)
	must(t, err)
	if got, err := os.ReadFile(shadow); err != nil || string(got) != "root:x:\n" || after.Mode() != before.Mode() ||
		after.Sys().(*syscall.Stat_t).Uid != before.Sys().(*syscall.Stat_t).Uid {
		t.Errorf("root's file now holds %q, %v (%v)", got, after.Mode(), err)
	}
	for _, path := range []string{e.TokenFile, e.CAFile} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v (%v)", path, info.Mode(), err)
		}
	}
	must(t, os.Mkdir(filepath.Join(dir, "token.new"), 0o700)) // in the way, and full
	must(t, os.WriteFile(filepath.Join(dir, "token.new", "x"), nil, 0o600))
	if err := writeCredential(e.TokenFile, []byte("x")); err == nil {
		t.Error("a folder is in the way, and nobody says so")
	}
}

func TestEnrollRefuses(t *testing.T) {
	certificate, _, _ := pems(t)
	good := secretJSON(t, tokenSecret, "good", certificate)
	dir := t.TempDir()
	data := base64.StdEncoding.EncodeToString([]byte("hunter2"))
	for _, test := range []struct{ name, server, secret, want string }{
		{"a Secret of another sort as YAML", "https://192.0.2.1", "kind: Secret\ntype: Opaque\ndata: {token: " + data + "}\n", "of type"},
		{"data that is none", "https://192.0.2.1", "kind: Secret\ndata: {token: '=hunter2'}\n", "that is no Secret"},
		{"data of another sort", "https://192.0.2.1", `{"kind":"Secret","data":{"token":["hunter2"]}}`, "that is no Secret"},
		{"no YAML", "https://192.0.2.1", "kind: Secret\ndata: hunter2: hunter2\n", "that is no Secret"},
		{"too much YAML", "https://192.0.2.1", "kind: Secret\n" + strings.Repeat("#\n", 40000), "that is no Secret"},
		{"nothing", "https://192.0.2.1", "", "kubectl -n sniroute get secret sniroute-token -o json"},
		{"another object", "https://192.0.2.1", `{"kind":"Pod"}`, "that is no Secret"},
		{"too much", "https://192.0.2.1", good + strings.Repeat(" ", maxCredential), "that is no Secret"},
		{"another Secret", "https://192.0.2.1", secretJSON(t, "Opaque", "good", certificate), "of type \"Opaque\""},
		{"no token yet", "https://192.0.2.1", secretJSON(t, tokenSecret, "", certificate), "has not filled"},
		{"no authority", "https://192.0.2.1", secretJSON(t, tokenSecret, "good", nil), "has not filled"},
		{"a bad token", "https://192.0.2.1", secretJSON(t, tokenSecret, "a b", certificate), "holds no token"},
		{"a bad authority", "https://192.0.2.1", secretJSON(t, tokenSecret, "good", []byte("x")), "no certificate in PEM form"},
		{"http", "http://192.0.2.1", good, "only https"},
	} {
		e := Enrolment{Server: test.server, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")}
		if _, err := e.Enroll(t.Context(), strings.NewReader(test.secret), silent()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), data) {
			t.Errorf("%s: a secret is repeated: %v", test.name, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("something was written: %v, %v", files, err)
	}
	e := Enrolment{Server: "https://127.0.0.1:1", CAFile: filepath.Join(dir, "no", "ca.crt"), TokenFile: filepath.Join(dir, "no", "token")}
	if _, err := e.Enroll(t.Context(), strings.NewReader(good), silent()); err == nil || !strings.Contains(err.Error(), "writing the credentials") {
		t.Errorf("no folder: %v", err)
	}
}

var update = flag.Bool("update", false, "write deploy/kubernetes/sniroute.yaml anew")

// TestManifestIsDeployed: the file that people find in the repository is what the command prints.
func TestManifestIsDeployed(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "kubernetes", "sniroute.yaml")
	if *update {
		must(t, os.WriteFile(path, AccessManifest(Sources()), 0o644))
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(AccessManifest(Sources())) {
		t.Errorf("%s is not what `sniroute manifest` prints (%v): go test ./pkg/watch -run ManifestIsDeployed -update", path, err)
	}
}

// TestManifestGrantsWhatIsRead compares the ClusterRole with the kinds that a Cluster asks for.
func TestManifestGrantsWhatIsRead(t *testing.T) {
	for _, sources := range [][]string{Sources(), {"ingress"}, {"service"}} {
		var role struct {
			Rules []struct {
				APIGroups, Resources, Verbs []string
			}
		}
		for document := range strings.SplitSeq(string(AccessManifest(sources)), "\n---\n") {
			if strings.Contains(document, "kind: ClusterRole\n") && strings.Contains(document, "rules:") {
				var raw struct {
					Rules []map[string][]string `yaml:"rules"`
				}
				must(t, decodeBounded([]byte(document), &raw))
				for _, rule := range raw.Rules {
					role.Rules = append(role.Rules, struct{ APIGroups, Resources, Verbs []string }{
						rule["apiGroups"], rule["resources"], rule["verbs"]})
				}
			}
		}
		var granted, read []string
		for _, rule := range role.Rules {
			if !slices.Equal(rule.Verbs, []string{"list", "watch"}) || len(rule.APIGroups) != 1 {
				t.Errorf("%v: rule %+v", sources, rule)
			}
			for _, resource := range rule.Resources {
				granted = append(granted, rule.APIGroups[0]+"/"+resource)
			}
		}
		for _, k := range kindsOf(sources) {
			read = append(read, k.group+"/"+k.resource)
		}
		slices.Sort(granted)
		slices.Sort(read)
		if !slices.Equal(granted, read) || len(read) == 0 {
			t.Errorf("%v: granted %v, read %v", sources, granted, read)
		}
	}
}
