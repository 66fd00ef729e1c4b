package dnsmasq

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRewriteKeepsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	steps := []struct {
		content string
		changed bool
	}{
		{"first\n", true},
		{"first\n", false},
		{"a longer one\nand more\n", true},
		{"short\n", true},
		{"", true},
		{"", false},
		{"again\n", true},
	}
	var inode uint64
	for _, step := range steps {
		before, _ := os.Stat(path)
		changed, err := rewrite(path, []byte(step.content))
		if err != nil || changed != step.changed {
			t.Fatalf("rewrite(%q) = %v, %v", step.content, changed, err)
		}
		content, err := os.ReadFile(path)
		if err != nil || string(content) != step.content {
			t.Fatalf("the file holds %q, %v; want %q", content, err, step.content)
		}
		after, err := os.Stat(path)
		if err != nil || after.Mode() != 0o644 {
			t.Fatalf("mode %v, %v", after.Mode(), err)
		}
		if !changed && !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("unchanged content %q was written", step.content)
		}
		if now := after.Sys().(*syscall.Stat_t).Ino; inode != 0 && now != inode {
			t.Errorf("after %q the file is another one", step.content)
		} else {
			inode = now
		}
	}
}

func TestRewriteSetsTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rewrite(path, []byte("old\n")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestRewriteRefuses(t *testing.T) {
	dir := t.TempDir()
	target, link, pipe := filepath.Join(dir, "target"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(target, []byte("keep\n"), 0o600), os.Symlink(target, link),
		unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, dir, filepath.Join(dir, "no", "folder")} {
		if changed, err := rewrite(path, []byte("new\n")); err == nil || changed {
			t.Errorf("rewrite(%s) = %v, %v", path, changed, err)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("the error does not name the file: %v", err)
		}
	}
	if content, err := os.ReadFile(target); string(content) != "keep\n" {
		t.Errorf("the link's target holds %q, %v", content, err)
	}
}

// A full disk keeps the old content, and what fits is still written. The test runs itself again in a mount namespace,
// where it may mount a small tmpfs.
func TestRewriteOnAFullDisk(t *testing.T) {
	const inside = "SNIROUTE_TEST_SMALL_DISK"
	if dir := os.Getenv(inside); dir != "" {
		fillDisk(t, dir)
		return
	}
	command := exec.Command("/proc/self/exe", "-test.run=^TestRewriteOnAFullDisk$", "-test.v")
	command.Env = append(os.Environ(), inside+"="+t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: TestRewriteOnAFullDisk") {
		t.Fatalf("%v\n%s", err, output)
	}
}

func fillDisk(t *testing.T, dir string) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "hosts")
	old := strings.Repeat("192.168.0.3 app.example.com\n", 1000)
	if _, err := rewrite(path, []byte(old)); err != nil {
		t.Fatal(err)
	}
	changed, err := rewrite(path, []byte(strings.Repeat("192.168.0.4 app.example.com\n", 5000)))
	if !errors.Is(err, unix.ENOSPC) || changed {
		t.Fatalf("rewrite on a full disk = %v, %v", changed, err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != old {
		t.Fatalf("the old content is gone: %d bytes, %v", len(content), err)
	}
	if changed, err := rewrite(path, []byte("192.168.0.5 app.example.com\n")); err != nil || !changed {
		t.Fatalf("rewrite of less = %v, %v", changed, err)
	}

	// Where room cannot be reserved, the write itself stops in the middle: whole lines are left.
	f, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := "192.168.0.6 app.example.com\n"
	changed, err = write(f, []byte(strings.Repeat(line, 5000)))
	if !errors.Is(err, unix.ENOSPC) || !changed {
		t.Fatalf("write on a full disk = %v, %v", changed, err)
	}
	content, err := os.ReadFile(path)
	if err != nil || len(content) < 32<<10 || strings.ReplaceAll(string(content), line, "") != "" {
		t.Fatalf("the file holds %d bytes, %v", len(content), err)
	}
}

func TestPad(t *testing.T) {
	for _, c := range []struct {
		content string
		size    int64
		want    string
	}{
		{"abc\n", 0, "abc\n"},
		{"abc\n", 4, "abc\n"},
		{"abc\n", 7, "abc\n\n\n\n"},
		{"", 2, "\n\n"},
	} {
		if got := pad([]byte(c.content), c.size); string(got) != c.want {
			t.Errorf("pad(%q, %d) = %q", c.content, c.size, got)
		}
	}
}

func TestExists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if exists(path) || exists("") {
		t.Error("what is missing exists")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil || !exists(path) {
		t.Error("what was written does not exist", err)
	}
}
