package watch

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

const (
	// settle is how long files must be quiet before they are read, so that a file is seldom read half-written.
	settle = 50 * time.Millisecond
	// settleMost bounds the wait where something is written all the time.
	settleMost = 300 * time.Millisecond
	// poll finds what inotify does not tell: files on a network, or watches that the kernel refused.
	poll = 10 * time.Second
	// pollAlone is used where there is no inotify at all.
	pollAlone = 500 * time.Millisecond

	defaultMaxClaims = 16_384
)

// Manifests is a source that follows a directory of YAML or JSON files (*.yaml, *.yml, *.json; no subdirectories; names
// that start with a dot are skipped), or one file. The files hold what kubectl would apply: Ingresses, IngressClasses
// and Services, their status included, since nobody else can say which address serves them.
//
// A file that was added, changed, renamed or removed is in the claims well within a second. A file that cannot be read
// keeps the claims of its last good state, is listed in State with the line, and harms no other. An empty file is taken
// for half-written: whoever means to withdraw the claims removes the file. The path may not exist yet, may be removed
// and come back, and may hold symbolic links that are swapped, as Kubernetes does with a mounted ConfigMap.
//
// Where two files hold the same object, the first by name counts and the other is a problem.
type Manifests struct {
	Name   string // of the section: Claim.Source
	Path   string // the directory or file
	Logger *slog.Logger

	// Publish receives all claims of the source: once after the first look at the path, then whenever they differ.
	// It is called from Run's goroutine, one call at a time; the slice is never changed afterwards.
	Publish func(claims []route.Claim)

	// MaxClaims bounds what is published; 0: 16,384. Beyond it the namespaces with the most claims lose first.
	MaxClaims int

	mu    sync.Mutex
	state State // guarded by mu

	// Owned by Run.
	files     map[string]*manifest
	published []route.Claim
}

// State returns how the source is doing. It may be called from any goroutine, before and during Run.
func (m *Manifests) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.state
	state.Problems = slices.Clone(state.Problems)
	if state.Source == "" {
		state.Source, state.Place, state.Waiting = m.Name, m.Path, "was not started yet"
	}
	return state
}

// Run follows the path until ctx is done. It must be called once.
func (m *Manifests) Run(ctx context.Context) error {
	path, err := filepath.Abs(m.Path)
	if err != nil {
		return fmt.Errorf("manifests %s: %w", m.Name, err)
	}
	m.files = make(map[string]*manifest)
	dirs, err := watchDirs(path)
	if err != nil {
		m.Logger.Warn("cannot be told of changes, looking for them instead", "source", m.Name, "error", err)
	}
	defer dirs.close()

	for first := true; ; first = false {
		// Watch first, then look: what changes in between is an event. Links that are found while looking may lead
		// to further directories, which are looked at again once they are watched.
		dirs.update(nil)
		seen := m.look(path)
		if dirs.update(seen.linked) {
			seen = m.look(path)
		}
		m.conclude(seen, dirs.err, first)

		wait := poll
		if dirs.watcher == nil {
			wait = pollAlone
		}
		if seen.unsettled {
			wait = settleMost
		}
		if !dirs.sleep(ctx, wait, settling{settle, settleMost}) {
			return nil
		}
	}
}

// conclude publishes the claims of the files if they differ, and brings the state up to date.
func (m *Manifests) conclude(seen look, watchErr error, first bool) {
	now := time.Now()
	objects, problems, count := m.merge(seen)
	claims, dropped := limitClaims(objects.Claims(m.Name), m.maxClaims())
	if dropped > 0 {
		problems = append(problems, Problem{Place: m.Path,
			Message: fmt.Sprintf("more than %d claims: %d were left out", m.maxClaims(), dropped)})
	}
	if watchErr != nil {
		problems = append(problems, Problem{Place: m.Path,
			Message: "cannot be told of changes, so they take up to " + poll.String() + ": " + watchErr.Error()})
	}
	changed := first || !equalClaims(claims, m.published)

	m.mu.Lock()
	before := m.state
	next := State{
		Source: m.Name, Place: m.Path,
		Synced: seen.err == nil || before.Synced, LastSync: before.LastSync, LastChange: before.LastChange,
		Objects: count, Claims: len(claims), Dropped: dropped,
		Problems: sinceBefore(problems, before.Problems, now),
	}
	for _, file := range m.files {
		if len(file.problems) == 0 {
			next.Files++
		}
	}
	if seen.err == nil {
		next.LastSync = now
	}
	if seen.missing {
		next.Waiting = m.Path + " does not exist yet"
	} else if !next.Synced {
		next.Waiting = seen.err.Error()
	}
	if changed {
		next.LastChange = now
	}
	m.state = next
	m.mu.Unlock()

	m.log(before, next, first)
	if changed {
		m.published = claims
		m.Publish(claims)
	}
}

// merge collects the objects of all files in the order of their names.
func (m *Manifests) merge(seen look) (objects Objects, problems []Problem, count int) {
	if seen.err != nil {
		problems = append(problems, Problem{Place: m.Path, Message: seen.err.Error()})
	}
	if seen.tooMany != "" {
		problems = append(problems, Problem{Place: m.Path, Message: seen.tooMany})
	}
	owners := make(map[string]string)
	for _, name := range sortedKeys(m.files) {
		file := m.files[name]
		problems = append(problems, file.problems...)
		for _, object := range file.objects {
			if other, twice := owners[object.id]; twice {
				problems = append(problems, Problem{Place: name, Line: object.line,
					Message: object.id + " stands in " + other + " already, which counts"})
				continue
			}
			owners[object.id] = name
			object.add(&objects)
			count++
		}
	}
	return objects, problems, count
}

// log says what became wrong, or right again, since the last state.
func (m *Manifests) log(before, now State, first bool) {
	for _, p := range now.Problems {
		if !slices.ContainsFunc(before.Problems, p.same) {
			m.Logger.Warn("manifest has a problem", "source", m.Name, "place", p.Place, "line", p.Line,
				"problem", p.Message)
		}
	}
	for _, p := range before.Problems {
		if !slices.ContainsFunc(now.Problems, func(q Problem) bool { return q.Place == p.Place }) {
			m.Logger.Info("manifest is good again", "source", m.Name, "place", p.Place)
		}
	}
	if now.Waiting != "" && now.Waiting != before.Waiting {
		m.Logger.Info("waiting", "source", m.Name, "for", now.Waiting)
	}
	if first || now.LastChange != before.LastChange {
		m.Logger.Info("claims changed", "source", m.Name, "files", now.Files, "objects", now.Objects,
			"claims", now.Claims)
	}
}

func (m *Manifests) maxClaims() int {
	if m.MaxClaims > 0 {
		return m.MaxClaims
	}
	return defaultMaxClaims
}

// same reports whether two problems are one, whenever they were first seen.
func (p Problem) same(q Problem) bool {
	return p.Place == q.Place && p.Line == q.Line && p.Message == q.Message
}

// sinceBefore bounds the list and gives each problem the time at which it was first seen.
func sinceBefore(problems, before []Problem, now time.Time) []Problem {
	if len(problems) > maxProblems {
		problems = problems[:maxProblems]
	}
	for i := range problems {
		problems[i].Since = now
		if old := slices.IndexFunc(before, problems[i].same); old >= 0 {
			problems[i].Since = before[old].Since
		}
	}
	return problems
}
