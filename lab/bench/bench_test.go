package main

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/sniroute/sniroute/lab/bench/load"
	"github.com/sniroute/sniroute/pkg/config"
)

// render writes a configuration of testdata and returns its folder and file.
func render(t *testing.T, name string, w world) (dir, file string) {
	t.Helper()
	w.Dir = t.TempDir()
	w.Listen, w.Status = netip.MustParseAddrPort("127.0.0.1:8444"), netip.MustParseAddrPort("127.0.0.1:9444")
	w.Backend, w.Default = netip.MustParseAddrPort(backendAddress), netip.MustParseAddrPort(defaultAddress)
	text, err := template.ParseFS(templates, "testdata/"+name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := text.Execute(&b, w); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(w.Dir, name)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.writeNames(); err != nil {
		t.Fatal(err)
	}
	return w.Dir, file
}

func TestConfigurations(t *testing.T) {
	more := []string{"host000000.example.com", "host000001.example.com"}
	for _, w := range []world{{}, {MoreNames: more}, {Splice: true}} {
		for _, name := range []string{"haproxy-blog.cfg", "haproxy-lean.cfg"} {
			_, file := render(t, name, w)
			if out, err := exec.Command("haproxy", "-c", "-f", file).CombinedOutput(); err != nil {
				t.Errorf("%s, %v: %v\n%s", name, w, err, out)
			}
		}
		dir, _ := render(t, "sniroute", w)
		c, _, err := config.Load(dir)
		if err == nil {
			err = c.Loops(netip.Addr.IsLoopback)
		}
		if err != nil {
			t.Errorf("sniroute, %v: %v", w, err)
		}
	}
}

func TestTable(t *testing.T) {
	cpu := figure{name: "CPU", unit: "us", value: perOperation}
	memory := figure{name: "memory", unit: "bytes", absolute: true, value: func(s sample) float64 {
		return float64(s.memory)
	}}
	b := &bench{
		proxies:  []proxy{{name: "one"}, {name: "two"}},
		measures: []measure{{name: "m", figures: []figure{cpu, memory}}},
	}
	take := func(micros, bytes int) sample {
		return sample{Result: load.Result{Operations: 10}, cpu: time.Duration(micros) * 10 * time.Microsecond,
			memory: int64(bytes)}
	}
	all := results{"m": {
		"one": {take(100, 3000), take(200, 3001), take(110, 3002)},
		"two": {take(80, 200), take(180, 300), take(55, 400)},
	}}
	got := b.table(all)
	want := `|  | one | two |
|---|---|---|
| CPU | 110 us | 0.80 (0.50 to 0.90) |
| memory | 3001 bytes | 300 bytes |
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// The page holds the table, and what it was made with.
func TestPage(t *testing.T) {
	all, err := proxies([]string{"sniroute=/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{rounds: 7, proxies: all}
	path := filepath.Join(t.TempDir(), "page.md")
	if err := b.writePage(path, "1s", "| CPU |\n"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n| CPU |\n", "7 rounds of 1s", "HAProxy version 2.", "nginx version: nginx/", "sniproxy 0.", runtime.Version()} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n := strings.Count(string(text), "HAProxy version"); n != 1 {
		t.Errorf("HAProxy's version stands there %d times", n)
	}
}

// The figures of a process are those of its children, too.
func TestProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "(i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; read x); true")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	core, _, err := cores()
	if err != nil {
		t.Fatal(err)
	}
	if err := startOn(core, cmd); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := stdout.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	p := process(cmd.Process.Pid)
	family, err := p.family()
	if err != nil || len(family) != 2 {
		t.Fatalf("%d processes, %v; want the shell and its child", len(family), err)
	}
	sum, err := p.cpu()
	if err != nil {
		t.Fatal(err)
	}
	child, err := family[1].cpu()
	if err != nil || child <= 0 || sum < child {
		t.Errorf("the child ran for %v, both for %v, %v", child, sum, err)
	}
	if n, err := p.memory(); err != nil || n < 4096 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := p.descriptors(); err != nil || n < 6 {
		t.Errorf("%d descriptors, %v", n, err)
	}
}
