package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/logging"
	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/ubus"
)

func text(name, value string) ubus.Table { return ubus.Table{{Name: name, Value: value}} }

// checked is what the method check answers.
type checked struct {
	Problems []problem
	More     int
}

func TestBusCheck(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := "config cluster home\n\toption kubeconfig '" + kubeconfig + "'\n\tlist domain 'example.com'\n"
	o := shownOnBus(exhibit{}, new(config.Config))
	c := callBus(t, o)
	for _, test := range []struct{ name, config, want string }{
		{"nothing", "", ""},
		{"as shipped", "config sniroute 'main'\nconfig listener 'https'\nconfig dns 'dns'\n", ""},
		{"a bad value", "config listener 'a'\n\toption wan_port 'x: y'\n", "2 listener.a.wan_port [x: y] " +
			"'x: y' is no whole number | give one from 0 to 65535 false"},
		{"markup", "config listener 'a'\n\toption wan_port '<b onclick=\"x\">'\n", "2 listener.a.wan_port [<b onclick=\"x\">] " +
			"'<b onclick=\"x\">' is no whole number | give one from 0 to 65535 false"},
		{"a secret", "config cluster 'a'\n\tlist server 'http://hunter2'\n\toption token_file '/t'\n\tlist domain 'a'\n",
			"2 cluster.a.server [] the value is no https URL | give one such as 'https://192.168.0.10:6443' false"},
		{"a section without a name", "config listener\n\toption wan_port '-1'\n", "2 listener.cfg01a28b.wan_port [-1] " +
			"'-1' is out of bounds | give a number from 0 to 65535 false"},
		{"a warning", "config listener 'a'\n\toption colour 'red'\n\toption proto 'https'\n",
			"3 listener.a.proto [https] 'https' is not one of tls, http |  false; " +
				"2 listener.a.colour [] is unknown and ignored | a listener section has enabled, proto, listen, wan_port, " +
				"wan_zone, wan_ipv6, hairpin, hairpin_zone, default_backend, inspect_delay, non_tls, accept_proxy, allow, deny, " +
				"http_mode, acme_internal true"},
		{"no UCI", "config listener 'a\n", "1 .. [] EOF with unterminated ' | close the quote that is opened here false"},
		{"what only the daemon knows", "config listener 'a'\nconfig backend 'b'\n\tlist server '192.168.0.1:8443'\n",
			"3 backend.b.server [192.168.0.1:8443] '192.168.0.1:8443' is listener 'a' itself | " +
				"connections would go round in circles; name another machine false"},
		{"a file that is nobody's business", cluster, ""},
	} {
		var answer checked
		if err := c.ask("check", text("config", test.config), &answer); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range answer.Problems {
			got = append(got, fmt.Sprintf("%d %s.%s.%s [%s] %s | %s %v", p.Line, p.Type, p.Section, p.Option, p.Value, p.Message,
				p.Remedy, p.Warning))
		}
		if strings.Join(got, "; ") != test.want || answer.More != 0 {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, strings.Join(got, "; "), test.want)
		}
	}

	inUse := &config.Config{Clusters: []config.Cluster{{Kubeconfig: kubeconfig}}}
	beside := o
	beside.folder = dir
	for _, o := range []onBus{shownOnBus(exhibit{}, inUse), beside} {
		var answer checked
		if err := callBus(t, o).ask("check", text("config", cluster), &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Problems) != 1 || answer.Problems[0].Option != "kubeconfig" || answer.Problems[0].Section != "home" ||
			!strings.Contains(answer.Problems[0].Message, "is no kubeconfig") {
			t.Errorf("a kubeconfig in use is not looked at: %+v", answer)
		}
		if strings.Contains(fmt.Sprint(answer), "hunter2") {
			t.Errorf("what is in the file is answered: %+v", answer)
		}
	}
}

