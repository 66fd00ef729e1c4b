package watch

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// A memory remembers which addresses the objects of a source had, for two rules:
//
//   - hold: an object that lost its addresses keeps the last ones for a while, because ingress controllers empty every
//     status when they stop. It ends as soon as the address is given to something else: an object that has not had it
//     before and that is not served together with the one that is held (another kind, another class, another Service).
//   - stale class: an object whose class changes while its addresses stay has no addresses at all until they change,
//     because they are still those that the old class's controller wrote, or until it has the old class again. It is
//     all the same whether the object names another class or the default IngressClass is another.
//
// An object that is deleted is forgotten at once.
type memory struct {
	turn    uint64 // counts calls of apply
	objects map[route.Object]*remembered
}

type remembered struct {
	created   time.Time
	own       string     // class that the object itself names
	class     knownClass // that it has: its own or the default one
	writer    knownClass // while stale: the class that it had when it got the addresses
	addresses []netip.Addr
	since     uint64    // turn in which the object got the addresses
	lost      time.Time // when it lost them, monotonic; zero: it has them
	lostTurn  uint64
	stale     bool // the addresses are those of an earlier class
	seen      uint64
}

// A knownClass is a class, or that it is not known: the default one of IngressClasses that were never read.
type knownClass struct {
	name  string
	known bool
}

// An ask is what memory.apply needs to know besides the claims.
type ask struct {
	now            time.Time
	hold           time.Duration
	frozen         bool                      // there is no contact with the cluster: nothing that is held ends
	naming         func(route.Object) naming // what the object itself says about its class
	defaultUnknown bool                      // the default class is not known
	live           func(kind string) bool    // objects of this kind that have no claims are gone
}

// apply changes the addresses of the claims as the rules say, and returns when it must be called again although nothing
// changed; zero: never. Claims of one object must stand together.
func (m *memory) apply(claims []route.Claim, q ask) (next time.Time) {
	m.turn++
	if m.objects == nil {
		m.objects = make(map[route.Object]*remembered)
	}
	groups := slices.Collect(byObject(claims))
	for _, group := range groups {
		m.observe(&group[0], q)
	}
	for o, r := range m.objects {
		if r.seen != m.turn && q.live(o.Kind) {
			delete(m.objects, o)
		}
	}
	holders := m.holders(groups)
	for _, group := range groups {
		r := m.objects[group[0].Object]
		switch {
		case r.stale:
			for i := range group {
				group[i].Addresses, group[i].StatusHostname = nil, ""
			}
		case !r.lost.IsZero():
			end := r.lost.Add(q.hold)
			if taken(holders, r, &group[0]) || !q.frozen && !q.now.Before(end) {
				r.addresses, r.lost = nil, time.Time{}
				continue
			}
			for i := range group {
				group[i].Addresses = r.addresses
			}
			if !q.frozen && (next.IsZero() || end.Before(next)) {
				next = end
			}
		}
	}
	return next
}

// observe compares an object with what is remembered of it.
func (m *memory) observe(claim *route.Claim, q ask) {
	addresses, naming := claim.Addresses, q.naming(claim.Object)
	class := knownClass{claim.Class, true}
	if naming.takesDefault && q.defaultUnknown {
		class = knownClass{}
	}
	r := m.objects[claim.Object]
	if r == nil || !r.created.Equal(claim.Created) { // or another object of that name
		r = &remembered{created: claim.Created, own: naming.own, class: class, addresses: addresses, since: m.turn}
		m.objects[claim.Object] = r
	}
	before := r.class
	changed := r.reclass(naming.own, class)
	r.seen = m.turn
	have := len(addresses) > 0 || claim.StatusHostname != ""
	same := sameAddresses(addresses, r.addresses)
	switch {
	case changed:
		if !r.stale {
			r.writer = before
		}
		r.stale = len(addresses) > 0 && same && !(class.known && class == r.writer)
		r.lost = time.Time{}
	case r.stale && !same:
		r.stale = false
	case !r.stale && !have && len(r.addresses) > 0:
		if r.lost.IsZero() {
			r.lost, r.lostTurn = q.now, m.turn
		}
		return
	case !r.stale:
		r.lost = time.Time{}
	}
	if !same {
		r.addresses, r.since = addresses, m.turn
	}
}

// reclass takes over what is known now of the object's class, and reports whether that is another one. As long as one
// of the two is not known, that shows in what the object itself names.
func (r *remembered) reclass(own string, class knownClass) (changed bool) {
	changed = own != r.own
	if class.known && r.class.known {
		changed = class != r.class
	}
	if class.known || changed {
		r.class = class
	}
	r.own = own
	return changed
}

