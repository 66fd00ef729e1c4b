package logging

import (
	"log/slog"
	"slices"
	"time"
)

// Bounds of the lines that are kept in memory.
const (
	// Kept is how many there are at most.
	Kept = 500

	keptBytes = 128 << 10 // of their texts
)

// A Line is one line of the log.
type Line struct {
	Time  time.Time
	Level slog.Level
	Text  string // key=value, as syslog has it: printable, on one line and at most so long as Log writes it
}

// recent are the last lines, the oldest first.
type recent struct {
	lines []Line
	bytes int
}

func (r *recent) add(l Line) {
	r.lines = append(r.lines, l)
	r.bytes += len(l.Text)
	drop := 0
	for len(r.lines)-drop > Kept || r.bytes > keptBytes {
		r.bytes -= len(r.lines[drop].Text)
		drop++
	}
	r.lines = slices.Delete(r.lines, 0, drop)
}

// Recent returns the last lines that were written, the oldest first.
func (l *Log) Recent() []Line {
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	return slices.Clone(l.out.recent.lines)
}
