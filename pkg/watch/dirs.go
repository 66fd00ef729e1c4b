package watch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A watchedDirs keeps inotify watches on the directories in which a change may concern the path.
type watchedDirs struct {
	path    string   // absolute
	watcher notifier // nil: none is to be had
	known   map[string]fileID
	linked  map[string]bool // to where links led when the path was last looked at
	err     error           // why one could not be watched
}

// watchDirs watches nothing yet. On error it never will: then look for changes now and then.
func watchDirs(path string) (*watchedDirs, error) {
	watcher, err := newNotifier()
	if err != nil {
		return &watchedDirs{path: path}, err
	}
	return &watchedDirs{path: path, watcher: watcher}, nil
}

func (w *watchedDirs) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// maxWatched bounds the directories that links lead to.
const maxWatched = 32

// update watches the path itself (or the directories above it, where it may appear) and those that links lead to, and
// reports whether a watch was added. A nil list keeps those that links led to before.
func (w *watchedDirs) update(linked map[string]bool) (added bool) {
	if w.watcher == nil {
		return false
	}
	want := map[string]bool{w.path: true}
	reached := false // a directory that exists, above which only links can change what the path means
	for dir := filepath.Dir(w.path); ; dir = filepath.Dir(dir) {
		if !reached {
			want[dir] = true
		}
		if dir == filepath.Dir(dir) {
			break
		}
		info, err := os.Lstat(dir)
		reached = reached || err == nil
		if err == nil && info.Mode()&os.ModeSymlink != 0 {
			want[filepath.Dir(dir)] = true
		}
	}
	if linked != nil {
		w.linked = linked
	}
	for dir := range w.linked {
		if len(want) < maxWatched {
			want[dir] = true
		}
	}

	watched := make(map[string]bool)
	for _, dir := range w.watcher.watched() {
		watched[dir] = true
	}
	known := make(map[string]fileID)
	w.err = nil
	pathID, pathErr := statID(w.path)
	for dir := range want {
		id, err := statID(dir)
		if err != nil {
			continue // update is called again when it appears: the directory above it is watched
		}
		if pathErr == nil && id == pathID && dir != w.path {
			continue // the path is a link to it
		}
		if watched[dir] && w.known[dir] == id {
			known[dir] = id
			continue
		}
		if watched[dir] { // another directory of that name
			w.watcher.remove(dir)
		}
		if err := w.watcher.add(dir); err != nil {
			w.err = err
			continue
		}
		known[dir] = id
		added = true
	}
	for dir := range watched {
		if _, ok := known[dir]; !ok {
			w.watcher.remove(dir)
		}
	}
	w.known = known
	return added
}

// concerns reports whether a change of the name may change what the path holds.
func (w *watchedDirs) concerns(name string) bool {
	if name == w.path || strings.HasPrefix(w.path, strings.TrimSuffix(name, "/")+"/") {
		return true
	}
	// In a directory that is only above the path, nothing else counts.
	dir := filepath.Dir(name)
	return dir == w.path || w.linked[dir]
}

// settling is how long files must be quiet before they are looked at, and how long that is waited for at most.
type settling struct{ quiet, most time.Duration }

// sleep returns when files changed and are quiet again, or after the wait; false when ctx is done.
func (w *watchedDirs) sleep(ctx context.Context, wait time.Duration, s settling) bool {
	var changes <-chan string
	var lost <-chan struct{}
	if w.watcher != nil {
		changes, lost = w.watcher.changed(), w.watcher.lost()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var latest time.Time // set once something changed
	changed := func() {
		now := time.Now()
		if latest.IsZero() {
			latest = now.Add(s.most)
		}
		timer.Reset(min(s.quiet, max(0, latest.Sub(now))))
	}
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case name := <-changes:
			if w.concerns(name) {
				changed()
			}
		case <-lost:
			changed()
		}
	}
}
