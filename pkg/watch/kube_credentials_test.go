package watch

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pems returns a certificate and its key in PEM form.
func pems(t testing.TB) (certificate, key []byte, ends time.Time) {
	pair := selfSigned(t, time.Now().Add(-time.Hour))
	der, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), pair.Leaf.NotAfter
}

func kubeconfigText(cluster, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: home
contexts:
- {name: other, context: {cluster: other, user: other}}
- {name: home, context: {cluster: c, user: u, namespace: x}}
clusters:
- {name: other, cluster: {server: "http://192.0.2.9"}}
- name: c
  cluster: {%s}
users:
- {name: other, user: {exec: {command: rm}}}
- name: u
  user: {%s}
`, cluster, user)
}

func TestKubeconfig(t *testing.T) {
	certificate, key, ends := pems(t)
	b64 := base64.StdEncoding.EncodeToString
	const server = `server: "https://192.0.2.1:6443"`
	tests := []struct {
		name, cluster, user string
		want                string // in the error; empty: none
		check               func(*credentials) bool
	}{
		{"a token", server, "token: abc", "", func(c *credentials) bool {
			return c.token == "abc" && c.certificate == nil && c.roots == nil && c.servers[0].Host == "192.0.2.1:6443" && c.expiry.IsZero()
		}},
		{"a token from a file", server, "token: abc, tokenFile: the-token", "", func(c *credentials) bool { return c.token == "from-file" }},
		{"a certificate", server + ", tls-server-name: api.lan, certificate-authority-data: " + b64(certificate),
			"client-certificate-data: " + b64(certificate) + ", client-key-data: " + b64(key), "", func(c *credentials) bool {
				return c.certificate != nil && c.roots != nil && c.serverName == "api.lan" && c.expiry.Equal(ends)
			}},
		{"a certificate in files", server + ", certificate-authority: ca.crt", "client-certificate: ca.crt, client-key: the.key", "",
			func(c *credentials) bool { return c.certificate != nil && c.roots != nil }},
		{"exec", server, "exec: {command: aws}", "exec is refused", nil},
		{"auth-provider", server, "auth-provider: {name: gcp}", "auth-provider is refused", nil},
		{"password", server, "username: admin, password: admin", "username is refused", nil},
		{"impersonation", server, "token: a, as: admin", "as is refused", nil},
		{"insecure", server + ", insecure-skip-tls-verify: true", "token: a", "insecure-skip-tls-verify is refused", nil},
		{"proxy", server + `, proxy-url: "http://192.0.2.5"`, "token: a", "proxy-url is refused", nil},
		{"http", `server: "http://192.0.2.1:8080"`, "token: a", "only https is spoken", nil},
		{"no server", "", "token: a", "only https is spoken", nil},
		{"nobody", server, "", "neither a token nor a client certificate", nil},
		{"no base64", server + ", certificate-authority-data: '***'", "token: a", "is not base64", nil},
		{"no PEM", server + ", certificate-authority-data: YWJj", "token: a", "no certificate in PEM form", nil},
		{"a file that is not there", server + ", certificate-authority: gone.crt", "token: a", "copy it to the router", nil},
		{"a bad key", server, "client-certificate-data: " + b64(certificate) + ", client-key-data: YWJj", "client certificate", nil},
		{"no key", server, "client-certificate-data: " + b64(certificate), "client certificate", nil},
		{"a token with a line end inside", server, `token: "a\nb"`, "holds no token", nil},
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "the-token"), []byte("from-file\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), certificate, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "the.key"), key, 0o600))
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint("config", i))
			must(t, os.WriteFile(path, []byte(kubeconfigText(test.cluster, test.user)), 0o600))
			var r credentialReader
			got, err := r.kubeconfig(path)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want %q", err, test.want)
				}
			} else if err != nil || !test.check(got) {
				t.Errorf("got %+v, %v", got, err)
			}
			refused := strings.Contains(test.want, "refused") || strings.Contains(test.want, "https")
			if err := CheckKubeconfig(path); refused != (err != nil) {
				t.Errorf("CheckKubeconfig says %v", err)
			}
		})
	}
}

func TestKubeconfigThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := CheckKubeconfig(path); err != nil {
		t.Errorf("one that is not there yet: %v", err)
	}
	for _, text := range []string{"", "[", "a: &a [*a]", "current-context: x", kubeconfigText("", "")[:150],
		"current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if err := CheckKubeconfig(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// What is in a file that is none is not said.
	for text, line := range map[string]string{
		"hunter2\n": ", line 1,", "a: b\nclusters: hunter2\n": ", line 2,", "clusters: [hunter2hunter2]\n": ", line 1,", "\n\na: *hunter2\n": "",
		"a: b\n\nhunter2: [\n": ", line 4,", "users:\n- {user: {token: [hunter2]}}\n": ", line 2,", "!hunter2 x": ", line 1,",
		"a: 1\nb: 2\n  hunter2: 3\n": ", line 3,",
	} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if err := CheckKubeconfig(path); err == nil || !strings.HasPrefix(err.Error(), path+line+" is no kubeconfig: ") ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTokenExpiry(t *testing.T) {
	jwt := func(payload string) string {
		return "aGVhZA." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	for token, want := range map[string]int64{
		"opaque": 0, "a.b.c": 0, jwt(`{"exp":1900000000}`): 1900000000, jwt(`{"sub":"x"}`): 0, jwt(`{"exp":"soon"}`): 0, jwt(`{"exp":-5}`): 0,
	} {
		c := new(credentials)
		if err := c.setToken(token, "x"); err != nil {
			t.Errorf("%s: %v", token, err)
		}
		if want == 0 && !c.expiry.IsZero() || want != 0 && c.expiry.Unix() != want {
			t.Errorf("%s ends %v, want %d", token, c.expiry, want)
		}
	}
}

func TestServerURL(t *testing.T) {
	for server, good := range map[string]bool{
		"https://192.0.2.1:6443": true, "https://[fd00::1]:6443": true, "https://api.lan": true, "https://rancher.lan/k8s/clusters/c-1": true,
		"http://192.0.2.1": false, "192.0.2.1:6443": false, "https://": false, "https://user:pass@192.0.2.1": false,
		"https://192.0.2.1?x=y": false, "https://192.0.2.1/#a": false, "": false, "https://%zz": false,
	} {
		if _, err := serverURL(server); (err == nil) != good {
			t.Errorf("%q: %v", server, err)
		}
	}
}

// FuzzKubeconfig: whatever a kubeconfig holds, parsing it ends well, and nothing that is refused comes through.
func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte(kubeconfigText(`server: "https://192.0.2.1:6443"`, "token: abc")))
	f.Add([]byte(kubeconfigText(`server: "https://192.0.2.1:6443", proxy-url: x`, "exec: {command: a}, auth-provider: {}")))
	f.Add([]byte(`{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"b","user":"c"}}],"clusters":[{"name":"b","cluster":{"server":"https://b"}}],"users":[{"name":"c","user":{"token":"t"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cluster, user, err := parseKubeconfig(data, "file")
		if err != nil {
			return
		}
		if cluster.Insecure || cluster.Proxy != "" || !user.Exec.IsZero() || user.Username != "" || user.Impersonate != "" {
			t.Fatalf("%+v %+v was let through", cluster, user)
		}
		if u, err := serverURL(cluster.Server); err != nil || u.Scheme != "https" {
			t.Fatalf("server %q was let through", cluster.Server)
		}
	})
}
