package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told waits until a change of the path is told of, whatever else is told before.
func told(t *testing.T, n *inotify, path string) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case name := <-n.changes:
			if name == path {
				return
			}
		case <-timeout:
			t.Fatalf("nothing is told of %s", path)
		}
	}
}

func TestInotify(t *testing.T) {
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	file, moved := filepath.Join(inner, "a"), filepath.Join(inner, "a name that is longer than sixteen bytes")
	n, err := newInotify()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.add(inner); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("watching what is not there: %v", err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(inner, 0o755))
	must(n.add(dir))
	must(n.add(inner))
	if got := n.watched(); !slices.Equal(got, []string{dir, inner}) {
		t.Errorf("watched: %q", got)
	}
	for what, change := range []func() error{
		func() error { return os.WriteFile(file, nil, 0o644) },
		func() error { return os.WriteFile(file, []byte("b"), 0o644) },
		func() error { return os.Chmod(file, 0o600) },
	} {
		must(change())
		t.Log(what)
		told(t, n, file)
	}
	must(os.Rename(file, moved))
	told(t, n, moved)
	must(os.Remove(moved))
	told(t, n, moved)

	must(os.Rename(inner, inner+"2")) // the watch ends: nobody asked for that name
	told(t, n, inner)
	must(os.WriteFile(inner+"2/b", nil, 0o644))
	must(os.Mkdir(inner, 0o755))
	must(n.add(inner))
	must(os.WriteFile(file, nil, 0o644))
	told(t, n, file)
	must(os.RemoveAll(inner))
	told(t, n, inner)
	for end := time.Now().Add(patience); !slices.Equal(n.watched(), []string{dir}) && time.Now().Before(end); {
		select {
		case <-n.changes:
		case <-time.After(10 * time.Millisecond):
		}
	}
	if got := n.watched(); !slices.Equal(got, []string{dir}) {
		t.Errorf("after its removal %q are watched", got)
	}
	n.remove(dir)
	n.remove(dir)
	if got := n.watched(); len(got) != 0 {
		t.Errorf("after remove %q are watched", got)
	}
	must(n.add(dir))
	for range 100 { // Close does not wait for somebody who listens
		must(os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o644))
	}
	must(n.Close())
	if err := n.add(dir); err == nil {
		t.Error("a closed one takes watches")
	}
	n.remove(dir)
}

// TestInotifyOverflow: when the kernel drops changes, that is told of.
func TestInotifyOverflow(t *testing.T) {
	n, err := newInotify()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second while nobody has taken the first
		if !n.tell(-1, unix.IN_Q_OVERFLOW, "") {
			t.Error("it ends")
		}
	}
	select {
	case <-n.overflow:
	default:
		t.Error("nothing is told of")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
