package haproxy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/uci"
)

var update = flag.Bool("update", false, "write the golden files anew")

// inTestdata reads files that a configuration in testdata names.
func inTestdata(name string) ([]byte, error) { return os.ReadFile(filepath.Join("testdata", name)) }

// TestImport holds what is made of testdata/NAME.cfg against NAME.uci, and the remarks against NAME.remarks.
func TestImport(t *testing.T) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil || len(files) < 15 {
		t.Fatalf("only %d files in testdata (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".cfg"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			imported, remarks, err := Import(text, inTestdata)
			if err != nil {
				t.Fatal(err)
			}
			out, err := uci.Format(imported)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, r := range remarks {
				said.WriteString(r.String() + "\n")
			}
			base := strings.TrimSuffix(file, ".cfg")
			golden(t, base+".uci", string(out))
			golden(t, base+".remarks", said.String())
			if strings.Contains(said.String()+string(out), "hunter2") {
				t.Error("a password is repeated")
			}
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%swant\n%s", file, got, want)
	}
}

// TestBlog: the configuration that this project began with comes through whole.
func TestBlog(t *testing.T) {
	text, err := inTestdata("blog.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if _, remarks, err := Import(text, nil); err != nil || len(remarks) > 0 {
		t.Errorf("got %v, remarks %v", err, remarks)
	}
}

// TestRemarks imports a frontend with each statement and looks at what is said of it.
func TestRemarks(t *testing.T) {
	for _, c := range []struct {
		front, back string // more statements
		remark      string // that is made; empty: none
	}{
		{"", "", ""},
		{"log global", "", ""},
		{"option tcplog", "", ""},
		{"no option dontlognull", "", ""},
		{"option nonsense", "", "not known here"},
		{"nonsense", "", "not known here"},
		{"timeout nonsense 1s", "", "not known here"},
		{"timeout client soon", "", "is not understood"},
		{"timeout check 5s", "", "connect_timeout"},
		{"monitor-uri /up", "", "/healthz"},
		{"rate-limit sessions 5", "", "connection_rate_per_source"},
		{"filter trace", "", "cannot be filtered"},
		{"maxconn 10", "", "max_connections"},
		{`description "$HOME"`, "", "environment variable 'HOME'"},
		{`description 'open`, "", "a quote is not closed"},
		{"tcp-request connection silent-drop if { src 10.0.0.0/8 }", "", ""},
		{"tcp-request connection set-mark 1", "", ""},
		{"tcp-request content capture req.ssl_sni len 10", "", ""},
		{"tcp-request connection nonsense", "", "'tcp-request connection nonsense': this action is not known here"},
		{"tcp-request content lua.check", "", "is refused"},
		{"tcp-request content set-dst req.hdr_ip(x)", "", "only configured servers"},
		{"tcp-request content reject if { hour 3 }", "", "all that it may reject is refused"},
		{"tcp-request content reject if undefined", "", "the acl 'undefined'"},
		{`tcp-request content reject if { req.ssl_sni "$NAME" }`, "", "environment variable 'NAME'"},
		{"tcp-request content reject if { req.ssl_sni -f none.txt }", "", "the file 'none.txt', which is not here"},
		{"tcp-request content accept if { src_get_gpc0 gt 3 }", "", "left out as far as it depends on 'src_get_gpc0'"},
		{"tcp-request connection reject if { src_conn_cur gt 3 }", "", ""},
		{"tcp-request connection reject if { src_conn_rate gt 3 }", "", "connection_rate_per_source are the limits"},
		{"use_backend b if { req.ssl_sni -m beg git }", "", "names that begin with 'git'"},
		{"use_backend b if { req.ssl_sni -m len 3 }", "", "the comparison 'len'"},
		{"use_backend b if { req.ssl_sni,base64 x }", "", "the converter 'base64'"},
		{"use_backend b if { req.ssl_sni -m reg (?=a) }", "", "the regular expression '(?=a)' is not understood"},
		{"use_backend b if { req.ssl_sni *.example.com }", "", "which HAProxy compares as it is"},
		{"use_backend b if { req.ssl_sni a:443 }", "", "which is no host name"},
		{"use_backend b if { ssl_fc_sni a.example.com }", "", "it never applies"},
		{"use_backend b if { req.ssl_sni 192.0.2.1 }", "", "none that a route can have"},
		{"use_backend b if { req.ssl_sni -m sub nas", "", "a brace that is not closed"},
		{"use_backend b when { req.ssl_sni a }", "", ""},
		{"bind /run/haproxy.sock", "", "is no TCP address"},
		{"bind :444 interface eth0", "", "not interfaces"},
		{"bind web.lan:444", "", "is no address of the router"},
		{"bind [::]:444 v6only", "", "for IPv6 alone"},
		{"bind 10.0.0.1:443", "", ""},
		{"bind :444 ssl crt x.pem", "", "terminates TLS"},
		{"bind :444 accept-proxy", "", "for all addresses of a listener, or for none"},
		{"stats enable", "", ""},
		{"", "balance hash", "it is roundrobin here"},
		{"", "stick on src table other", "each backend has its own"},
		{"", "stick on hdr(cookie)", "by their address"},
		{"", "source 10.0.0.1", "the router chooses the address"},
		{"", "tcp-check send x", "checks are a connection"},
		{"", "tcp-response content reject", "passed on without being looked at"},
		{"", "tcp-response content accept", ""},
		{"", "dispatch 10.0.0.1:1", "no server line"},
		{"", "server-template w 3 10.0.0.1:1", "one each"},
		{"", "server x 10.0.0.9:443 maxconn 3", "maxconn '3'"},
		{"", "server x 10.0.0.9:443 ssl verify none", "is the client's"},
		{"", "server x 10.0.0.9:443 nonsense", "not known here"},
		{"", "server x web.lan:443", "host name"},
		{"", "server x 0.0.0.0:443", "never where a client wanted to go"},
		{"", "server x unix@/run/x", "no address of a machine"},
		{"", "server x 10.0.0.9:99999", "no port from 1 to 65535"},
		{"", "server x 127.0.0.1:443", "round in circles"},
		{"", "server x 10.0.0.9:443 socks4 10.0.0.1:1080", "connected to directly"},
		{"", "server x 10.0.0.9:443 disabled", "it is disabled"},
		{"", "server x 10.0.0.9:+1000", ""},
		{"", "server x 10.0.0.9:443 weight many", "is no number"},
		{"", "server x 10.0.0.9:443 check inter 1h", "checked too"},
		{"", "tcp-request content reject if { hour 3 }", "all that it may reject is refused"},
	} {
		text := "defaults\n mode tcp\nfrontend f\n bind :443\n tcp-request inspect-delay 5s\n " + c.front +
			"\n default_backend b\nbackend b\n " + c.back + "\n server s 10.0.0.2:443\n"
		file, remarks, err := Import([]byte(text), nil)
		if err != nil {
			t.Errorf("%q: %v", c.front+c.back, err)
			continue
		}
		if _, err := uci.Format(file); err != nil {
			t.Errorf("%q: %v", c.front+c.back, err)
		}
		var said strings.Builder
		found := false
		for _, r := range remarks {
			said.WriteString(r.String() + "\n")
			found = found || strings.Contains(r.Text, c.remark)
			if r.Line < 3 || strings.ContainsAny(r.Text, "\n\r\t") {
				t.Errorf("%q: a remark that is not one line about one: %q", c.front+c.back, r)
			}
		}
		if c.remark == "" && len(remarks) > 0 || c.remark != "" && !found {
			t.Errorf("%q: got %q, want %q", c.front+c.back, said.String(), c.remark)
		}
	}
}