// TestBusCheckBounds: whatever is sent, the answer fits on the bus, and errors stand before warnings.
func TestBusCheckBounds(t *testing.T) {
	c := callBus(t, shownOnBus(exhibit{}, new(config.Config)))
	long := strings.Repeat("ä<\"", 20000)
	for name, text := range map[string]string{
		"many warnings": "config listener 'a'\n" + strings.Repeat("\toption x y\n", 5000) + "\toption wan_port x\n",
		"many errors":   strings.Repeat("config listener\n\toption wan_port x\n", 3000),
		"long words":    "config listener '" + strings.Repeat("a", 60000) + "'\n\toption wan_port '" + long + "'\n\toption " + strings.Repeat("b", 60000) + " '" + long + "'\n",
		"a long type":   "config " + strings.Repeat("c", 500000) + "\n",
		"no text":       strings.Repeat("\x01\xff'\"\\", 100000),
	} {
		var answer checked
		if err := c.ask("check", ubus.Table{{Name: "config", Value: text}}, &answer); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := len(answer.Problems); n == 0 || n > mostProblems || strings.Contains(name, "many errors") && answer.More == 0 {
			t.Errorf("%s: %d problems and %d more", name, n, answer.More)
		}
		if name == "many warnings" && answer.Problems[0].Warning {
			t.Errorf("%s: the error is not the first: %+v", name, answer.Problems[0])
		}
	}
	if err := c.ask("check", ubus.Table{{Name: "config", Value: 7}}, nil); !errors.Is(err, ubus.StatusInvalidArgument) {
		t.Errorf("a number: %v", err)
	}
}

// imported is what the method import answers.
type imported struct {
	Config   string
	Sections []struct {
		Type, Name string
		Options    map[string]any
	}
	Remarks []formRemark
	Error   string
}

