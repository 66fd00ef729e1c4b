package route

import (
	"bytes"
	"slices"
	"sort"
	"strings"
)

// Lookup returns the route that takes name on the listener, or nil where nothing claims it. name is a host name in any
// case, with or without a trailing dot; alpn is the protocol that the hello offers if it offers exactly one, nil
// otherwise. The most specific route wins, exposed or not: the caller must look at Exposed. A route that is exposed, but
// not on this listener, is passed over. What is not spelled like a host name has no route. It does not allocate.
func (t *Table) Lookup(listener string, name, alpn []byte) *Route {
	var buffer [maxName]byte
	host := buffer[:lower(&buffer, name)]
	if len(host) == 0 {
		return nil
	}
	if s, ok := t.index.exact[string(host)]; ok {
		if r := t.pick(s, listener, alpn, host, 0); r != nil {
			return r
		}
	}
	if len(t.index.wild) == 0 {
		return nil
	}
	rest := host
	for labels := 1; ; labels++ { // labels that a wildcard would stand for
		dot := bytes.IndexByte(rest, '.')
		if dot < 0 {
			return nil
		}
		rest = rest[dot+1:]
		if !t.index.lengths[len(rest)] {
			continue
		}
		if s, ok := t.index.wild[string(rest)]; ok {
			if r := t.pick(s, listener, alpn, host, labels); r != nil {
				return r
			}
		}
	}
}

// lower writes name to buffer in lower case without one trailing dot, and returns its length; 0 if it is no host name.
func lower(buffer *[maxName]byte, name []byte) int {
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	if len(name) > len(buffer) {
		return 0
	}
	last := byte('.')
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '.' && last != '.':
		default:
			return 0
		}
		buffer[i] = c
		last = c
	}
	if last == '.' {
		return 0
	}
	return len(name)
}

// pick returns the route of the span that takes host: that of the hello's only protocol, else the one for any. labels
// is how many labels a wildcard stands for, 0 for an exact name.
func (t *Table) pick(s span, listener string, alpn, host []byte, labels int) *Route {
	var plain *Route
	for i := s.first; i < s.end; i++ {
		r := &t.Routes[i]
		if r.ALPN != "" && r.ALPN != string(alpn) || !r.serves(listener) || labels > 0 && !t.reaches(r, host, labels) {
			continue
		}
		if r.ALPN != "" {
			return r
		}
		if plain == nil {
			plain = r
		}
	}
	return plain
}

// serves reports whether the route is there on the listener. One that is not exposed refuses on all.
func (r *Route) serves(listener string) bool {
	return !r.Exposed || r.Listeners == nil || slices.Contains(r.Listeners, listener)
}

// reaches reports whether a wildcard takes host, which lies labels below its base. What a static route says holds for
// every name; a claim's takes neither reserved names nor those in domains that others hold.
func (t *Table) reaches(r *Route, host []byte, labels int) bool {
	if r.OneLabel && labels > 1 {
		return false
	}
	if r.static {
		return true
	}
	for _, domain := range r.except {
		if n := len(host) - len(domain); n == 0 && string(host) == domain ||
			n > 0 && host[n-1] == '.' && string(host[n:]) == domain {
			return false
		}
	}
	return !t.names.reserved(host)
}

// Default returns the index of the listener's default backend, or NoBackend.
func (t *Table) Default(listener string) int {
	if i, ok := t.defaults[listener]; ok {
		return i
	}
	return NoBackend
}

// Named returns the index of the backend with that name, or NoBackend.
func (t *Table) Named(backend string) int {
	i, found := sort.Find(len(t.Backends), func(i int) int { return strings.Compare(backend, t.Backends[i].Name) })
	if !found {
		return NoBackend
	}
	return i
}

// Records returns what the LAN's DNS is told, sorted by name. The slice is the Table's own.
func (t *Table) Records() []Record { return t.records }

// Challenge returns where HTTP-01 challenges for the host go, or nil where no solver stands. name is as for Lookup.
func (t *Table) Challenge(name []byte) *Challenge {
	var buffer [maxName]byte
	host := buffer[:lower(&buffer, name)]
	i, found := sort.Find(len(t.Challenges), func(i int) int { return bytes.Compare(host, []byte(t.Challenges[i].Host)) })
	if !found {
		return nil
	}
	return &t.Challenges[i]
}
