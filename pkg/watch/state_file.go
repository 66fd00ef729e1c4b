package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/route"
)

// How often the state file, which lies in flash, is written at most.
const (
	betweenWithdrawals = time.Minute
	betweenAdditions   = 10 * time.Minute
	betweenCopies      = 500 * time.Millisecond
)

// A StateFile keeps the last known claims of clusters over a restart of the daemon and over a power cut. Only claims
// are kept, no decision: whoever reads them judges them anew.
//
// There are two files of the same form. Copy lies in RAM and follows every change; Path lies in flash and is written
// only when the claims differ from what it holds: for what was withdrawn at most once a minute, for what was added or
// exchanged at most every ten minutes, and at shutdown. Both are replaced as a whole, so that a power cut at any moment
// leaves the old or the new one. A file that cannot be read is set aside under the name PATH.bad, and reported.
//
// Load comes first, then any number of Clusters use the StateFile while Run runs.
type StateFile struct {
	Path   string // in flash; empty: none
	Copy   string // in RAM; empty: none
	Logger *slog.Logger

	Now   func() time.Time // nil: time.Now
	Built time.Time        // when the program was built; Clock is never earlier. Zero: not known

	mu       sync.Mutex
	started  bool
	sources  map[string]*savedSource
	sequence uint64
	newest   time.Time // that the state file or the program is known to be from
	problems map[string]Problem
	wake     chan struct{}

	// Owned by Run, after Load.
	written     map[string]*savedSource // what Path holds
	lastWrite   time.Time               // monotonic; zero: not in this life
	copied      uint64                  // sequence that Copy holds
	lastCopy    time.Time
	writeFailed bool
}

// Load reads the newer of the two files. It must be called once, before anything else; what is wrong with the files is
// logged and stands in Problems.
func (f *StateFile) Load() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started, f.newest = true, f.Built
	f.sources, f.written = make(map[string]*savedSource), make(map[string]*savedSource)
	f.problems, f.wake = make(map[string]Problem), make(chan struct{}, 1)
	flash, flashSources := f.read(f.Path)
	ram, ramSources := f.read(f.Copy)
	if flash != nil {
		f.written = flashSources
		f.take(flash, flashSources)
	}
	if ram != nil && (flash == nil || ram.Sequence >= flash.Sequence) {
		f.take(ram, ramSources)
		f.copied = ram.Sequence
	}
}

func (f *StateFile) take(document *stateDocument, sources map[string]*savedSource) {
	f.sources, f.sequence = maps.Clone(sources), document.Sequence
	if document.Written.After(f.newest) {
		f.newest = document.Written
	}
}

// read returns what a file holds, nil where there is none or none that is good.
func (f *StateFile) read(path string) (*stateDocument, map[string]*savedSource) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		f.report(path, "the last known claims cannot be read: "+err.Error())
		return nil, nil
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxStateSize+1))
	if err == nil && len(data) > maxStateSize {
		err = fmt.Errorf("it is larger than %d bytes", maxStateSize)
	}
	var document *stateDocument
	var sources map[string]*savedSource
	if err == nil {
		document, sources, err = decodeState(data)
	}
	if err == nil {
		return document, sources
	}
	aside := path + ".bad"
	message := "the last known claims are lost: " + shorten(err.Error())
	if renamed := os.Rename(path, aside); renamed == nil {
		message += "; the file was set aside as " + aside
	}
	f.report(path, message)
	return nil, nil
}

// report notes and logs a problem of a file. The caller holds mu.
func (f *StateFile) report(path, message string) {
	if f.problems[path].Message != message {
		f.Logger.Warn("state file has a problem", "path", path, "problem", message)
		f.problems[path] = Problem{Place: path, Message: message, Since: time.Now()}
	}
}

// Problems returns what is wrong with the files.
func (f *StateFile) Problems() []Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	problems := slices.Collect(maps.Values(f.problems))
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Place, b.Place) })
	return problems
}

