package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/haproxy"
	"github.com/sniroute/sniroute/pkg/uci"
)

// TestImportHAProxy: what is made of each haproxy.cfg in pkg/haproxy/testdata is a configuration that is accepted, and
// what it cannot express is said on stderr with file and line.
func TestImportHAProxy(t *testing.T) {
	files, err := filepath.Glob("../../pkg/haproxy/testdata/*.cfg")
	if err != nil || len(files) < 15 {
		t.Fatalf("only %d files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			in := invocation{args: []string{"import-haproxy", file}, stdout: &stdout, stderr: &stderr}
			if code := execute(context.Background(), in); code != exitOK {
				t.Fatalf("exit %d\n%s", code, &stderr)
			}
			base := strings.TrimSuffix(file, ".cfg")
			if want := read(t, base+".uci"); stdout.String() != want {
				t.Errorf("stdout: got\n%swant\n%s", &stdout, want)
			}
			want := strings.ReplaceAll("\n"+read(t, base+".remarks"), "\nline ", "\n"+file+":")[1:]
			if stderr.String() != want {
				t.Errorf("stderr: got\n%swant\n%s", &stderr, want)
			}
			c, _, err := config.Parse("sniroute", stdout.Bytes())
			if err != nil {
				t.Fatalf("%v\n%s", err, &stdout)
			}
			if len(c.Listeners) == 0 {
				t.Errorf("there is no listener in\n%s", &stdout)
			}
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestImportHAProxyFrom: stdin, files beside the file, and what is none.
func TestImportHAProxyFrom(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	const text = "frontend f\n bind :443\n use_backend b if { req.ssl_sni -f names }\nbackend b\n server s 10.0.0.1:443\n"
	file := write("haproxy.cfg", text)
	write("names", "a.example.com\n")
	large := write("large.cfg", strings.Repeat("#\n", haproxy.MaxSize))
	for _, c := range []struct {
		arg, stdin string
		code       int
		want       string
	}{
		{file, "", exitOK, "list host 'a.example.com'"},
		{"-", text, exitOK, "'names', which cannot be read"},
		{"-", "global\n daemon\n", exitOK, "config sniroute 'main'"},
		{"-", "nonsense\n", exitFailed, "haproxy.cfg: line 1: 'nonsense' stands in no section"},
		{"-", strings.Repeat("#\n", haproxy.MaxSize), exitFailed, "at most 1048576 are read"},
		{large, "", exitFailed, "at most 1048576 are read"},
		{filepath.Join(dir, "none"), "", exitFailed, "no such file"},
	} {
		var out bytes.Buffer
		in := invocation{args: []string{"import-haproxy", c.arg}, stdin: strings.NewReader(c.stdin)}
		in.stdout, in.stderr = &out, &out
		if code := execute(context.Background(), in); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: got %d and\n%s\nwant %d and %q", c.arg, code, &out, c.code, c.want)
		}
	}
}

// TestImportHAProxyMixtures changes pairs of those files by lines of others and by odd ones: what is made of it is
// accepted as a configuration, whatever it is.
func TestImportHAProxyMixtures(t *testing.T) {
	files, err := filepath.Glob("../../pkg/haproxy/testdata/*.cfg")
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		"bind 127.0.0.1:1936", "bind :::443", "bind [::]:443 v6only", "bind *:1-20", "bind 10.0.0.1:443", "bind :70000",
		"server a 127.0.0.1:443", "server b [::1]:8443 weight 0", "server b 10.0.0.1 backup", "server s 224.0.0.1:1",
		"server a 10.0.0.2:+1 weight 999 send-proxy", "use-server a if { src 10.0.0.0/8 }", "disabled", "mode http",
		"acl lan src 0.0.0.0/0", "use_backend none if lan", "tcp-request connection reject unless lan", "timeout client 0",
		"use_backend %[req.ssl_sni]", "use_backend default if { req.ssl_sni -m reg . }", "redirect scheme https",
		"http-request deny if { src ::/0 }", "http-request use-service prometheus-exporter", "stats enable",
		"default_backend k8s",
		"acl www req.ssl_sni -m end com.", "acl www req.ssl_sni .x", "use_backend k8s if { req.ssl_sni 1.2.3.4 x.0x1f a..b }",
		"acl www hdr(host) -i WWW.Example.com:443", "tcp-request content reject if { req.ssl_alpn h2 }", "balance source",
		"use_backend web if { req.ssl_alpn \"\\x01 x\" } { req.ssl_sni a.b }", "maxconn 1", "maxconn 99999999",
		"frontend default", "frontend main", "backend dns", "backend reject", "listen none", "listen k8s",
		"defaults", "global",
	}
	var texts [][]string
	for _, file := range files {
		text := strings.Split(read(t, file), "\n")
		texts = append(texts, text)
		lines = append(lines, text...)
	}
	random := rand.New(rand.NewPCG(3, 4))
	listeners, routes := 0, 0
	for range 3000 {
		mixed := slices.Concat(texts[random.IntN(len(texts))], texts[random.IntN(len(texts))])
		for range 1 + random.IntN(12) {
			at := random.IntN(len(mixed))
			if random.IntN(4) == 0 {
				mixed = slices.Delete(mixed, at, at+1)
			} else {
				mixed = slices.Insert(mixed, at, lines[random.IntN(len(lines))])
			}
		}
		text := "global\n" + strings.Join(mixed, "\n")
		file, _, err := haproxy.Import([]byte(text), os.ReadFile)
		if err != nil {
			if strings.Contains(err.Error(), "without a name") {
				continue
			}
			t.Fatalf("%v\n%s", err, text)
		}
		out, err := uci.Format(file)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		c, _, err := config.Parse("sniroute", out)
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, text, out)
		}
		listeners += len(c.Listeners)
		routes += len(c.Routes)
	}
	if listeners < 1000 || routes < 1000 {
		t.Errorf("only %d listeners and %d routes were made: too little was tested", listeners, routes)
	}
}

// FuzzImportHAProxy: whatever the file is, what is made of it is accepted as a configuration.
func FuzzImportHAProxy(f *testing.F) {
	files, err := filepath.Glob("../../pkg/haproxy/testdata/*.cfg")
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
	f.Fuzz(func(t *testing.T, text []byte) {
		file, _, err := haproxy.Import(text, func(name string) ([]byte, error) {
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
			return // too large
		}
		if _, _, err := config.Parse("sniroute", out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
