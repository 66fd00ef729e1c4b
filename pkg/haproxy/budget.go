package haproxy

import (
	"fmt"
	"strings"
)

// A budget bounds what one file may cost. Whoever goes over it panics with overBudget, which Import turns into an
// error.
type budget struct {
	steps    int // comparisons
	patterns int // strings to compare with
	bytes    int // of other files
}

type overBudget string

func newBudget() budget {
	return budget{steps: 16 << 20, patterns: 200 << 10, bytes: 4 << 20}
}

// workAll pays for n steps, so many times.
func (b *budget) workAll(n, times int) {
	if times > 0 && n > b.steps/times {
		panic(overBudget("its rules and names are too many to work through together"))
	}
	b.work(n * times)
}

// work pays for n steps.
func (b *budget) work(n int) {
	if b.steps -= n; b.steps < 0 || n < 0 {
		panic(overBudget("its rules and names are too many to work through together"))
	}
}

// count pays for n patterns.
func (b *budget) count(n int) {
	if b.patterns -= n; b.patterns < 0 {
		panic(overBudget("it has too many names and networks"))
	}
}

// lines returns the lines of a file that the configuration names, without comments and empty ones
// (pat_ref_read_from_file in pattern.c).
func (im *importer) lines(name string) ([]string, error) {
	if lines, ok := im.files[name]; ok {
		return lines, nil
	}
	if im.readFile == nil {
		return nil, fmt.Errorf("the file %s, which is not here", shown(name))
	}
	data, err := im.readFile(name)
	if err != nil {
		return nil, fmt.Errorf("the file %s, which cannot be read", shown(name))
	}
	if im.bytes -= len(data); im.bytes < 0 || len(data) > MaxSize {
		panic(overBudget("the files that it names are too large"))
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	im.files[name] = lines
	return lines, nil
}
