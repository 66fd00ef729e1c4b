package haproxy

import (
	"strconv"
	"strings"
)

// A namer gives the sections of the configuration their names: letters, digits and underscores, each once.
type namer struct {
	taken map[string]bool
	again map[string]int // how often a name was asked for that was taken
}

// newNamer returns one that keeps off what has a meaning of its own.
func newNamer() namer {
	return namer{
		taken: map[string]bool{"default": true, "reject": true, "none": true, "main": true, "dns": true},
		again: make(map[string]int),
	}
}

// name returns a name like the one in haproxy.cfg; kind is added to one that is taken.
func (n namer) name(like, kind string) string {
	const most = 48
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (isDigit(byte(r)) || isLetter(byte(r))) {
			return r
		}
		return '_'
	}, like)
	if len(clean) > most {
		clean = clean[:most]
	}
	if strings.Trim(clean, "_") == "" {
		clean = kind
	}
	name := clean
	for n.taken[name] {
		base := clean + "_" + kind
		n.again[base]++
		name = base
		if i := n.again[base]; i > 1 {
			name += "_" + strconv.Itoa(i)
		}
	}
	n.taken[name] = true
	return name
}
