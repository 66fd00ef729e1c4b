package haproxy

import (
	"errors"
	"strings"
)

// A lookup is a file of a map converter: keys, and what they stand for.
type lookup struct {
	method  method
	equal   map[string]string // of isEqual
	entries []entry           // of the others, in the order in which they count
	odd     []string          // of equal, those that no route can have
}

// An entry is one line of a file whose keys are no plain strings.
type entry struct {
	key   pattern
	value string
}

// newLookup reads the file of a map converter.
func (im *importer) newLookup(c call) (*lookup, error) {
	m, ok := c.mapMethod()
	if !ok {
		return nil, errors.New("the converter " + shown(c.name))
	}
	lines, err := im.lines(c.arg(0))
	if err != nil {
		return nil, err
	}
	l := &lookup{method: m, equal: make(map[string]string)}
	im.count(len(lines))
	for _, line := range lines {
		key, value, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		value = strings.TrimSpace(value)
		if m == isEqual {
			key = lower(key)
			if _, again := l.equal[key]; !again {
				l.equal[key] = value
				if !isHost(key) {
					l.odd = append(l.odd, key)
				}
			}
			continue
		}
		if m == matches {
			im.count(100)
		}
		p, err := newPattern(m, key)
		if err != nil {
			return nil, err
		}
		l.entries = append(l.entries, entry{p, value})
	}
	return l, nil
}

// lookup finds what a value stands for. The converter's second argument is for what the file does not have.
func (l *lookup) lookup(v value, c call) value {
	missing := value{kind: absent}
	if len(c.args) > 1 {
		missing = value{kind: aText, text: c.arg(1)}
	}
	result := func(s string) value { return value{kind: aText, text: s} }
	switch {
	case v.kind == absent:
		return v
	case v.kind == unknown:
		return v
	case v.kind == aText && l.method == isEqual:
		if s, ok := l.equal[v.text]; ok {
			return result(s)
		}
		return missing
	case v.kind == someNames && l.method == isEqual:
		for _, key := range l.odd {
			if (pattern{method: isEqual, text: key}).onNames(v.names) == maybe {
				return unknownValue("what the map says of " + shown(key))
			}
		}
		return missing
	case v.kind != aText && v.kind != someNames:
		return unknownValue("a map of something that is no text")
	}
	var best *entry
	for i := range l.entries {
		e := &l.entries[i]
		if v.kind == someNames {
			switch e.key.onNames(v.names) {
			case maybe:
				return unknownValue(e.key.others())
			case yes:
				return result(e.value)
			}
			continue
		}
		if !e.key.onText(v.text) {
			continue
		}
		// The longest beginning counts, the first of any other kind.
		if l.method != begins {
			return result(e.value)
		}
		if best == nil || len(e.key.text) > len(best.key.text) {
			best = e
		}
	}
	if best != nil {
		return result(best.value)
	}
	return missing
}

// mapKey tells files and ways to compare apart.
func mapKey(c call) string { return c.name + " " + c.arg(0) }

// classes returns the hosts for which the keys need populations of their own.
func (l *lookup) classes() []string {
	var hosts []string
	for key := range l.equal {
		hosts = append(hosts, pattern{method: isEqual, text: key}.classes()...)
	}
	for _, e := range l.entries {
		hosts = append(hosts, e.key.classes()...)
	}
	return hosts
}
