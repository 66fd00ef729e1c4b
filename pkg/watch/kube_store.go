package watch

import (
	"fmt"
	"sync"
)

// A store holds the objects of one kind as the API server told them last. It implements cache.ReflectorStore. What it
// keeps is bounded: see maxKept.
type store struct {
	changed  func() // called after a change, without mu
	replaced func() // called, without mu, when a whole list was read

	mu      sync.Mutex
	objects map[string]object // by "NAMESPACE/NAME"; never changed once they are in
	weights map[string]int    // of each namespace
	weight  int               // of all
	left    int               // objects that found no room since the last list
	read    bool              // a whole list was read since the start
}

// Add implements cache.ReflectorStore.
func (s *store) Add(obj any) error {
	o, ok := obj.(object)
	if !ok {
		return fmt.Errorf("%T is no object of a cluster", obj)
	}
	s.mu.Lock()
	s.put(o)
	s.mu.Unlock()
	s.changed()
	return nil
}

// Update implements cache.ReflectorStore.
func (s *store) Update(obj any) error { return s.Add(obj) }

// Delete implements cache.ReflectorStore.
func (s *store) Delete(obj any) error {
	o, ok := obj.(object)
	if !ok {
		return fmt.Errorf("%T is no object of a cluster", obj)
	}
	s.mu.Lock()
	s.drop(keyOf(o))
	s.mu.Unlock()
	s.changed()
	return nil
}

// Replace implements cache.ReflectorStore.
func (s *store) Replace(list []any, _ string) error {
	s.mu.Lock()
	s.objects, s.weights = make(map[string]object), make(map[string]int)
	s.weight, s.left, s.read = 0, 0, true
	for _, obj := range list {
		if o, ok := obj.(object); ok {
			s.put(o)
		}
	}
	s.mu.Unlock()
	s.replaced()
	s.changed()
	return nil
}

// Resync implements cache.ReflectorStore. There is nothing to do: what is kept is what was told.
func (s *store) Resync() error { return nil }

// put keeps an object in place of the one of its name. The caller holds mu.
func (s *store) put(o object) {
	m := o.metadata()
	key := keyOf(o)
	s.drop(key)
	if idle(o) || !validName(m.Name) || m.Namespace != "" && !validName(m.Namespace) {
		return
	}
	weight := o.weight()
	if s.weight+weight > maxKept || s.weights[m.Namespace]+weight > maxKeptOfNamespace {
		s.left++
		return
	}
	s.objects[key] = o
	s.weight += weight
	s.weights[m.Namespace] += weight
}

// drop forgets an object. The caller holds mu.
func (s *store) drop(key string) {
	o := s.objects[key]
	if o == nil {
		return
	}
	namespace := o.metadata().Namespace
	s.weight -= o.weight()
	if s.weights[namespace] -= o.weight(); s.weights[namespace] == 0 {
		delete(s.weights, namespace)
	}
	delete(s.objects, key)
}

// collect adds all objects to those of other kinds. It returns how many there are and how many found no room, and
// whether the list is whole.
func (s *store) collect(objects *Objects, add func(*Objects, object)) (kept, left int, read bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		add(objects, o)
	}
	return len(s.objects), s.left, s.read
}

func keyOf(o object) string {
	m := o.metadata()
	return m.Namespace + "/" + m.Name
}
