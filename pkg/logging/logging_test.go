package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"time"
)

// syslogd listens for datagrams as syslog does.
func syslogd(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// stderr is a file that takes what is written to stderr.
func stderr(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func text(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func open(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon := syslogd(t, path)
	level := new(slog.LevelVar)
	f := stderr(t)
	handler := open(t, Options{To: Syslog, Level: level, Stderr: f, Socket: path})
	log := slog.New(handler)
	log.Debug("not seen")
	level.Set(slog.LevelDebug)
	stamp := `[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d sniroute\[\d+\]: `
	for _, c := range []struct {
		log  func()
		want string
	}{
		{func() { log.Debug("a", "n", 1) }, `^<31>` + stamp + `msg=a n=1$`},
		{func() { log.Info("two words") }, `^<30>` + stamp + `msg="two words"$`},
		{func() { log.With("x", "y").Warn("c") }, `^<28>` + stamp + `msg=c x=y$`},
		{func() { log.WithGroup("g").Error("d", "time", 3) }, `^<27>` + stamp + `msg=d g.time=3$`},
		{func() { log.Info("e", "name", "a\nb\x00<3>") }, `^<30>` + stamp + `msg=e name="a\\nb\\x00<3>"$`},
		{func() { log.Info(strings.Repeat("x", 3000)) }, `^<30>` + stamp + `msg=x{900}x+\.\.\.$`},
	} {
		c.log()
		if got := receive(t, daemon); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("got %q, want %s", got, c.want)
		}
	}
	if got := text(t, f); got != "" {
		t.Errorf("stderr gets %q", got)
	}
	if handler.To() != Syslog {
		t.Errorf("the log goes to %s", handler.To())
	}
}

// TestSyslogAway: without syslog lines go to stderr; when it is back, to it.
func TestSyslogAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon := syslogd(t, path)
	f := stderr(t)
	handler := open(t, Options{To: Syslog, Level: slog.LevelInfo, Stderr: f, Socket: path})
	now := time.Now()
	handler.out.now = func() time.Time { return now }
	log := slog.New(handler)
	log.Info("one")
	receive(t, daemon)
	daemon.Close()
	os.Remove(path)
	log.Info("two")
	daemon = syslogd(t, path)
	log.Info("three") // it is tried again only after a second
	now = now.Add(deafness)
	log.Info("four")
	if got := receive(t, daemon); !strings.HasSuffix(got, "msg=four") {
		t.Errorf("syslog gets %q", got)
	}
	if got := text(t, f); got != "msg=two\nmsg=three\n" {
		t.Errorf("stderr gets %q", got)
	}
}

// TestSyslogStuck: a syslog that reads nothing costs a bounded time.
func TestSyslogStuck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	syslogd(t, path)
	f := stderr(t)
	log := slog.New(open(t, Options{To: Syslog, Level: slog.LevelInfo, Stderr: f, Socket: path}))
	for i := range 3 * Rate { // more than the kernel keeps
		log.Info("line", "n", i)
	}
	if got := text(t, f); !strings.Contains(got, "msg=line") {
		t.Errorf("stderr gets %q", got)
	}
}

func TestStderr(t *testing.T) {
	f := stderr(t)
	log := slog.New(open(t, Options{To: Stderr, Level: slog.LevelInfo, Stderr: f}))
	log.Warn("a", "n", 1)
	if got := text(t, f); !regexp.MustCompile(`^time=\S+ level=WARN msg=a n=1\n$`).MatchString(got) {
		t.Errorf("stderr gets %q", got)
	}
	if auto := open(t, Options{To: Auto, Level: slog.LevelInfo, Stderr: f}); onOpenWrt() != (auto.To() == Syslog) {
		t.Errorf("auto is %s", auto.To())
	}
	if _, err := Open(Options{To: "elsewhere"}); err == nil {
		t.Error("any place is taken")
	}
}

// TestRate: of a flood Rate lines a second are written, the graver ones to the last, and the rest is summed up.
func TestRate(t *testing.T) {
	f := stderr(t)
	handler := open(t, Options{To: Stderr, Level: slog.LevelInfo, Stderr: f})
	now := time.Unix(1000, 0)
	handler.out.now = func() time.Time { return now }
	log := slog.New(handler)
	for i := range 100 {
		log.Info("flood", "n", i)
	}
	for range 20 {
		log.Error("grave")
	}
	for i := range 20 {
		log.Info(fmt.Sprint("message ", i))
	}
	got := text(t, f)
	if n, g := strings.Count(got, "msg=flood"), strings.Count(got, "msg=grave"); n != Rate-reserve || g != reserve {
		t.Errorf("%d lines of the flood and %d grave ones are written", n, g)
	}
	now = now.Add(interval)
	log.Info("after")
	got = text(t, f)[len(got):]
	want := `^time=\S+ level=WARN msg="too many log lines" left_out=90 60="flood" 10="grave" 1="message 0" 1="message 1" others=18\n` +
		`time=\S+ level=INFO msg=after\n$`
	if !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("then comes\n%s", got)
	}
}

