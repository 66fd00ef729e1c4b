package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// An inotify is a notifier that reads the kernel's events wherever they lie.
type inotify struct {
	changes  chan string
	overflow chan struct{}

	file    *os.File
	quit    chan struct{}
	stopped chan struct{}

	mu    sync.Mutex // protects paths
	paths map[int32]string
}

// What is told of: all that may change what a directory holds, or which directory a path means.
const inotifyMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_MOVED_FROM |
	unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

func newInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &inotify{
		changes: make(chan string), overflow: make(chan struct{}, 1),
		file: os.NewFile(uintptr(fd), "inotify"), quit: make(chan struct{}), stopped: make(chan struct{}),
		paths: map[int32]string{},
	}
	go n.read()
	return n, nil
}

// Close ends all watches and waits until nothing is told of any more.
func (n *inotify) Close() error {
	close(n.quit)
	err := n.file.Close()
	<-n.stopped
	return err
}

// add watches a directory, or a file.
func (n *inotify) add(path string) error {
	conn, err := n.file.SyscallConn()
	if err != nil {
		return err
	}
	n.mu.Lock() // an event of the new watch waits until its path is known
	defer n.mu.Unlock()
	failed := conn.Control(func(fd uintptr) {
		var wd int
		if wd, err = unix.InotifyAddWatch(int(fd), path, inotifyMask); err == nil {
			n.paths[int32(wd)] = path
		}
	})
	if err = errors.Join(failed, err); err != nil {
		return fmt.Errorf("watching %s: %w", path, err)
	}
	return nil
}

func (n *inotify) changed() <-chan string { return n.changes }
func (n *inotify) lost() <-chan struct{}  { return n.overflow }

// remove ends the watch of a path.
func (n *inotify) remove(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for wd, other := range n.paths {
		if other == path {
			n.end(wd)
		}
	}
}

// end ends one watch. The caller holds mu.
func (n *inotify) end(wd int32) {
	delete(n.paths, wd)
	conn, err := n.file.SyscallConn()
	if err == nil { // otherwise it is closed
		_ = conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

// watched returns the paths that are watched: what was removed or moved away is not among them for long.
func (n *inotify) watched() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var paths []string
	for _, path := range n.paths {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// read passes on what the kernel tells until the file is closed.
func (n *inotify) read() {
	defer close(n.stopped)
	for buffer := make([]byte, 16<<10); ; {
		k, err := n.file.Read(buffer)
		if err != nil {
			return
		}
		for events := buffer[:k]; len(events) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(events))
			mask := binary.NativeEndian.Uint32(events[4:])
			end := min(unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:])), len(events))
			name := events[unix.SizeofInotifyEvent:end]
			events = events[end:]
			if !n.tell(wd, mask, string(bytes.TrimRight(name, "\x00"))) {
				return
			}
		}
	}
}

// tell passes one event on; false when nobody listens any more.
func (n *inotify) tell(wd int32, mask uint32, name string) bool {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		select {
		case n.overflow <- struct{}{}:
		default: // nobody has taken the last one yet
		}
		return true
	}
	n.mu.Lock()
	path, known := n.paths[wd]
	switch {
	case mask&unix.IN_IGNORED != 0:
		delete(n.paths, wd) // the kernel has ended the watch
	case known && mask&unix.IN_MOVE_SELF != 0:
		n.end(wd) // it would follow the directory to a name that we do not know
	}
	n.mu.Unlock()
	if !known {
		return true // an event that was on its way when the watch ended
	}
	select {
	case n.changes <- filepath.Join(path, name):
		return true
	case <-n.quit:
		return false
	}
}
