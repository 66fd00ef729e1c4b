package uci

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sniroute")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// alone checks that nothing is left beside a file.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

func TestUpdate(t *testing.T) {
	path := writeTemp(t, edited)
	if os.Getuid() == 0 {
		if err := os.Chown(path, 1234, 5678); err != nil {
			t.Fatal(err)
		}
	}
	before := stat(t, path)
	err := Update(t.Context(), path, func(d *Document) error { return d.Set("main", "enabled", "0") })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := diff(edited, read(t, path)), "-\toption enabled '1'\n+\toption enabled '0'\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	after := stat(t, path)
	if after.Mode != before.Mode || after.Uid != before.Uid || after.Gid != before.Gid {
		t.Errorf("mode %o owner %d:%d, was %o %d:%d",
			after.Mode, after.Uid, after.Gid, before.Mode, before.Uid, before.Gid)
	}
	if after.Ino == before.Ino {
		t.Error("the file was rewritten in place")
	}
	alone(t, path)
}

// What does not change is not written: flash wears.
func TestUpdateWritesNothing(t *testing.T) {
	path := writeTemp(t, edited)
	before := stat(t, path)
	refused := errors.New("no")
	for _, change := range []func(*Document) error{
		func(d *Document) error { return d.Set("main", "enabled", "1") },
		func(d *Document) error {
			return errors.Join(d.Set("main", "enabled", "0"), d.Set("main", "enabled", "1"))
		},
		func(d *Document) error { d.Set("main", "enabled", "0"); return refused },
	} {
		if err := Update(t.Context(), path, change); err != nil && !errors.Is(err, refused) {
			t.Error(err)
		}
	}
	if after := stat(t, path); after.Ino != before.Ino || after.Mtim != before.Mtim {
		t.Error("the file was written")
	}
	alone(t, path)
}

func TestUpdateErrors(t *testing.T) {
	keep := func(d *Document) error { return nil }
	path := writeTemp(t, "config\n")
	err := Update(t.Context(), path, keep)
	if err == nil || !strings.Contains(err.Error(), path+":1: invalid command") {
		t.Errorf("got %v", err)
	}
	if err := Update(t.Context(), path+"2", keep); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	os.WriteFile(path, []byte(strings.Repeat("#", MaxSize+1)), 0o600)
	if err := Update(t.Context(), path, keep); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("got %v", err)
	}
}

// Update waits for whoever has locked the file, and no longer than it may.
func TestUpdateLocked(t *testing.T) {
	path := writeTemp(t, "config a x\n")
	locked, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	setO := func(d *Document) error { return d.Set("x", "o", "v") }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Update(ctx, path, setO); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done := make(chan error)
	go func() { done <- Update(t.Context(), path, setO) }()
	// While it waits, the holder replaces the file: what it wrote must not be lost.
	if err := WriteFile(path, []byte("config a x\n\toption p 'w'\n")); err != nil {
		t.Error(err)
	}
	locked.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got, want := read(t, path), "config a x\n\toption p 'w'\n\toption o 'v'\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of updates at the same time none is lost, and readers always see a whole file.
func TestUpdateConcurrently(t *testing.T) {
	path := writeTemp(t, "config a x\n")
	const writers, times = 4, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range times {
				err := Update(t.Context(), path, func(d *Document) error {
					return d.Add("x", "o", strings.Repeat("v", 5000))
				})
				if err != nil {
					t.Error(err)
				}
				if _, err := Parse(path, []byte(read(t, path))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(document(t, read(t, path)).File().Section("x").Option("o").Values); n != writers*times {
		t.Errorf("%d of %d updates are there", n, writers*times)
	}
	alone(t, path)
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	if err := WriteFile(path, []byte("# 1\n")); err != nil {
		t.Fatal(err)
	}
	if mode := stat(t, path).Mode & 0o777; mode != 0o600 {
		t.Errorf("a new file has mode %o", mode)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("new", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("# 2\n")); err != nil {
		t.Fatal(err)
	}
	if read(t, path) != "# 2\n" || stat(t, link).Mode&syscall.S_IFMT != syscall.S_IFLNK {
		t.Error("a link was replaced instead of what it leads to")
	}
	if err := WriteFile(dir, nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: got %v", err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "file"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
}
