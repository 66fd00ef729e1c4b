package watch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds on a directory of manifests.
const (
	maxFiles       = 1_024
	maxEntries     = 8_192    // of all kinds; a directory with more is not read
	maxTotalSize   = 16 << 20 // bytes of all files together
	distrustRecent = 2 * time.Second
)

// A manifest is one file.
type manifest struct {
	id       fileID
	recent   bool // the file was younger than its timestamp can tell apart from a later change
	objects  []located
	problems []Problem
}

// A fileID changes when a file is replaced or written to. For a directory only dev and inode are set.
type fileID struct {
	dev, inode uint64
	size       int64
	changed    unix.Timespec // of the contents
}

// A look is what was found at the path.
type look struct {
	missing   bool
	err       error           // the path could not be read: everything stays as it was
	tooMany   string          // why some files were skipped; empty: none were
	linked    map[string]bool // the directories that symbolic links lead to
	unsettled bool            // a file changed while it was read
}

// look brings m.files up to date with the path. Files that did not change are not read again.
func (m *Manifests) look(path string) look {
	var seen look
	names, err := manifestNames(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		seen.missing = true
	} else if err != nil {
		seen.err = err
		return seen
	}
	if len(names) > maxFiles {
		seen.tooMany = fmt.Sprintf("more than %d files: %q and those behind it are not read", maxFiles,
			filepath.Base(names[maxFiles]))
		names = names[:maxFiles]
	}
	seen.linked = make(map[string]bool)
	present := make(map[string]bool, len(names))
	var total int64
	for _, name := range names {
		if real, err := filepath.EvalSymlinks(name); err == nil && real != name {
			seen.linked[filepath.Dir(real)] = true
		}
		file, size, err := readManifest(name, m.files[name], maxTotalSize-total)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed meanwhile, or a link to nothing
		case errors.Is(err, errUnsettled):
			seen.unsettled = true
			file = m.files[name]
		case err != nil:
			file = m.files[name].failed(name, err)
		}
		if file == nil {
			continue
		}
		total += size
		present[name] = true
		m.files[name] = file
	}
	maps.DeleteFunc(m.files, func(name string, _ *manifest) bool { return !present[name] })
	return seen
}

// manifestNames returns the files at the path, sorted: the path itself if it is a file.
func manifestNames(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("has more than %d entries", maxEntries)
	}
	var names []string
	for _, name := range entries {
		switch filepath.Ext(name) {
		case ".yaml", ".yml", ".json":
			if !strings.HasPrefix(name, ".") {
				names = append(names, filepath.Join(path, name))
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

var errUnsettled = errors.New("changed while it was read")

// readManifest reads a file, or returns the one that is known if the file did not change. A file with errors keeps the
// objects of the known one. It returns the file's size.
func readManifest(name string, known *manifest, room int64) (*manifest, int64, error) {
	// Without O_NONBLOCK a pipe of that name would hold up everything.
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	before, mode, err := openID(file)
	if err != nil {
		return nil, 0, err
	}
	if mode != unix.S_IFREG {
		return nil, 0, errors.New("is not a regular file")
	}
	if before.size > room {
		return nil, 0, fmt.Errorf("does not fit: all files together may have %d bytes", maxTotalSize)
	}
	if known != nil && known.id == before && !known.recent {
		return known, before.size, nil
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, 0, err
	}
	after, _, err := openID(file)
	if err != nil {
		return nil, 0, err
	}
	if before != after || int64(len(data)) != min(after.size, maxFileSize+1) {
		return nil, 0, errUnsettled
	}

	read := &manifest{id: after}
	// A second change within the same tick of the clock does not show in the timestamp: do not trust a fresh one.
	read.recent = time.Since(time.Unix(after.changed.Unix())) < distrustRecent
	if len(data) == 0 {
		read.problems = []Problem{{Message: "is empty: remove the file if its claims should go"}}
	} else {
		read.objects, read.problems = decodeYAML(data)
	}
	for i := range read.problems {
		read.problems[i].Place = name
	}
	if len(read.problems) > 0 && known != nil {
		read.objects = known.objects
	}
	return read, after.size, nil
}

// failed returns the file with the objects that it had and the error that keeps it from being read.
func (f *manifest) failed(name string, err error) *manifest {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // the name is the problem's place
	}
	next := &manifest{problems: []Problem{{Place: name, Message: err.Error()}}}
	if f != nil {
		next.objects = f.objects
	}
	return next
}

// statID identifies a directory.
func statID(dir string) (fileID, error) {
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return fileID{}, err
	}
	return fileID{dev: uint64(stat.Dev), inode: uint64(stat.Ino)}, nil
}

// openID identifies the contents of an open file and returns its type.
func openID(file *os.File) (fileID, uint32, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return fileID{}, 0, fmt.Errorf("stat %s: %w", file.Name(), err)
	}
	id := fileID{dev: uint64(stat.Dev), inode: uint64(stat.Ino), size: stat.Size, changed: stat.Mtim}
	return id, stat.Mode & unix.S_IFMT, nil
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
