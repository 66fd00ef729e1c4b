package backend

import (
	"slices"
	"time"
)

// Durations counts how long checks took, in buckets.
type Durations struct {
	Bounds []float64 // upper bounds in seconds
	Counts []uint64  // not cumulative; one longer than Bounds
	Sum    float64   // seconds
}

func newDurations() Durations {
	bounds := []float64{.001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return Durations{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (d *Durations) observe(took time.Duration) {
	seconds := took.Seconds()
	i, _ := slices.BinarySearch(d.Bounds, seconds)
	d.Counts[i]++
	d.Sum += seconds
}

// Durations returns how long checks took so far.
func (s *Set) Durations() Durations {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Durations{Bounds: s.durations.Bounds, Counts: slices.Clone(s.durations.Counts), Sum: s.durations.Sum}
}