// A holder is an object that has an address now.
type holder struct {
	object route.Object
	class  string
	since  uint64
}

func (m *memory) holders(groups [][]route.Claim) map[netip.Addr][]holder {
	holders := make(map[netip.Addr][]holder)
	held := false
	for _, r := range m.objects {
		held = held || !r.lost.IsZero()
	}
	if !held {
		return nil // as nearly always
	}
	for _, group := range groups {
		claim := &group[0]
		r := m.objects[claim.Object]
		if r.stale || !r.lost.IsZero() {
			continue
		}
		for _, a := range claim.Addresses {
			holders[a] = append(holders[a], holder{claim.Object, claim.Class, r.since})
		}
	}
	return holders
}

// taken reports whether an address of the held object was given to something else after the object lost it. Ingresses
// of one class share their controller's address: one that has it is no sign that the others lost it.
func taken(holders map[netip.Addr][]holder, r *remembered, claim *route.Claim) bool {
	for _, a := range r.addresses {
		for _, h := range holders[a] {
			together := h.object.Kind == claim.Object.Kind && h.object.Kind != "Service" && h.class == claim.Class
			if h.since >= r.lostTurn && !together {
				return true
			}
		}
	}
	return false
}

// staleObjects returns the objects whose addresses are not believed, sorted.
func (m *memory) staleObjects() []route.Object {
	var stale []route.Object
	for o, r := range m.objects {
		if r.stale {
			stale = append(stale, o)
		}
	}
	slices.SortFunc(stale, func(a, b route.Object) int { return strings.Compare(a.String(), b.String()) })
	return stale
}

// byObject yields the claims of one object after the other.
func byObject(claims []route.Claim) func(yield func([]route.Claim) bool) {
	return func(yield func([]route.Claim) bool) {
		for start := 0; start < len(claims); {
			end := start + 1
			for end < len(claims) && claims[end].Object == claims[start].Object {
				end++
			}
			if !yield(claims[start:end:end]) {
				return
			}
			start = end
		}
	}
}

// sameAddresses reports whether two lists hold the same addresses, in whatever order.
func sameAddresses(a, b []netip.Addr) bool {
	if slices.Equal(a, b) {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// A savedObject is what the state file keeps of the memory besides the claims.
type savedObject struct {
	Own          string        // class that the object itself names
	ClassUnknown bool          // the class that it has is not known
	Held         time.Duration // how long it has been without addresses; zero: it has them
	Stale        []netip.Addr  // its addresses, where they are not believed; its claims have none
	Writer       knownClass    // the class that it had when it got those
	heldKnown    bool
}

// save returns what claims, as apply left them, do not say by themselves.
func (m *memory) save(claims []route.Claim, now time.Time) map[route.Object]savedObject {
	saved := make(map[route.Object]savedObject)
	for group := range byObject(claims) {
		r := m.objects[group[0].Object]
		if r == nil {
			continue
		}
		s := savedObject{Own: r.own, ClassUnknown: !r.class.known}
		if r.stale {
			s.Stale, s.Writer = r.addresses, r.writer
		}
		if !r.lost.IsZero() {
			s.Held, s.heldKnown = max(now.Sub(r.lost), 0), true
		}
		if s.Own != group[0].Class || s.ClassUnknown || s.Stale != nil || s.heldKnown {
			saved[group[0].Object] = s
		}
	}
	return saved
}

// sameSaved reports whether two memories say the same. How long something has been held is not compared.
func sameSaved(a, b map[route.Object]savedObject) bool {
	return maps.EqualFunc(a, b, func(x, y savedObject) bool {
		return x.Own == y.Own && x.ClassUnknown == y.ClassUnknown && x.heldKnown == y.heldKnown &&
			slices.Equal(x.Stale, y.Stale) && x.Writer == y.Writer
	})
}

// restoreMemory makes a memory of what was saved, as if the claims had been seen just now.
func restoreMemory(claims []route.Claim, saved map[route.Object]savedObject, now time.Time) *memory {
	m := &memory{objects: make(map[route.Object]*remembered)}
	for group := range byObject(claims) {
		claim := &group[0]
		r := &remembered{created: claim.Created, own: claim.Class, class: knownClass{claim.Class, true},
			addresses: claim.Addresses}
		if s, unusual := saved[claim.Object]; unusual {
			r.own = s.Own
			if s.ClassUnknown {
				r.class = knownClass{}
			}
			if s.Stale != nil {
				r.stale, r.addresses, r.writer = true, s.Stale, s.Writer
			}
			if s.heldKnown {
				r.lost, r.lostTurn = now.Add(-s.Held), 1 // who has its address now had it before
			}
		}
		m.objects[claim.Object] = r
	}
	return m
}
