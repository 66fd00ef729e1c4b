package haproxy

import (
	"slices"
	"strings"
	"time"
)

// limits takes in a rule that rejects clients with too many connections, and reports whether it is one. sniroute has
// limits for each client on all listeners.
func (im *importer) limits(p *proxy, r *rule) bool {
	if r.condition == nil || r.condition.unless || len(r.condition.terms) == 0 {
		return false
	}
	var found []*test
	for _, term := range r.condition.terms {
		i := slices.IndexFunc(term, func(f factor) bool { return !f.not && len(f.tests) == 1 && f.tests[0].counts() != "" })
		if i < 0 {
			return false
		}
		found = append(found, term[i].tests[0])
		if len(term) > 1 {
			p.remark(r.line, "%s: the limit holds for all clients: its other conditions are left out", r.text)
		}
	}
	for _, t := range found {
		im.limit(p, r, t)
	}
	return true
}

// counts returns what the test counts of a client: "cur" for its connections, "rate" for new ones; otherwise nothing.
func (t *test) counts() string {
	name, ok := strings.CutPrefix(t.what.name, "src_")
	if !ok {
		if name, ok = strings.CutPrefix(t.what.name, "sc"); !ok {
			return ""
		}
		name = strings.TrimPrefix(strings.TrimLeft(name, "012"), "_")
	}
	switch name {
	case "conn_cur":
		return "cur"
	case "conn_rate", "sess_rate":
		return "rate"
	}
	return ""
}

// limit sets the option that a test of a client's connections amounts to.
func (im *importer) limit(p *proxy, r *rule, t *test) {
	kind := t.counts()
	most := int64(-1)
	if len(t.ranges) == 1 && t.ranges[0].most > 1<<30 && t.ranges[0].least > 0 {
		most = t.ranges[0].least - 1
	}
	var period time.Duration
	if kind == "rate" {
		period = im.period(p, t)
	}
	if most < 0 || kind == "rate" && period == 0 {
		p.remark(r.line, "%s: left out: max_connections_per_source and connection_rate_per_source are the limits for a "+
			"client", r.text)
		return
	}
	if kind == "cur" {
		im.perSource = smallest(im.perSource, max(most, 1))
		return
	}
	seconds := max(int64(period.Seconds()), 1)
	im.ratePerSource = smallest(im.ratePerSource, max((most+seconds-1)/seconds, 1))
	p.remark(r.line, "%s: connection_rate_per_source lets bursts of ten times the rate pass", r.text)
}

func smallest(old, n int64) int64 {
	if old == 0 {
		return min(n, 1000*1000)
	}
	return min(old, n)
}

// period returns the time over which the test's rate is counted: that of the stick table that it asks.
func (im *importer) period(p *proxy, t *test) time.Duration {
	table := p.name
	statements := p.all()
	im.work(len(statements))
	for _, st := range statements {
		if i := slices.Index(st.words, "table"); i > 0 && strings.HasPrefix(st.word(2), "track-sc") {
			table = st.word(i + 1)
		}
	}
	for _, a := range t.what.args {
		if _, err := parseInt(a); err != nil && a != "" {
			table = a
		}
	}
	im.work(len(im.sections))
	for _, s := range im.sections {
		if s.name != table || s.kind != "frontend" && s.kind != "backend" && s.kind != "listen" {
			continue
		}
		im.work(len(s.statements))
		for _, st := range s.statements {
			if st.words[0] != "stick-table" {
				continue
			}
			for _, word := range st.words {
				for stored := range strings.SplitSeq(word, ",") {
					c, _ := parseCall(stored)
					if c.name == "conn_rate" && strings.HasSuffix(t.what.name, c.name) ||
						c.name == "sess_rate" && strings.HasSuffix(t.what.name, c.name) {
						d, err := parseTime(c.arg(0))
						if err == nil {
							return d
						}
					}
				}
			}
		}
	}
	return 0
}
