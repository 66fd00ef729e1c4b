package watch

import (
	"fmt"
	"strings"
	"testing"
)

func testStore() *store { return &store{changed: func() {}, replaced: func() {}} }

func bigIngress(namespace, name string, size int) *Ingress {
	i := new(Ingress)
	i.Metadata.Namespace, i.Metadata.Name = namespace, name
	i.Spec.Rules = []IngressRule{{Host: strings.Repeat("a", size)}}
	return i
}

func keptNames(s *store) (names []string, left int) {
	var objects Objects
	_, left, _ = s.collect(&objects, func(o *Objects, i object) { o.Ingresses = append(o.Ingresses, i.(*Ingress)) })
	for _, i := range sorted(objects.Ingresses, func(i *Ingress) *Metadata { return &i.Metadata }) {
		names = append(names, i.Metadata.Namespace+"/"+i.Metadata.Name)
	}
	return names, left
}

func TestStoreIsBounded(t *testing.T) {
	s := testStore()
	must(t, s.Replace(nil, ""))
	const size = 1 << 20
	for i := range 100 { // one namespace wants everything
		must(t, s.Add(bigIngress("greedy", fmt.Sprintf("x%d", i), size)))
	}
	must(t, s.Add(bigIngress("small", "app", 20)))
	names, left := keptNames(s)
	if len(names) != 4 || names[3] != "small/app" || left != 97 {
		t.Errorf("kept %v, %d found no room", names, left)
	}
	if s.weight > maxKept || s.weights["greedy"] > maxKeptOfNamespace {
		t.Errorf("weights %d, %v", s.weight, s.weights)
	}
	must(t, s.Update(bigIngress("greedy", "x0", 10))) // what shrinks makes room
	must(t, s.Add(bigIngress("greedy", "y", size)))
	must(t, s.Delete(bigIngress("small", "app", 20)))
	if names, _ := keptNames(s); strings.Join(names, " ") != "greedy/x0 greedy/x1 greedy/x2 greedy/y" {
		t.Errorf("kept %v", names)
	}
	for i := range 20 { // many namespaces together
		for j := range 4 {
			must(t, s.Add(bigIngress(fmt.Sprintf("n%d", i), fmt.Sprint(j), size)))
		}
	}
	if s.weight > maxKept {
		t.Errorf("weight %d", s.weight)
	}
	must(t, s.Replace([]any{bigIngress("a", "b", 5)}, ""))
	if names, left := keptNames(s); len(names) != 1 || left != 0 || s.weight != bigIngress("a", "b", 5).weight() || len(s.weights) != 1 {
		t.Errorf("after a new list: %v, %d, weights %d %v", names, left, s.weight, s.weights)
	}
	must(t, s.Delete(bigIngress("a", "b", 5)))
	must(t, s.Delete(bigIngress("a", "b", 5)))
	if s.weight != 0 || len(s.weights) != 0 || len(s.objects) != 0 {
		t.Errorf("something is left: %d %v", s.weight, s.weights)
	}
}

func TestStoreKeepsNoNames(t *testing.T) {
	s := testStore()
	must(t, s.Replace([]any{bigIngress("../a", "x", 1), bigIngress("a", "x\ny", 1), bigIngress("a", "", 1), bigIngress("", "x", 1)}, ""))
	if names, _ := keptNames(s); len(names) != 1 || names[0] != "/x" {
		t.Errorf("kept %q", names)
	}
	if err := s.Add(5); err == nil {
		t.Error("a number was kept")
	}
	if err := s.Delete("x"); err == nil {
		t.Error("a text was deleted")
	}
}
