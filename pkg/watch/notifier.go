package watch

// A notifier tells of changes in directories (inotify(7)). fsnotify does where a processor may read at any address; it
// reads the kernel's events through a pointer into a byte buffer, which ends the daemon, or gives it something else to
// read, on MIPS and 32-bit ARM. There, one of our own does.
type notifier interface {
	add(path string) error
	remove(path string)
	watched() []string      // what was removed or moved away is not among them for long
	changed() <-chan string // the path of what changed: the directory's as it was added, and the name in it
	lost() <-chan struct{}  // there were more changes than are kept
	Close() error           // waits until nothing is told of any more
}
