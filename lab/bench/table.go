package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table makes a Markdown table: a line for each figure; the first proxy's medians, and for the others the medians of
// their ratios to the first in the same round. The range is that of the middle half of the rounds.
func (b *bench) table(all results) string {
	var text strings.Builder
	row := func(cells []string) {
		fmt.Fprintf(&text, "| %s |\n", strings.Join(cells, " | "))
	}
	header, rule := []string{""}, []string{"---"}
	for _, p := range b.proxies {
		header, rule = append(header, p.name), append(rule, "---")
	}
	row(header)
	fmt.Fprintf(&text, "|%s|\n", strings.Join(rule, "|"))
	for _, m := range b.measures {
		for _, f := range m.figures {
			cells := []string{f.name}
			base := values(all[m.name][b.proxies[0].name], f)
			for n, p := range b.proxies {
				own := values(all[m.name][p.name], f)
				if n == 0 || f.absolute {
					cells = append(cells, strings.TrimSpace(number(median(own))+" "+f.unit))
					continue
				}
				ratios := make([]float64, len(own))
				for round := range own {
					ratios[round] = own[round] / base[round]
				}
				slices.Sort(ratios)
				low, high := ratios[len(ratios)/4], ratios[len(ratios)-1-len(ratios)/4]
				cells = append(cells, fmt.Sprintf("%.2f (%.2f to %.2f)", median(ratios), low, high))
			}
			row(cells)
		}
	}
	return text.String()
}

func values(samples []sample, f figure) []float64 {
	v := make([]float64, len(samples))
	for i, s := range samples {
		v[i] = f.value(s)
	}
	return v
}

// median returns the middle value, of an even number the mean of the middle two.
func median[T cmp.Ordered](values []T) (m T) {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// number rounds to three digits or to whole ones.
func number(v float64) string {
	if v >= 100 || v == float64(int64(v)) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
