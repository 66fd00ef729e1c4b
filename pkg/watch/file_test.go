package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that is followed is looked at after whatever may have changed it, also by way of links, and not for others.
func TestFollowFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config", "sniroute")
	looks := make(chan string, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		never := 24 * time.Hour // without being told
		followFile(ctx, path, 20*time.Millisecond, never, slog.New(slog.DiscardHandler), func() {
			data, err := os.ReadFile(path)
			if err != nil {
				data = []byte("missing")
			}
			looks <- string(data)
		})
	}()
	want := func(what, content string) {
		t.Helper()
		for end := time.After(patience); ; {
			select {
			case got := <-looks:
				if got == content {
					return
				}
			case <-end:
				t.Fatalf("%s: it was not looked at", what)
			}
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) { t.Helper(); do(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)) }
	want("at the start", "missing")
	do(os.Mkdir(filepath.Join(dir, "config"), 0o755))
	write("config/sniroute", "one")
	want("made", "one")
	write("config/sniroute", "two")
	want("written", "two")
	write("config/.new", "three")
	do(os.Rename(filepath.Join(dir, "config", ".new"), path))
	want("replaced", "three")
	write("config/sniroute", "four")
	want("written after it was replaced", "four")
	do(os.Remove(path))
	want("removed", "missing")
	do(os.Mkdir(filepath.Join(dir, "real"), 0o755))
	write("real/file", "five")
	do(os.Symlink("../real/file", path))
	want("a link", "five")
	write("real/.new", "six")
	do(os.Rename(filepath.Join(dir, "real", ".new"), filepath.Join(dir, "real", "file")))
	want("replaced behind the link", "six")
	do(os.Rename(filepath.Join(dir, "config"), filepath.Join(dir, "old")))
	want("its folder moved away", "missing")
	do(os.Mkdir(filepath.Join(dir, "config"), 0o755))
	write("config/sniroute", "seven")
	want("in another folder", "seven")
	stop()
	<-ended
}
