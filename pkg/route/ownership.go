package route

// An entry is a host that claims have, or a wildcard.
type entry struct {
	host     string
	owner    owner // of the oldest accepted claim
	oneLabel bool  // of a wildcard: takes exactly one label
	except   []string

	exposed  *candidate   // the owner's oldest exposed claim: it decides addresses, ports and class
	internal *candidate   // the owner's oldest internal one
	merged   []*candidate // what changes nothing
	others   []*candidate // claims of other owners, judged when the entry is complete
}

// A ledger says who owns which host. Claims are entered oldest first, so that none changes what an older one has.
//
// Owners are kept apart below wildcards too, and age decides there as well: a name below another owner's wildcard is
// refused, and so is a wildcard above another owner's name. Otherwise a namespace could take, with a wildcard, all the
// names that another has not yet claimed below its own, or, with a name, a part of another's wildcard.
type ledger struct {
	rules        *rules
	entries      []*entry // oldest first
	hosts        map[string]*entry
	wildcards    map[string]*entry // those of hosts that are wildcards, by base
	perSource    map[string]int
	perNamespace map[owner]int
	underneath   map[string]*underneath // by base of every wildcard that anybody claims
	searches     map[shape]*search
	refuse       func(*candidate, *fault)
}

func newLedger(r *rules, candidates []*candidate, refuse func(*candidate, *fault)) *ledger {
	l := &ledger{
		rules:        r,
		hosts:        make(map[string]*entry, len(candidates)),
		wildcards:    make(map[string]*entry),
		perSource:    make(map[string]int),
		perNamespace: make(map[owner]int),
		underneath:   make(map[string]*underneath),
		searches:     make(map[shape]*search),
		refuse:       refuse,
	}
	for _, c := range candidates {
		if base, wildcard := cutWildcard(c.host); wildcard {
			l.underneath[base] = &underneath{}
		}
	}
	return l
}

// enter judges a claim against all older ones.
func (l *ledger) enter(c *candidate) {
	if c.early != nil {
		l.refuse(c, c.early)
		return
	}
	e := l.hosts[c.host]
	if e == nil {
		if f := l.full(c.owner); f != nil {
			l.refuse(c, f)
			return
		}
	}
	switch {
	case c.late != nil:
		l.refuse(c, c.late)
	case e == nil:
		if f := l.conflict(c); f != nil {
			l.refuse(c, f)
			return
		}
		l.add(c)
	case e.owner != c.owner:
		e.others = append(e.others, c)
	default:
		if f := l.join(e, c); f != nil {
			l.refuse(c, f)
		}
	}
}

// full says which limit one more host of the owner would break. Hosts are counted, not claims: a host that is there
// already costs nothing. Since the oldest come first, a flood of new hosts takes nothing from those that stand.
func (l *ledger) full(o owner) *fault {
	s := l.rules.sources[o.source]
	if n := s.maxHosts(); l.perSource[o.source] >= n {
		return faultf(ReasonLimit, "%s has %d hosts already (option max_hosts)", o.source, n)
	}
	if n := s.maxHostsPerNamespace(); l.perNamespace[o] >= n {
		return faultf(ReasonLimit, "namespace %s has %d hosts already (option max_hosts_per_namespace)", o.namespace, n)
	}
	return nil
}

// add makes c the oldest claim of a new entry.
func (l *ledger) add(c *candidate) {
	e := &entry{host: c.host, owner: c.owner, oneLabel: c.oneLabel, except: c.except}
	*e.lead(c) = c
	l.entries = append(l.entries, e)
	l.hosts[c.host] = e
	if base, wildcard := cutWildcard(c.host); wildcard {
		l.wildcards[base] = e
	}
	l.perSource[c.owner.source]++
	l.perNamespace[c.owner]++
	l.note(e)
}

// lead is the place of the claim that decides for claims like c: exposed or internal ones.
func (e *entry) lead(c *candidate) **candidate {
	if c.exposed {
		return &e.exposed
	}
	return &e.internal
}

// join judges a younger claim of the entry's own owner. The oldest exposed and the oldest internal claim decide, each
// for its kind: two addresses for the WAN would be chosen from at random.
func (l *ledger) join(e *entry, c *candidate) *fault {
	lead := e.lead(c)
	both := e.exposed != nil && e.internal != nil
	if *lead == nil {
		if c.oneLabel != e.oneLabel {
			return &fault{ReasonOwned, "an exposed and an internal wildcard for one host must take equally many labels"}
		}
		*lead = c
		return nil
	}
	if f := changes(*lead, c); f != nil {
		return f
	}
	if e.oneLabel && !c.oneLabel {
		if both {
			return &fault{ReasonOwned, "an exposed and an internal wildcard for one host must take equally many labels"}
		}
		if f := l.conflict(c); f != nil {
			return f
		}
		e.oneLabel = false
	}
	e.merged = append(e.merged, c)
	return nil
}

// changes says what c would change about the route that lead decides. A part of lead's addresses changes nothing.
func changes(lead, c *candidate) *fault {
	who := lead.Object.String()
	if lead.owner.source != c.owner.source {
		who += " of " + lead.owner.source
	}
	if c.https != lead.https {
		return faultf(ReasonOwned, "%s has it, on another port", clip(who, maxObject))
	}
	if a, found := missing(lead.addresses, c.addresses); found {
		return faultf(ReasonOwned, "%s has it, without the address %s", clip(who, maxObject), a)
	}
	return nil
}

// settle judges what other owners claim, now that the entry is complete: what changes nothing is merged.
func (l *ledger) settle(e *entry) {
	for _, c := range e.others {
		lead := *e.lead(c)
		var f *fault
		switch {
		case lead == nil && c.exposed:
			f = faultf(ReasonOwned, "%s has it and does not expose it", e.owner)
		case lead == nil:
			f = faultf(ReasonOwned, "%s has it and exposes it", e.owner)
		case e.oneLabel && !c.oneLabel:
			f = faultf(ReasonOwned, "%s has it for one label only", e.owner)
		default:
			f = changes(lead, c)
		}
		if f != nil {
			l.refuse(c, f)
		} else {
			e.merged = append(e.merged, c)
		}
	}
	e.others = nil
}
