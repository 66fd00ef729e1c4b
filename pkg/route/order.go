package route

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// older orders candidates by age: what was created first has the better right. Objects without a time come after all
// that have one, and among equals namespace, name, source and kind decide. The rest of the comparison only makes the
// order total, so that no result depends on the order in which claims came: what compares equal is equal.
func older(a, b *candidate) int {
	if n := compareTime(a.Created, b.Created); n != 0 {
		return n
	}
	if n := strings.Compare(a.Object.Namespace, b.Object.Namespace); n != 0 {
		return n
	}
	if n := strings.Compare(a.Object.Name, b.Object.Name); n != 0 {
		return n
	}
	if n := strings.Compare(a.Source, b.Source); n != 0 {
		return n
	}
	if n := strings.Compare(a.Object.Kind, b.Object.Kind); n != 0 {
		return n
	}
	if n := strings.Compare(a.host, b.host); n != 0 {
		return n
	}
	return compareClaims(a.Claim, b.Claim)
}

func compareTime(a, b time.Time) int {
	if a.IsZero() || b.IsZero() {
		return compareBool(a.IsZero(), b.IsZero())
	}
	return a.Compare(b)
}

func compareClaims(a, b *Claim) int {
	return cmp.Or(
		strings.Compare(a.Host, b.Host),
		strings.Compare(a.Class, b.Class),
		strings.Compare(a.Gateway, b.Gateway),
		slices.CompareFunc(a.Addresses, b.Addresses, netip.Addr.Compare),
		cmp.Compare(a.HTTPSPort, b.HTTPSPort),
		cmp.Compare(a.HTTPPort, b.HTTPPort),
		compareBool(a.Ports != nil, b.Ports != nil),
		slices.Compare(a.Ports, b.Ports),
		compareBool(a.OneLabel, b.OneLabel),
		compareBool(a.Solver, b.Solver),
		strings.Compare(a.StatusHostname, b.StatusHostname),
		strings.Compare(a.NotAccepted, b.NotAccepted),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