// Clock returns the later of now, the build time and the time at which the state file was written last: the best guess
// of a router that has no clock at boot.
func (f *StateFile) Clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock()
}

func (f *StateFile) clock() time.Time {
	now := time.Now()
	if f.Now != nil {
		now = f.Now()
	}
	if f.newest.After(now) {
		return f.newest
	}
	return now
}

// Keep forgets the sources that are not among the names.
func (f *StateFile) Keep(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.sources {
		if !slices.Contains(names, name) {
			delete(f.sources, name)
			f.changed()
		}
	}
}

// restore returns what is known of a source; nil: nothing.
func (f *StateFile) restore(source string) *savedSource {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sources[source]
}

// save takes what is to be known of a source from now on. The claims are not copied.
func (f *StateFile) save(source string, claims []route.Claim, objects map[route.Object]savedObject) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		return
	}
	f.sources[source] = &savedSource{claims: claims, objects: objects}
	f.changed()
}

// changed makes Run look. The caller holds mu.
func (f *StateFile) changed() {
	f.sequence++
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run writes the files until ctx is done, and then once more. It must be called after Load.
func (f *StateFile) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			f.write(true)
			return nil
		case <-f.wake:
		case <-timer.C:
		}
		if next := f.write(false); next > 0 {
			timer.Reset(next)
		}
	}
}

// write brings the files up to date where it is time, and returns after how long to look again; 0: when woken.
func (f *StateFile) write(last bool) (next time.Duration) {
	f.mu.Lock()
	sources, sequence, written := maps.Clone(f.sources), f.sequence, f.clock()
	f.mu.Unlock()
	now := time.Now()
	wait := func(since time.Time, between time.Duration) time.Duration {
		if last || since.IsZero() {
			return 0
		}
		return max(0, between-now.Sub(since))
	}
	soonest := func(d time.Duration) {
		if next == 0 || d < next {
			next = d
		}
	}

	if f.Copy != "" && sequence != f.copied {
		if d := wait(f.lastCopy, betweenCopies); d > 0 {
			soonest(d)
		} else if f.lastCopy = now; f.replace(f.Copy, sequence, written, sources, false) {
			f.copied = sequence
		} else if !last {
			soonest(betweenWithdrawals)
		}
	}
	if f.Path == "" {
		return next
	}
	between := betweenAdditions
	switch compareSources(f.written, sources) {
	case nothing:
		return next
	case withdrawal:
		between = betweenWithdrawals
	}
	if f.writeFailed {
		between = betweenWithdrawals
	}
	if d := wait(f.lastWrite, between); d > 0 {
		soonest(d)
		return next
	}
	f.lastWrite = now
	if f.writeFailed = !f.replace(f.Path, sequence, written, sources, true); f.writeFailed {
		soonest(betweenWithdrawals)
		return next
	}
	f.written = sources
	return next
}

// replace writes one file and reports whether that worked.
func (f *StateFile) replace(path string, sequence uint64, written time.Time, sources map[string]*savedSource,
	sync bool) bool {
	data, err := encodeState(sequence, written, sources)
	if err == nil {
		err = replaceFile(path, data, sync, nil)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.report(path, "the last known claims cannot be written: "+err.Error())
		return false
	}
	delete(f.problems, path)
	f.Logger.Debug("state file written", "path", path, "bytes", len(data))
	return true
}

// replaceFile gives the file new contents and mode 0600. At any moment it holds the old or the new ones; with sync,
// over a power cut too. prepare, if not nil, does more to the new file before it takes the old one's place.
func replaceFile(path string, data []byte, sync bool, prepare func(*os.File) error) (err error) {
	temporary := path + ".new" // one name, so that what a crash leaves does not pile up
	// Root may write into the daemon's folder. What lies there already, a link to root's own files perhaps, is not opened.
	if err = os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(0o600) // whatever the umask is
	}
	if err == nil && prepare != nil {
		err = prepare(file)
	}
	if err == nil && sync {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err = os.Rename(temporary, path); err != nil || !sync {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