// TestSummaryComesByItself: a flood that ends is summed up although no line follows; Close does not wait for that.
func TestSummaryComesByItself(t *testing.T) {
	f := stderr(t)
	handler, err := Open(Options{To: Stderr, Level: slog.LevelInfo, Stderr: f})
	if err != nil {
		t.Fatal(err)
	}
	start, passed := time.Now(), atomic.Int64{} // a flood takes no time, however slow the machine is
	handler.out.now = func() time.Time { return start.Add(time.Duration(passed.Load())) }
	log := slog.New(handler)
	flood := func() {
		for range Rate + 10 {
			log.Info("flood")
		}
	}
	flood()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(text(t, f), "left_out=") {
			break
		}
	}
	if got := text(t, f); !strings.Contains(got, `left_out=20 20="flood"`) {
		t.Errorf("got\n%s", got)
	}
	passed.Add(int64(interval))
	flood()
	if err := handler.Close(); err != nil {
		t.Error(err)
	}
	if got := text(t, f); strings.Count(got, "left_out=") != 2 {
		t.Errorf("after Close there is\n%s", got)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon := syslogd(t, path)
	go io.Copy(io.Discard, daemon)
	log := slog.New(open(t, Options{To: Syslog, Level: slog.LevelInfo, Stderr: stderr(t), Socket: path}))
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for n := range 100 {
				log.With("writer", i).Info("line", "n", n)
			}
		})
	}
	writers.Wait()
}

// TestHandler holds Log against the rules for slog's handlers.
func TestHandler(t *testing.T) {
	var f *os.File
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		f = stderr(t)
		return open(t, Options{To: Stderr, Level: slog.LevelInfo, Stderr: f})
	}, func(t *testing.T) map[string]any { return parse(t, text(t, f)) })
	if !open(t, Options{To: Stderr, Level: slog.LevelWarn, Stderr: f}).Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the level itself is not enabled")
	}
}

// parse reads a line of key=value, with groups as maps.
func parse(t *testing.T, line string) map[string]any {
	top := map[string]any{}
	for word := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(word, "=")
		group := top
		parts := strings.Split(key, ".")
		for _, name := range parts[:len(parts)-1] {
			next, ok := group[name].(map[string]any)
			if !ok {
				next = map[string]any{}
				group[name] = next
			}
			group = next
		}
		group[parts[len(parts)-1]] = value
	}
	return top
}

// TestRecent: the last lines are kept as syslog has them, within bounds of number and size.
func TestRecent(t *testing.T) {
	handler := open(t, Options{To: Stderr, Level: slog.LevelInfo, Stderr: io.Discard})
	now := time.Unix(1000, 0)
	handler.out.now = func() time.Time { return now }
	log := slog.New(handler)
	log.Debug("not seen")
	log.With("name", "a\nb\x00<i>").Warn("one")
	if got := handler.Recent(); len(got) != 1 || got[0].Level != slog.LevelWarn || time.Since(got[0].Time) > time.Hour ||
		got[0].Text != `msg=one name="a\nb\x00<i>"` {
		t.Errorf("kept: %+v", got)
	}
	for i := range Kept + 10 {
		now = now.Add(interval)
		log.Info("line", "n", i)
	}
	got := handler.Recent()
	if len(got) != Kept || got[0].Text != "msg=line n=10" || got[Kept-1].Text != fmt.Sprint("msg=line n=", Kept+9) {
		t.Errorf("%d lines are kept, from %+v on", len(got), got[0])
	}
	for range Kept {
		now = now.Add(interval)
		log.Info(strings.Repeat("x", 3000))
	}
	size := 0
	for _, l := range handler.Recent() {
		size += len(l.Text)
	}
	if size > keptBytes || size < keptBytes-longest || size != handler.out.recent.bytes {
		t.Errorf("%d bytes are kept, counted as %d", size, handler.out.recent.bytes)
	}
	if got[0].Text != "msg=line n=10" {
		t.Error("a list that was handed out has changed")
	}
}