func TestBusImport(t *testing.T) {
	c := callBus(t, shownOnBus(exhibit{}, new(config.Config)))
	secret := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(secret, []byte("hunter2.example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var answer imported
	err := c.ask("import", text("haproxy", `
frontend https
	bind :443
	tcp-request inspect-delay 5s
	acl a req.ssl_sni -i a.example.com
	acl b req.ssl_sni -i -f `+secret+`
	use_backend k8s if a
	use_backend nas if b
	default_backend nas
backend k8s
	server s 192.168.0.3:443
backend nas
	server s 192.168.0.2:443
`), &answer)
	if err != nil || answer.Error != "" {
		t.Fatal(err, answer.Error)
	}
	if _, _, err := config.Parse("it", []byte(answer.Config)); err != nil {
		t.Errorf("the configuration is none: %v\n%s", err, answer.Config)
	}
	var got []string
	for _, s := range answer.Sections {
		got = append(got, s.Type+" "+s.Name)
		if s.Type == "backend" && s.Name == "k8s" {
			if list, _ := s.Options["server"].([]any); len(list) != 1 || list[0] != "192.168.0.3:443" {
				t.Errorf("the servers are %v", s.Options)
			}
		}
		if port, ok := s.Options["wan_port"]; s.Type == "listener" && (!ok || port != "0") {
			t.Errorf("the listener is %v", s.Options)
		}
	}
	if !slices.Contains(got, "backend k8s") || !slices.Contains(got, "sniroute main") {
		t.Errorf("the sections are %q", got)
	}
	if !slices.ContainsFunc(answer.Remarks, func(r formRemark) bool { return r.Line == 8 && strings.Contains(r.Text, "which is not here") }) {
		t.Errorf("the file that is not read is not remarked: %+v", answer.Remarks)
	}
	if strings.Contains(fmt.Sprint(answer), "hunter2") {
		t.Errorf("a file of the router was read: %+v", answer)
	}

	var many strings.Builder
	many.WriteString("frontend f\n\tbind :443\n\tdefault_backend b\nbackend b\n\tserver s 192.168.0.2:443\n")
	for i := range 3000 {
		fmt.Fprintf(&many, "resolvers r%d<b>\n", i)
	}
	for name, text := range map[string]string{
		"many remarks": many.String(),
		"many routes": func() string {
			var b strings.Builder
			b.WriteString("frontend f\n\tbind :443\n")
			for i := range 2000 {
				fmt.Fprintf(&b, "\tuse_backend b%d if { req.ssl_sni -i h%d.example.com }\n", i%500, i)
			}
			for i := range 500 {
				fmt.Fprintf(&b, "backend b%d\n\tserver s 192.168.%d.%d:443\n", i, i/250, i%250+1)
			}
			return b.String()
		}(),
		"nothing":      "",
		"no haproxy":   "<html>\x01\xff",
		"conditional":  "global\n.if 1\n",
		"long words":   "frontend " + strings.Repeat("x", 500000) + "\n\tbind " + strings.Repeat("y", 500000) + "\n",
		"many binds":   "frontend f\n" + strings.Repeat("\tbind :443\n", 5000),
		"many patches": "frontend f\n\tbind :443\n" + strings.Repeat("\tacl a req.ssl_sni -i a\n", 5000),
	} {
		var answer imported
		if err := c.ask("import", ubus.Table{{Name: "haproxy", Value: text}}, &answer); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if answer.Error != "" && (answer.Config != "" || len(answer.Sections) != 0) {
			t.Errorf("%s: an error (%s) and a configuration", name, answer.Error)
		}
		if len(answer.Remarks) > mostRemarks+1 || len(answer.Config) > mostConfig {
			t.Errorf("%s: %d remarks, %d bytes", name, len(answer.Remarks), len(answer.Config))
		}
		if name == "many remarks" && !strings.HasPrefix(answer.Remarks[mostRemarks].Text, "and ") {
			t.Errorf("%s: the last one is %+v", name, answer.Remarks[mostRemarks])
		}
	}
}

// An apiServer is one that knows one token, and grants everything but Secrets.
func apiServer(t *testing.T) (url string, authority []byte) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var question struct {
			Spec struct {
				ResourceAttributes struct{ Resource string } `json:"resourceAttributes"`
			} `json:"spec"`
		}
		_ = json.NewDecoder(r.Body).Decode(&question)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","status":{"allowed":%v}}`,
			question.Spec.ResourceAttributes.Resource != "secrets")
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestBusEnroll(t *testing.T) {
	url, authority := apiServer(t)
	dir := t.TempDir()
	var log strings.Builder
	o := shownOnBus(exhibit{}, &config.Config{Clusters: []config.Cluster{
		{Claims: config.Claims{Name: "old"}, CAFile: filepath.Join(dir, "old-ca"), TokenFile: filepath.Join(dir, "old-token")},
		{Claims: config.Claims{Name: "usual"}, CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")},
		{Claims: config.Claims{Name: "astray"}, CAFile: filepath.Join(dir, "astray-ca"), TokenFile: "/etc/passwd"},
	}})
	o.folder, o.log = dir, slog.New(slog.NewTextHandler(&log, nil))
	c := callBus(t, o)
	secret := func(token string) string {
		text := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
		return "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\ndata:\n  token: " +
			text([]byte(token)) + "\n  ca.crt: " + text(authority) + "\n"
	}
	enroll := func(cluster, url, secret string) enrolled {
		t.Helper()
		var answer enrolled
		if err := c.ask("enroll", slices.Concat(text("cluster", cluster), text("url", url), text("secret", secret)), &answer); err != nil {
			t.Fatal(err)
		}
		if s := fmt.Sprint(answer); strings.Contains(s, "hunter2") || strings.Contains(s, "aHVudGVy") {
			t.Errorf("a secret is answered: %s", s)
		}
		return answer
	}
	for cluster, want := range map[string][2]string{
		"home": {"home.crt", "home.token"}, "old": {"old-ca", "old-token"}, "astray": {"astray.crt", "astray.token"},
	} {
		got := enroll(cluster, " "+url+"\n", secret("hunter2"))
		if !got.Tested || got.Error != "" || !slices.Equal(got.Server, []string{url}) ||
			got.CAFile != filepath.Join(dir, want[0]) || got.TokenFile != filepath.Join(dir, want[1]) ||
			!slices.Contains(got.Notes, "they may not get secrets, as it should be") {
			t.Errorf("%s: %+v", cluster, got)
			continue
		}
		token, err := os.ReadFile(got.TokenFile)
		if info, _ := os.Stat(got.TokenFile); err != nil || string(token) != "hunter2\n" || info.Mode() != 0o600 {
			t.Errorf("%s: the file holds %q (%v)", cluster, token, err)
		}
	}
	// What the server refuses takes the place of nothing; what nobody could try does.
	if got := enroll("home", url, secret("hunter22")); got.Tested || got.CAFile != "" || len(got.Server) != 0 ||
		!strings.Contains(got.Error, "nothing was written") || !strings.Contains(got.Error, "401") {
		t.Errorf("a token that is no good: %+v", got)
	}
	if token, err := os.ReadFile(filepath.Join(dir, "home.token")); err != nil || string(token) != "hunter2\n" {
		t.Errorf("the token is now %q (%v)", token, err)
	}
	if got := enroll("away", "https://127.0.0.1:1", secret("hunter2")); got.Tested || got.CAFile == "" || len(got.Server) != 1 ||
		!strings.Contains(got.Error, "were written, but they cannot be tried") {
		t.Errorf("nobody answers: %+v", got)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][3]string{
		"no name":        {"", url, secret("hunter2")},
		"a path":         {"../home", url, secret("hunter2")},
		"another's file": {"ca", url, secret("hunter2")},
		"a NUL":          {"a\uFFFD", url, secret("hunter2")},
		"a long name":    {strings.Repeat("a", 65), url, secret("hunter2")},
		"another scheme": {"new", "http://192.0.2.1", secret("hunter2")},
		"no URL":         {"new", "<b>", secret("hunter2")},
		"no Secret":      {"new", url, "hunter2"},
		"much":           {"new", url, strings.Repeat("hunter2: {", 50000)},
		"no token":       {"new", url, strings.Replace(secret("hunter2"), "token:", "other:", 1)},
	} {
		if got := enroll(args[0], args[1], args[2]); got.Error == "" || got.Tested || got.CAFile != "" || len(got.Server) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("something was written: %v (%v)", after, err)
	}
	if strings.Contains(log.String(), "hunter2") || strings.Count(log.String(), "credentials were written") != 4 {
		t.Errorf("the log says\n%s", &log)
	}
}

func TestBusSeen(t *testing.T) {
	claims := []route.Claim{
		{Object: route.Object{Kind: "Ingress", Namespace: "b", Name: "x"}, Class: "nginx", Host: "<b>.example.com",
			Addresses: []netip.Addr{netip.MustParseAddr("192.168.0.3")}},
		{Object: route.Object{Kind: "HTTPRoute", Namespace: "a", Name: "x"}, Class: "nginx", Gateway: "infra/g", Host: "a\x00\xff"},
		{Host: strings.Repeat("x", 254)},
	}
	o := shownOnBus(exhibit{}, new(config.Config))
	o.claims = func() []route.Claim { return claims }
	c := callBus(t, o)
	var got seen
	if err := c.ask("seen", nil, &got); err != nil {
		t.Fatal(err)
	}
	want := "{[nginx] [infra/g] [a b] [192.168.0.3] [<b>.example.com a\uFFFD\uFFFD]}"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	claims = nil
	var none map[string][]string
	if err := c.ask("seen", nil, &none); err != nil || len(none) != 5 || none["classes"] == nil {
		t.Errorf("of nothing: %v (%v)", none, err)
	}
	for i := range 3000 {
		claims = append(claims, route.Claim{Class: fmt.Sprintf("%0253d", i), Host: fmt.Sprintf("%0253d", i),
			Object: route.Object{Namespace: fmt.Sprintf("%0253d", i)}, Gateway: fmt.Sprintf("%0253d", i),
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})}})
	}
	if err := c.ask("seen", nil, &got); err != nil || len(got.Hosts) != mostSeen || len(got.Addresses) != mostSeen {
		t.Errorf("of many: %d hosts, %v", len(got.Hosts), err)
	}
}

