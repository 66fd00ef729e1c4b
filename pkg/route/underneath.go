package route

import "strings"

// underneath remembers, for the base of a wildcard, the oldest entry below it and the oldest of another owner: enough to
// tell any owner whether somebody else has a name there.
type underneath struct {
	any     pair // entries at any depth
	oneName pair // names, not wildcards, exactly one label below
}

type pair struct{ first, second *entry }

func (p *pair) add(e *entry) {
	switch {
	case p.first == nil:
		p.first = e
	case p.second == nil && p.first.owner != e.owner:
		p.second = e
	}
}

// not returns the oldest entry that is not the owner's.
func (p *pair) not(o owner) *entry {
	if p.first != nil && p.first.owner != o {
		return p.first
	}
	return p.second
}

// note enters e at all wildcards above it.
func (l *ledger) note(e *entry) {
	if len(l.underneath) == 0 {
		return
	}
	base, wildcard := cutWildcard(e.host)
	name := !wildcard
	for up, ok := parent(base); ok; up, ok = parent(up) {
		if u := l.underneath[up]; u != nil {
			u.any.add(e)
			if name {
				u.oneName.add(e)
			}
		}
		name = false // one label below the first only
	}
}

// conflict returns why c cannot have its host beside what others have: another owner's wildcard above, or, if it is a
// wildcard itself, another owner's name below.
func (l *ledger) conflict(c *candidate) *fault {
	if len(l.underneath) == 0 {
		return nil
	}
	base, wildcard := cutWildcard(c.host)
	for up, ok := parent(base); ok; up, ok = parent(up) {
		if e := l.wildcards[up]; e != nil && e.owner != c.owner && e.takes(c.host) {
			return faultf(ReasonOwned, "it lies below %s, which %s has", e.host, e.owner)
		}
	}
	if !wildcard {
		return nil
	}
	if e := l.foreign(c, base); e != nil {
		return faultf(ReasonOwned, "%s lies below it, which %s has", e.host, e.owner)
	}
	return nil
}

// takes reports whether the entry, a wildcard, takes the host, or a part of it if that is a wildcard.
func (e *entry) takes(host string) bool { return takes(e.host, e.oneLabel, e.except, host) }

func takes(wildcard string, oneLabel bool, except []string, host string) bool {
	base := stripWildcard(wildcard)
	name, isWildcard := cutWildcard(host)
	switch {
	case atOrBelowAny(name, except):
		return false
	case isWildcard:
		return !oneLabel && below(name, base)
	case oneLabel:
		return oneLabelBelow(name, base)
	}
	return below(name, base)
}

// foreign returns the oldest entry of another owner that the wildcard c would take.
func (l *ledger) foreign(c *candidate, base string) *entry {
	u := l.underneath[base]
	p := &u.any
	if c.oneLabel {
		p = &u.oneName
	}
	e := p.not(c.owner)
	if e == nil || c.takes(e.host) {
		return e
	}
	// The oldest one lies where c takes nothing. That needs a domain bound to a namespace below base, so it is rare
	// enough to look at every entry: once for all claims that would take the same.
	shape := shape{c.host, c.oneLabel, strings.Join(c.except, " ")}
	s := l.searches[shape]
	if s == nil {
		s = &search{}
		l.searches[shape] = s
	}
	for ; s.second == nil && s.seen < len(l.entries); s.seen++ {
		if e := l.entries[s.seen]; c.takes(e.host) {
			s.add(e)
		}
	}
	return s.not(c.owner)
}

// A shape is which names a wildcard takes.
type shape struct {
	host     string
	oneLabel bool
	except   string
}

// A search is for the entries that wildcards of one shape would take.
type search struct {
	pair
	seen int // of the ledger's entries
}

func (c *candidate) takes(host string) bool { return takes(c.host, c.oneLabel, c.except, host) }
