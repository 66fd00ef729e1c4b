// Package logging writes the daemon's log: to syslog on OpenWrt, where procd would file everything that comes over
// stderr as an error, and to stderr elsewhere.
//
//	log, err := logging.Open(logging.Options{To: logging.Auto, Level: level, Stderr: os.Stderr})
//	defer log.Close()
//	slog.New(log).Info("listening", "port", 8443)
//
// A Log is a slog.Handler that never waits long and never floods: at most Rate lines a second are written, some of
// which are kept for warnings and errors, and what was left out is summed up in a line of its own. Lines are key=value
// as slog.TextHandler writes them, which quotes whatever could break a line. The last ones stay in memory (Recent).
package logging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Where a log goes.
const (
	Auto   = "auto"   // syslog on OpenWrt, unless a person looks at stderr; else stderr
	Syslog = "syslog" // datagrams to Socket
	Stderr = "stderr"
)

const (
	// Rate is how many lines are written in a second.
	Rate = 50

	reserve  = 10  // of them, kept for warnings and errors
	longest  = 960 // bytes of a line: with what comes before it, what OpenWrt's logd keeps (1024)
	counted  = 8   // different messages that are counted by themselves when they are left out
	interval = time.Second
)

// Options say where a log goes and what of it.
type Options struct {
	To     string       // Auto, Syslog or Stderr
	Level  slog.Leveler // this and what is graver
	Stderr io.Writer
	Socket string // of syslog; empty: /dev/log
}

// A Log is an open log. Its methods may be called from any goroutine.
type Log struct {
	inner  slog.Handler // writes lines to out
	out    *output
	isRoot bool // it owns out; those with attributes of their own do not
}

// Open opens a log. Where syslog does not answer, lines go to stderr until it does.
func Open(o Options) (*Log, error) {
	out := &output{stderr: o.Stderr, left: Rate, now: time.Now}
	switch o.To {
	case Auto:
		if onOpenWrt() && !isTerminal(o.Stderr) {
			out.syslog = newSocket(o.Socket)
		}
	case Syslog:
		out.syslog = newSocket(o.Socket)
	case Stderr:
	default:
		return nil, fmt.Errorf("there is no place %q for the log: %s, %s or %s", o.To, Auto, Syslog, Stderr)
	}
	out.stamped = out.syslog == nil
	options := &slog.HandlerOptions{Level: o.Level, ReplaceAttr: withoutTimeAndLevel} // syslog has them itself
	return &Log{inner: slog.NewTextHandler(out, options), out: out, isRoot: true}, nil
}

func withoutTimeAndLevel(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// onOpenWrt says whether this is OpenWrt, whose syslog files are worth having.
func onOpenWrt() bool {
	_, err := os.Stat("/etc/openwrt_release")
	return err == nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Name() != "null"
}

// To says where the log goes: Syslog or Stderr.
func (l *Log) To() string {
	if l.out.syslog != nil {
		return Syslog
	}
	return Stderr
}

// Close writes what is left to say and ends the log. Later lines go to stderr.
func (l *Log) Close() error {
	if !l.isRoot {
		return nil
	}
	return l.out.close()
}

// Enabled is part of slog.Handler.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool { return l.inner.Enabled(ctx, level) }

// WithAttrs is part of slog.Handler.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Log{inner: l.inner.WithAttrs(attrs), out: l.out}
}

// WithGroup is part of slog.Handler.
func (l *Log) WithGroup(name string) slog.Handler {
	return &Log{inner: l.inner.WithGroup(name), out: l.out}
}

// Handle is part of slog.Handler. A line that there is no room for is counted instead.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	if !l.out.admit(r.Level, r.Message) {
		return nil
	}
	l.out.level, l.out.time = r.Level, r.Time
	return l.inner.Handle(ctx, r)
}

// An output takes the lines of a log and all that was made of it.
type output struct {
	stderr  io.Writer
	stamped bool // lines on stderr begin with time and level
	now     func() time.Time

	mu     sync.Mutex // protects what follows
	syslog *socket    // nil: lines go to stderr
	level  slog.Level // of the line that is written now
	time   time.Time  // of that line
	ends   time.Time  // of the current interval
	left   int        // lines that may still be written in it
	missed missed
	recent recent
	timer  *time.Timer // sums up what was missed, if anything was
}

// admit says whether there is room for a line, and counts it if not. The caller holds mu.
func (o *output) admit(level slog.Level, message string) bool {
	if now := o.now(); !now.Before(o.ends) {
		o.sumUp()
		o.ends, o.left = now.Add(interval), Rate
	}
	if o.left > reserve || o.left > 0 && level >= slog.LevelWarn {
		o.left--
		return true
	}
	o.missed.add(message)
	if o.timer == nil {
		o.timer = time.AfterFunc(o.ends.Sub(o.now()), func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.sumUp()
		})
	}
	return false
}

// sumUp says what was left out since the last time. The caller holds mu.
func (o *output) sumUp() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if o.missed.total == 0 {
		return
	}
	text := o.missed.String()
	o.missed = missed{}
	o.level, o.time = slog.LevelWarn, o.now()
	_, _ = o.Write([]byte(text + "\n"))
}

// Write takes one line from the TextHandler. The caller holds mu.
func (o *output) Write(line []byte) (int, error) {
	n := len(line)
	if n > longest {
		line = append(line[:longest-4:longest-4], "...\n"...)
	}
	o.recent.add(Line{o.time, o.level, string(bytes.TrimSuffix(line, []byte("\n")))})
	if o.syslog != nil && o.syslog.send(severity(o.level), line, o.now()) {
		return n, nil
	}
	if o.stderr == nil {
		return n, nil
	}
	if o.stamped {
		line = append(o.stamp(), line...)
	}
	if _, err := o.stderr.Write(line); err != nil {
		return 0, err
	}
	return n, nil
}

// stamp is what slog.TextHandler begins a line with. The caller holds mu.
func (o *output) stamp() []byte {
	var b []byte
	if !o.time.IsZero() {
		b = append(o.time.AppendFormat(append(b, "time="...), "2006-01-02T15:04:05.000Z07:00"), ' ')
	}
	return append(b, "level="+o.level.String()+" "...)
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sumUp()
	if o.syslog == nil {
		return nil
	}
	err := o.syslog.close()
	o.syslog = nil
	return err
}
