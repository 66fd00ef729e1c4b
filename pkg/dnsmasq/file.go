package dnsmasq

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// fileMode lets dnsmasq, which runs as a user of its own, read the files whatever the daemon's umask is.
const fileMode fs.FileMode = 0o644

// rewrite makes the file hold content and reports whether it had to change it. The file keeps its inode: it is
// overwritten in one write and then cut, so that dnsmasq, should it read at that moment, finds whole lines. Without
// room for the new content the old stays.
func rewrite(path string, content []byte) (changed bool, err error) {
	f, err := open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm() != fileMode {
		if err := f.Chmod(fileMode); err != nil {
			return false, err
		}
	}
	if info.Size() == int64(len(content)) {
		if old, err := io.ReadAll(io.LimitReader(f, info.Size())); err == nil && bytes.Equal(old, content) {
			return false, nil
		}
	}
	return overwrite(f, content, info.Size())
}

// open opens the file for reading and writing, and makes it if it is missing. It does not open with O_CREAT what
// exists: in a sticky folder the kernel refuses that to all but the owner (fs.protected_regular).
func open(path string) (*os.File, error) {
	const flags = os.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK // neither a link nor a pipe that would block
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, fileMode)
	}
	return f, err
}

// overwrite replaces the content of f, size bytes long, and reports whether anything of it changed.
func overwrite(f *os.File, content []byte, size int64) (changed bool, err error) {
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(content)))
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return false, &fs.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	if changed, err := write(f, pad(content, size)); err != nil {
		return changed, err
	}
	return true, f.Truncate(int64(len(content)))
}

// write writes content at the start of f. If not all of it can be written, f ends after the last line that could.
func write(f *os.File, content []byte) (changed bool, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	n, err := f.Write(content) // WriteAt would not say how much it wrote before an error
	if err != nil {
		whole := bytes.LastIndexByte(content[:n], '\n') + 1
		return n > 0, errors.Join(err, f.Truncate(int64(whole)))
	}
	return true, nil
}

// pad lengthens content to size with empty lines. They overwrite the rest of a longer old content, which would begin in
// the middle of a line: "192.168.0.3 app" without its first byte names another address.
func pad(content []byte, size int64) []byte {
	rest := size - int64(len(content))
	if rest <= 0 {
		return content
	}
	return append(bytes.Clone(content), bytes.Repeat([]byte("\n"), int(rest))...)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return path != "" && err == nil
}