// TestOptions looks at single options of what is made of statements.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		front, back           string
		section, option, want string
	}{
		{"", "timeout server 90s", "b", "idle_timeout", "90s"},
		{"timeout client 1m", "timeout server 90s", "b", "idle_timeout", "1m"},
		{"timeout client 1m", "timeout tunnel 2h", "b", "idle_timeout", "2h"},
		{"timeout client 1500", "", "b", "idle_timeout", "1500ms"},
		{"timeout client 0", "", "b", "idle_timeout", "30d"},
		{"timeout client 5ms", "", "b", "idle_timeout", "1s"},
		{"", "", "b", "idle_timeout", ""},
		{"", "timeout connect 2h", "b", "connect_timeout", "5m"},
		{"tcp-request inspect-delay 2m", "", "f", "inspect_delay", "1m"},
		{"", "balance leastconn", "b", "balance", "leastconn"},
		{"", "balance static-rr", "b", "balance", ""},
		{"", "source 0.0.0.0 usesrc clientip", "b", "source", "client"},
		{"", "option ssl-hello-chk", "b", "check", "none"},
		{"", "default-server check inter 10 rise 200", "b", "check", "tcp"},
		{"", "default-server check inter 10 rise 200", "b", "check_interval", "100ms"},
		{"", "default-server check inter 10 rise 200", "b", "check_rise", "100"},
		{"", "option ssl-hello-chk\n default-server check", "b", "check", "tls"},
		{"", "option ssl-hello-chk\n no option ssl-hello-chk\n default-server check", "b", "check", "tcp"},
		{"", "default-server check check-ssl", "b", "check", "tls"},
		{"", "default-server send-proxy-v2", "b", "send_proxy", "v2"},
		{"", "default-server weight 7", "b", "server", "10.0.0.2:443 weight=7"},
		{"", "stick on src\n stick-table type ip size 3m expire 90d", "b", "stick_size", "1000000"},
		{"", "stick on src\n stick-table type ip size 3m expire 90d", "b", "stick_expire", "30d"},
		{"", "stick on src\n stick-table type ip size 5", "b", "stick_expire", "30d"},
		{"bind :443 accept-proxy", "", "f", "accept_proxy", "0.0.0.0/0 ::/0"},
		{"bind [::]:443 v4v6", "", "f", "listen", ":443"},
		{"bind [::]:443 v6only", "", "f", "listen", ":443"},
		{"bind 192.0.2.1:8443-8445,[2001:db8::1]:443", "", "f", "listen",
			"0.0.0.0:443 192.0.2.1:8443 192.0.2.1:8444 192.0.2.1:8445 [2001:db8::1]:443"},
		{"tcp-request connection reject if !{ src 10.0.0.0/8 }", "", "f", "allow", "10.0.0.0/8"},
		{"tcp-request connection reject unless { src 10.0.0.0/255.0.0.0 }", "", "f", "allow", "10.0.0.0/8"},
		{"tcp-request session reject if { src 10.0.0.0/8 }", "", "f", "deny", "10.0.0.0/8"},
		{"tcp-request connection reject if { src_conn_cur ge 8 }", "", "main", "max_connections_per_source", "7"},
		{"stick-table type ip size 1 store conn_rate(10s)\n tcp-request connection reject if { src_conn_rate gt 25 }", "",
			"main", "connection_rate_per_source", "3"},
		{"acl a req.ssl_sni a.example\n acl a req.ssl_sni b.example\n use_backend b if a !a or a", "", "to_b", "host",
			"a.example b.example"},
		{"use_backend b if { dst_port 443 } { req_ssl_sni a.example }", "", "to_b", "host", "a.example"},
		{"use_backend b if { req_ssl_sni,field(1,:) -i a.example }", "", "to_b", "host", "a.example"},
	} {
		text := "global\n daemon\ndefaults\n mode tcp\nfrontend f\n bind :443\n " + c.front +
			"\n default_backend b\nbackend b\n " + c.back + "\n server s 10.0.0.2:443\n"
		text = strings.Replace(text, " bind :443\n bind :443", " bind :443", 1)
		file, _, err := Import([]byte(text), nil)
		if err != nil {
			t.Errorf("%q: %v", c.front+c.back, err)
			continue
		}
		got, there := "", false
		for _, s := range file.Sections {
			if s.Name != c.section {
				continue
			}
			there = true
			if o := s.Option(c.option); o != nil {
				for _, v := range o.Values {
					got = strings.TrimPrefix(got+" "+v.Text, " ")
				}
			}
		}
		if !there || got != c.want {
			out, _ := uci.Format(file)
			t.Errorf("%q: option %s of %s is %q, want %q in\n%s", c.front+c.back, c.option, c.section, got, c.want, out)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no section"},
		{"# nothing\n", "no section"},
		{"bind :443\n", "stands in no section"},
		{"frontend\n", "without a name"},
		{"global\n.if defined(X)\n.endif\n", "conditional blocks"},
		{strings.Repeat("\n", MaxSize+1), "at most"},
		{"defaults d0\n" + strings.Repeat("defaults d0 from d0\n", 40), "too many defaults"},
		{"frontend f\n use_backend b if { req.ssl_sni -f large }\n", "too large"},
		{"frontend f\n acl a req.ssl_sni " + strings.Repeat("a ", 300000) + "\n", "too many names"},
		{"frontend f\n bind :443\n" + strings.Repeat(" use_backend b if { req.ssl_sni -m beg x }\n", 12000) +
			" acl a req.ssl_sni " + numbered(12000) + "\n use_backend b if a\nbackend b\n server s 10.0.0.1:1\n",
			"too many to work through"},
	} {
		_, _, err := Import([]byte(c.text), func(name string) ([]byte, error) {
			if name == "large" {
				return make([]byte, MaxSize+1), nil
			}
			return nil, errors.New("not here")
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: got %v, want %q", c.text, err, c.want)
		}
	}
}

// numbered returns n names.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("n" + itoa(int64(i)) + ".example ")
	}
	return b.String()
}

// FuzzImport: whatever the file is, there is no panic, and what is made of it can be written down and reads back.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("testdata/*.cfg")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("frontend f\n bind :1-64,[::]:443 v6only\n use_backend %[req.ssl_sni,map_reg(m)]x%[src]\nlisten f\n"))
	f.Add([]byte("defaults a\ndefaults b from a\nlisten x from b\n bind *:0\n server a [::1]\n use-server a if ! {"))
	f.Add([]byte("listen \x00\n bind :80\n mode http\n redirect scheme https if { path_beg " + challengePath + " }\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, remarks, err := Import(text, func(name string) ([]byte, error) {
			if len(name) > 8 {
				return nil, errors.New("not here")
			}
			return text, nil
		})
		if err != nil {
			return
		}
		out, err := uci.Format(file)
		if err != nil {
			if strings.Contains(err.Error(), "more than") {
				return
			}
			t.Fatal(err)
		}
		if _, err := uci.Parse("sniroute", out); err != nil {
			t.Fatal(err)
		}
		for _, r := range remarks {
			if strings.ContainsFunc(r.Text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("a remark that is not printable: %q", r)
			}
		}
	})
}
