package route

import (
	"slices"
	"strings"
)

// challenges judges the claims of solver objects, oldest first, once all routes are known: they have the lowest
// precedence. cert-manager makes such an object in the namespace of the certificate. One in another namespace than the
// host's could prove a host that is not its own to a certificate authority, so the rules of ownership hold here too.
func (l *ledger) challenges(solvers []*candidate) []Challenge {
	places := make(map[string]int)
	var list []Challenge
	var leads []*candidate
	for _, c := range solvers {
		place, seen := places[c.host]
		f := c.early
		if f == nil && !seen && l.hosts[c.host] == nil {
			f = l.full(c.owner)
		}
		if f == nil {
			f = c.late
		}
		if f == nil {
			f = l.mayProve(c)
		}
		if f == nil && seen {
			f = leads[place].otherChallenge(c)
		}
		switch {
		case f != nil:
			l.refuse(c, f)
		case seen:
			list[place].Merged = append(list[place].Merged, clip(c.Object.String(), maxObject))
		default:
			if l.hosts[c.host] == nil {
				l.perSource[c.owner.source]++
				l.perNamespace[c.owner]++
			}
			places[c.host] = len(list)
			leads = append(leads, c)
			list = append(list, Challenge{
				Host:    c.host,
				Servers: endpoints(c.addresses, c.http),
				Exposed: c.exposed,
				Source:  c.owner.source,
				Object:  clip(c.Object.String(), maxObject),
			})
		}
	}
	slices.SortFunc(list, func(a, b Challenge) int { return strings.Compare(a.Host, b.Host) })
	for i := range list {
		slices.Sort(list[i].Merged)
		list[i].Merged = slices.Compact(list[i].Merged)
	}
	return list
}

// mayProve says why c may not answer challenges for its host: another owner has it, at another address.
func (l *ledger) mayProve(c *candidate) *fault {
	e := l.hosts[c.host]
	if e == nil {
		return l.conflict(c)
	}
	if e.owner == c.owner {
		return nil
	}
	for _, lead := range []*candidate{e.exposed, e.internal} {
		if lead == nil {
			continue
		}
		if _, found := missing(lead.addresses, c.addresses); !found {
			return nil
		}
	}
	return faultf(ReasonOwned, "%s has it, at another address", e.owner)
}

// otherChallenge says what c would change about the challenge that lead decides.
func (lead *candidate) otherChallenge(c *candidate) *fault {
	_, found := missing(lead.addresses, c.addresses)
	if found || c.http != lead.http || c.exposed && !lead.exposed {
		return faultf(ReasonOwned, "challenges for it go to %s", clip(lead.Object.String(), maxObject))
	}
	return nil
}
