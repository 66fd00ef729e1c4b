package uci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Update changes a file in place: it hands its Document to change and writes it back if that returns no error and the
// text is another then. The file is replaced as a whole or not at all (WriteFile). Meanwhile it is locked as libuci
// locks it, so that neither misses what the other writes; ctx says how long to wait for that. Uncommitted changes in
// /tmp/.uci are left alone: they still apply, to the new text.
func Update(ctx context.Context, path string, change func(*Document) error) error {
	f, err := lock(ctx, path)
	if err != nil {
		return fmt.Errorf("changing %s: %w", path, err)
	}
	defer f.Close() // which unlocks it
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return fmt.Errorf("changing %s: %w", path, err)
	}
	d, err := ParseDocument(path, data)
	if err != nil {
		return err
	}
	if err := change(d); err != nil {
		return err
	}
	if bytes.Equal(d.Bytes(), data) {
		return nil
	}
	return WriteFile(path, d.Bytes())
}

// lock opens a file and locks it for writing.
func lock(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && isAt(f, path) {
			return f, nil
		}
		f.Close()
		if err == nil || errors.Is(err, syscall.EINTR) {
			continue // it has been replaced: the next one
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking it: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("somebody else has locked it: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// isAt reports whether an open file is the one that a path leads to.
func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// newFileMode is the mode of files that libuci makes (UCI_FILEMODE).
const newFileMode = 0o600

// WriteFile puts data at path so that, whatever happens, either the old or the new file is there whole: a temporary
// file beside it, named as libuci names its own, is written to the disk and renamed. Mode and owner stay as they were;
// a new file is its owner's alone. Where path is a symbolic link, the file that it leads to is replaced.
func WriteFile(path string, data []byte) error {
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeFile(path string, data []byte) (err error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil // if it is a link that leads nowhere, the file takes its place
	}
	if err != nil {
		return err
	}
	old, err := os.Stat(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !old.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	dir := filepath.Dir(target)
	f, err := os.CreateTemp(dir, "."+filepath.Base(target)+".uci-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := takeOver(f, old); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return err
	}
	return syncDir(dir)
}

// takeOver gives a file the mode and the owner of the old one, if there is one.
func takeOver(f *os.File, old fs.FileInfo) error {
	if old == nil {
		return f.Chmod(newFileMode)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, was := info.Sys().(*syscall.Stat_t), old.Sys().(*syscall.Stat_t)
	if now.Uid != was.Uid || now.Gid != was.Gid {
		if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(old.Mode().Perm())
}

// syncDir has a folder's entries written to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
