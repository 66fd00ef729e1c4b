package route

import "iter"

// An index finds the routes of a host. The zero value has none.
type index struct {
	exact   map[string]span
	wild    map[string]span // by base, without "*."
	lengths [maxName + 1]bool
}

// A span is a run of Table.Routes: those of one host.
type span struct{ first, end int32 }

func makeIndex(routes []Route) index {
	x := index{exact: make(map[string]span, len(routes)), wild: make(map[string]span)}
	for first, end := range hosts(routes) {
		s := span{int32(first), int32(end)}
		if base, wildcard := cutWildcard(routes[first].Host); wildcard {
			x.wild[base] = s
			x.lengths[len(base)] = true
		} else {
			x.exact[routes[first].Host] = s
		}
	}
	return x
}

// of returns the routes of a host.
func (x *index) of(routes []Route, host string) []Route {
	s := x.exact[host]
	if base, wildcard := cutWildcard(host); wildcard {
		s = x.wild[base]
	}
	return routes[s.first:s.end]
}

// hosts yields the bounds of each run of routes with the same host.
func hosts(routes []Route) iter.Seq2[int, int] {
	return func(yield func(first, end int) bool) {
		for first := 0; first < len(routes); {
			end := first + 1
			for end < len(routes) && routes[end].Host == routes[first].Host {
				end++
			}
			if !yield(first, end) {
				return
			}
			first = end
		}
	}
}
