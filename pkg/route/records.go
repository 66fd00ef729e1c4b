package route

import "slices"

// makeRecords decides what the LAN's DNS answers, one record a name. The router's own records beat claims, and what a
// static route says beats both; a static route that says nothing leaves its name to the DNS upstream. A route whose
// answer is another's loses its DNS addresses, so that Route.DNS says what is answered.
func makeRecords(t *Table) []Record {
	records := make([]Record, 0, len(t.Routes))
	var silent []string // names where no wildcard may answer
	for _, set := range []map[string]bool{t.names.own, t.names.api, t.names.local} {
		for name := range set {
			silent = append(silent, name)
		}
	}
	claimed := make(map[string]int) // the base of a claim's wildcard to its place in records
	for first, end := range hosts(t.Routes) {
		r := t.answering(t.Routes[first:end])
		if r == nil {
			silent = append(silent, stripWildcard(t.Routes[first].Host))
			continue
		}
		record := Record{Name: r.Host, Addresses: r.DNS, OneLabel: r.OneLabel}
		if base, wildcard := cutWildcard(r.Host); wildcard && !r.static {
			claimed[base] = len(records)
			for _, label := range neverBelow() {
				silent = append(silent, label+"."+base)
			}
			record.Except = slices.Clone(r.except)
		}
		records = append(records, record)
	}
	if len(claimed) == 0 {
		return records
	}
	for _, name := range silent {
		for up, ok := parent(name); ok; up, ok = parent(up) {
			if i, found := claimed[up]; found {
				records[i].Except = append(records[i].Except, name)
			}
		}
	}
	for _, i := range claimed {
		slices.Sort(records[i].Except)
		records[i].Except = slices.Compact(records[i].Except)
	}
	return records
}

// answering returns the one of a host's routes whose DNS addresses are answered, nil if none are. There is at most one
// claim, and it comes first.
func (t *Table) answering(routes []Route) *Route {
	var answer *Route
	for i := range routes {
		r := &routes[i]
		switch {
		case len(r.DNS) == 0:
		case !r.static && t.names.local[r.Host]:
			r.DNS, r.dnsWhy = nil, "the router's own DNS records hold the name"
		case answer == nil:
			answer = r
		case answer.static:
			r.DNS, r.dnsWhy = nil, "route "+answer.Source+" answers"
		default:
			answer.DNS, answer.dnsWhy = nil, "route "+r.Source+" answers"
			answer = r
		}
	}
	return answer
}
