package watch

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// conclude publishes the claims if they differ, and returns after how long it must look again although nothing changed;
// 0: never.
func (c *Cluster) conclude(now time.Time) time.Duration {
	view := c.look(now)
	claims := view.objects.Claims(c.Name)
	next := c.memory.apply(claims, ask{now: now, hold: c.Hold, frozen: !view.contact, naming: view.objects.namings(),
		defaultUnknown: view.defaultUnknown, live: view.live})
	claims = append(claims, c.unreadClaims(view)...)
	if !view.whole && len(claims) == 0 && !c.published.done {
		return view.again // nothing is known yet, and that is no reason to say that there is nothing
	}
	claims, dropped := limitClaims(claims, cmp.Or(c.MaxClaims, defaultMaxClaims))
	objects := c.memory.save(claims, now)
	problems := c.problemsOf(view, dropped)

	c.mu.Lock()
	changed := !c.published.done || !equalClaims(claims, c.published.claims)
	unusual := !sameSaved(objects, c.restored.objects)
	p := publication{claims: claims, done: true, whole: view.whole, objects: view.count, dropped: dropped,
		changed: c.published.changed, problems: sinceBefore(problems, c.published.problems, now)}
	if changed {
		p.changed = now
	}
	c.published = p
	c.mu.Unlock()

	if changed || unusual {
		// What is saved is also what stands for kinds that are no longer read.
		c.restored = &savedSource{claims: claims, objects: objects}
		if c.StateFile != nil {
			c.StateFile.save(c.Name, claims, objects)
		}
	}
	if changed && view.whole {
		c.Logger.Info("claims changed", "source", c.Name, "objects", view.count, "claims", len(claims))
	}
	if changed {
		c.Publish(claims)
	}
	if !next.IsZero() && (view.again == 0 || next.Sub(now) < view.again) {
		return max(next.Sub(now), time.Millisecond)
	}
	return view.again
}

// A view is what the followers know at one moment.
type view struct {
	objects Objects
	count   int
	read    map[string]bool // kinds ("Ingress") whose claims are in objects
	gone    map[string]bool // kinds that nothing is said about any more: MaxStale has passed
	left    []string        // problems of objects that found no room
	whole   bool            // every kind was read, or could not be, or not in time
	contact bool            // no kind that is read has failed
	again   time.Duration   // after which MaxStale passes for a kind; 0: never

	defaultUnknown bool // which IngressClass is the default one is not known
}

func (v *view) live(kind string) bool { return v.read[kind] }

func (c *Cluster) look(now time.Time) *view {
	v := &view{read: make(map[string]bool), gone: make(map[string]bool), whole: true, contact: true}
	for _, f := range c.followers {
		f.mu.Lock()
		failure, asked, last := f.failure, f.asked, f.lastContact
		f.mu.Unlock()
		if failure != nil && c.MaxStale > 0 {
			if last.IsZero() {
				last = c.started
			}
			if left := c.MaxStale - now.Sub(last); left <= 0 {
				v.gone[f.name] = true
				continue
			} else if v.again == 0 || left < v.again {
				v.again = left
			}
		}
		kept, left, read := f.store.collect(&v.objects, f.add)
		v.count += kept
		if read {
			v.read[f.name] = true
		}
		v.whole = v.whole && (read || asked && failure != nil)
		v.contact = v.contact && failure == nil
		if left > 0 {
			v.left = append(v.left, fmt.Sprintf(
				"%d %s found no room: each namespace may have %d MB, all together %d MB", left, f.resource, maxKeptOfNamespace>>20, maxKept>>20))
		}
	}
	if left := firstLook - now.Sub(c.started); !v.whole && !c.published.whole && left > 0 {
		// What is known of one kind decides what another means: wait for all of them.
		return &view{whole: false, again: left}
	}
	v.whole = true
	if v.read["IngressClass"] {
		return v
	}
	name := c.knownDefaultClass()
	if v.defaultUnknown = name == ""; !v.defaultUnknown {
		class := &IngressClass{Metadata: Metadata{Name: name, Annotations: Pairs{annotationDefaultClass: "true"}}}
		v.objects.IngressClasses = append(v.objects.IngressClasses, class)
	}
	return v
}

// knownDefaultClass returns the default IngressClass that the last known claims had, where IngressClasses are not read.
func (c *Cluster) knownDefaultClass() string {
	for _, claim := range c.restored.claims {
		if saved, unusual := c.restored.objects[claim.Object]; unusual && saved.Own == "" && claim.Class != "" {
			return claim.Class
		}
	}
	return ""
}

// unreadClaims returns the last known claims of the kinds that have not been read since the start.
func (c *Cluster) unreadClaims(v *view) []route.Claim {
	var claims []route.Claim
	for _, f := range c.followers {
		if v.read[f.name] || v.gone[f.name] {
			continue
		}
		for _, claim := range c.restored.claims {
			if claim.Object.Kind == f.name {
				claims = append(claims, claim)
			}
		}
	}
	return claims
}

// problemsOf returns what a person should mend, of what the view tells.
func (c *Cluster) problemsOf(v *view, dropped int) (problems []Problem) {
	for _, left := range v.left {
		problems = append(problems, Problem{Place: c.Name, Message: left})
	}
	if dropped > 0 {
		problems = append(problems, Problem{Place: c.Name,
			Message: fmt.Sprintf("there are %d claims too many, which were left out", dropped)})
	}
	for _, o := range c.memory.staleObjects() {
		problems = append(problems, Problem{Place: o.String(),
			Message: "its class has changed, and its status still has the address that the old class's controller wrote: " +
				"it claims nothing until that changes"})
	}
	return problems
}
