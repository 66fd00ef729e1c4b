package proxy

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// The access log has a line for each connection that ended. It is written beside the loops, from the records that they
// keep anyway: a log that is slow, or a stranger who makes a thousand connections a second, holds up nobody.

const (
	// accessPause is the least time between two looks at the records. Refusals have the fewer lines of a look, so that
	// whoever provokes them does not hide the others; the log has room for some lines of its own besides.
	accessPause    = time.Second
	accessLines    = 30
	accessRefusals = 10
)

// An accessBatch is what ended since the last look.
type accessBatch struct {
	list    []Connection
	results [results]int
	reasons [reasons]int
}

// logConnections writes the access log until ctx ends, and what is left then.
func (p *Proxy) logConnections(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			defer p.mu.Unlock()
			var batch accessBatch
			for _, l := range p.loops { // they have ended
				l.hand(&batch)
			}
			batch.log(p.shared.logger)
			return
		case <-p.shared.ended:
		}
		var batch accessBatch
		p.mu.Lock()
		p.onLoops(func(_ int, l *loop) { l.hand(&batch) })
		p.mu.Unlock()
		batch.log(p.shared.logger)
		select {
		case <-ctx.Done():
		case <-time.After(accessPause):
		}
	}
}

// follow says whether the access log is told of connections that end from now on.
func (l *loop) follow(yes bool) {
	r := &l.recent
	if yes && !r.following {
		r.told, r.results, r.reasons = r.number, [results]int{}, [reasons]int{}
	}
	r.following = yes
}

// hand adds what the access log was not told of yet.
func (l *loop) hand(batch *accessBatch) {
	r := &l.recent
	if !r.following {
		return
	}
	batch.list = l.since(r.told, batch.list)
	for how, n := range r.results {
		batch.results[how] += n
	}
	for why, n := range r.reasons {
		batch.reasons[why] += n
	}
	r.told, r.results, r.reasons = r.number, [results]int{}, [reasons]int{}
}

// log writes the lines in the order of time, the latest if there are too many, and sums up the rest.
func (b *accessBatch) log(log *slog.Logger) {
	left := make(map[string]int) // of each kind, what has no line
	for how, n := range b.results {
		left[kindOf(result(how), accepted)] += n
	}
	for why, n := range b.reasons {
		left[kindOf(0, reason(why))] += n
	}
	latestFirst(b.list)
	refusals := 0
	var lines []*Connection
	for i := range b.list {
		c := &b.list[i]
		if c.Reason != "" {
			refusals++
		}
		if len(lines) < accessLines && (c.Reason == "" || refusals <= accessRefusals) {
			lines = append(lines, c)
			left[c.kind] -= c.Times
		}
	}
	ctx := context.Background()
	for _, c := range slices.Backward(lines) {
		log.LogAttrs(ctx, slog.LevelInfo, "connection", c.attributes()...)
	}
	var rest []slog.Attr
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		if left[kind] > 0 {
			rest = append(rest, slog.Int(kind, left[kind]))
		}
	}
	if len(rest) > 0 {
		log.LogAttrs(ctx, slog.LevelInfo, "more connections", rest...)
	}
}

// kindOf is what connections without a line of their own are summed up by.
func kindOf(how result, why reason) string {
	switch why {
	case accepted:
		return resultNames[how]
	case redirected:
		return reasonNames[why]
	}
	return "refused_" + reasonNames[why]
}

// attributes are those of the connection's line. What does not apply is left out.
func (c *Connection) attributes() []slog.Attr {
	list := []slog.Attr{slog.String("client", c.Client.String()), slog.String("listener", c.Listener)}
	text := func(key, value string) {
		if value != "" {
			list = append(list, slog.String(key, value))
		}
	}
	text("host", c.Host)
	text("backend", c.Backend)
	if c.Server.IsValid() {
		text("server", c.Server.String())
	}
	text("result", c.Result)
	text("reason", c.Reason)
	text("by", c.By)
	text("error", c.Error)
	if c.Backend != "" {
		list = append(list, slog.Uint64("to_backend", c.ToServer), slog.Uint64("to_client", c.ToClient),
			slog.Int64("hello_ms", c.Hello.Milliseconds()), slog.Int64("connect_ms", c.Connect.Milliseconds()))
	}
	list = append(list, slog.Int64("total_ms", c.Total.Milliseconds()))
	if c.Times > 1 {
		list = append(list, slog.Int("times", c.Times))
	}
	return list
}
