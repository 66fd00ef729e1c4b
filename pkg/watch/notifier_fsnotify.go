//go:build !mips && !mipsle && !arm

package watch

import (
	"errors"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// A fileNotifier is a notifier that fsnotify serves.
type fileNotifier struct {
	watcher  *fsnotify.Watcher
	changes  chan string
	overflow chan struct{}
	quit     chan struct{}
	stopped  chan struct{}
}

func newNotifier() (notifier, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	n := &fileNotifier{
		watcher: watcher, changes: make(chan string), overflow: make(chan struct{}, 1),
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go n.read()
	return n, nil
}

// read passes on what fsnotify tells until it is closed.
func (n *fileNotifier) read() {
	defer close(n.stopped)
	for {
		select {
		case event, ok := <-n.watcher.Events:
			if !ok {
				return
			}
			select {
			case n.changes <- event.Name:
			case <-n.quit:
				return
			}
		case err, ok := <-n.watcher.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				select {
				case n.overflow <- struct{}{}:
				default: // nobody has taken the last one yet
				}
			}
		}
	}
}

func (n *fileNotifier) add(path string) error  { return n.watcher.Add(path) }
func (n *fileNotifier) remove(path string)     { _ = n.watcher.Remove(path) } // it may have ended by itself
func (n *fileNotifier) changed() <-chan string { return n.changes }
func (n *fileNotifier) lost() <-chan struct{}  { return n.overflow }

func (n *fileNotifier) watched() []string {
	paths := n.watcher.WatchList()
	slices.Sort(paths)
	return paths
}

func (n *fileNotifier) Close() error {
	close(n.quit)
	err := n.watcher.Close()
	<-n.stopped
	return err
}
