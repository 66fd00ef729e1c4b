package main

import (
	"encoding/json"

	"github.com/sniroute/sniroute/pkg/status"
	"github.com/sniroute/sniroute/pkg/ubus"
)

// mostStatus is how many bytes of JSON a status on the bus may have. As a message it takes up to twice that, and the bus
// forwards 1 MiB.
const mostStatus = 400 << 10

// statusOnBus is a report as a message. Where there is too much for one, histograms and the ends of lists are left out,
// and left_out says how many entries that are.
func statusOnBus(r status.Report) (ubus.Table, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	left := 0
	if len(text) > mostStatus {
		left = shorten(&r)
		if text, err = json.Marshal(r); err != nil {
			return nil, err
		}
	}
	table, err := ubus.ParseJSON(text)
	return append(table, ubus.Field{Name: "left_out", Value: left}), err
}

// shorten makes a report fit and returns how many entries it leaves out. Every list has its share; what the others leave
// is for the backends.
func shorten(r *status.Report) (left int) {
	none := status.Histogram{Bounds: []float64{}, Counts: []uint64{}}
	r.Traffic.Peek, r.Traffic.Check = none, none
	for i := range r.Traffic.Backends {
		r.Traffic.Backends[i].Connect = none
	}
	r.Config.Error, r.DNS.Error = clipped(r.Config.Error, 4096), clipped(r.DNS.Error, 4096)
	budget := mostStatus - 16<<10 // for what is no list
	share := func(use func(share *int)) {
		n := 48 << 10
		budget -= n
		use(&n)
		budget += n
	}
	share(func(n *int) { r.Listeners = fitting(n, &left, r.Listeners) })
	share(func(n *int) { r.Traffic.Listeners = fitting(n, &left, r.Traffic.Listeners) })
	share(func(n *int) {
		r.Waiting = fitting(n, &left, r.Waiting)
		r.Warnings, r.DNS.Warnings = fitting(n, &left, r.Warnings), fitting(n, &left, r.DNS.Warnings)
		r.Config.Warnings = fitting(n, &left, r.Config.Warnings)
	})
	share(func(n *int) {
		for i := range r.Sources {
			s := &r.Sources[i]
			texts := 8 << 10
			s.Errors, s.Warnings = fitting(&texts, &left, s.Errors), fitting(&texts, &left, s.Warnings)
		}
		r.Sources = fitting(n, &left, r.Sources)
	})
	share(func(n *int) { r.Problems = fitting(n, &left, r.Problems) })
	share(func(n *int) { r.Recent = fitting(n, &left, r.Recent) })
	r.Traffic.Backends = fitting(&budget, &left, r.Traffic.Backends)
	return left
}

// fitting returns the entries of a list that fit into the budget, in bytes of JSON, and counts the others.
func fitting[T any](budget, left *int, list []T) []T {
	for i, v := range list {
		text, err := json.Marshal(v)
		if *budget -= len(text) + 1; err != nil || *budget < 0 {
			*budget = 0
			*left += len(list) - i
			return list[:i]
		}
	}
	return list
}