func TestBusLog(t *testing.T) {
	level := new(slog.LevelVar)
	log, err := logging.Open(logging.Options{To: logging.Stderr, Level: level})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	o := shownOnBus(exhibit{}, new(config.Config))
	o.lines = log.Recent
	c := callBus(t, o)
	slog.New(log).Warn("claimed", "host", "<b>\x00\xff\"\nx")
	var got shownLog
	if err := c.ask("log", nil, &got); err != nil || len(got.Lines) != 1 {
		t.Fatal(got, err)
	}
	if l := got.Lines[0]; l.Level != "warn" || l.Text != `msg=claimed host="<b>\x00\xff\"\nx"` || time.Since(l.Time) > time.Hour {
		t.Errorf("the line is %+v", l)
	}
	for range logging.Kept { // only some a second are written
		slog.New(log).Error(strings.Repeat("<", 900))
	}
	if err := c.ask("log", nil, &got); err != nil || len(got.Lines) < 2 {
		t.Errorf("%d lines, %v", len(got.Lines), err)
	}
}

// TestBusPanic: a mistake in the program does not end it.
func TestBusPanic(t *testing.T) {
	var log strings.Builder
	o := shownOnBus(exhibit{}, new(config.Config))
	o.log = slog.New(slog.NewTextHandler(&log, nil))
	o.claims = func() []route.Claim { panic("a mistake") }
	c := callBus(t, o)
	if err := c.ask("seen", nil, nil); !errors.Is(err, ubus.StatusUnknownError) {
		t.Errorf("the call is answered with %v", err)
	}
	if err := c.ask("log", nil, new(shownLog)); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "method=seen") || !strings.Contains(log.String(), "a mistake") {
		t.Errorf("the log says %s", &log)
	}
}
