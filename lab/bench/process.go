package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pin binds a thread to one core; thread 0 is the calling one.
func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("bind a thread to core %d: %w", core, err)
	}
	return nil
}

// pinAll binds every thread of this program, and so those that it will start, to one core.
func pinAll(core int) error {
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		thread, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		if err := pin(thread, core); err != nil {
			return err
		}
	}
	return nil
}

// cores returns two cores that this program may use, the same one twice if there is only one.
func cores() (first, second int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("ask for the cores: %w", err)
	}
	var found []int
	for core := range 1024 {
		if set.IsSet(core) {
			found = append(found, core)
		}
	}
	return found[0], found[len(found)-1], nil
}

// A process is the id of a proxy's process. Its children belong to it.
type process int

// family returns the process and all that descend from it.
func (p process) family() ([]process, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := make(map[process][]process)
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended
		}
		// proc(5): pid (comm) state ppid ...; comm may hold spaces and parentheses.
		_, rest, _ := strings.Cut(string(b), ") ")
		if at := strings.LastIndex(string(b), ") "); at >= 0 {
			rest = string(b)[at+2:]
		}
		fields := strings.Fields(rest)
		pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
		if len(fields) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[process(parent)] = append(children[process(parent)], process(pid))
	}
	all := []process{p}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// cpu returns how long the threads of the process and its children have run: the first number of schedstat, in
// nanoseconds (Documentation/scheduler/sched-stats.rst).
func (p process) cpu() (time.Duration, error) {
	var sum time.Duration
	err := p.each("task/*/schedstat", func(b []byte) error {
		first, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
		return err
	})
	return sum, err
}

// memory returns the bytes that belong to the process and its children alone, those that are shared divided up.
func (p process) memory() (int64, error) {
	var sum int64
	err := p.each("smaps_rollup", func(b []byte) error {
		for line := range strings.Lines(string(b)) {
			if value, found := strings.CutPrefix(line, "Pss:"); found {
				n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
				sum += n << 10
				return err
			}
		}
		return fmt.Errorf("smaps_rollup without Pss")
	})
	return sum, err
}

// descriptors returns how many the process and its children hold.
func (p process) descriptors() (int, error) {
	family, err := p.family()
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, member := range family {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", member))
		if err != nil {
			return 0, err
		}
		sum += len(entries)
	}
	return sum, nil
}

// each calls f with the contents of the files that match the pattern below the /proc of the process and its children.
func (p process) each(pattern string, f func([]byte) error) error {
	family, err := p.family()
	if err != nil {
		return err
	}
	for _, member := range family {
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/%s", member, pattern))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("process %d: no %s", member, pattern)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := f(b); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}
