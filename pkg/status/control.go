package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Control is the socket through which the daemon's own subcommands ask it, and the lock that keeps a second daemon
// from starting. The lock is the file PATH.lock; it ends with the process, however that ends.
type Control struct {
	path     string
	lock     *os.File
	listener net.Listener
	log      *slog.Logger
}

// ErrRunning says that another daemon holds the control socket.
var ErrRunning = errors.New("another sniroute runs already")

const (
	controlDirMode    fs.FileMode = 0o750
	controlSocketMode fs.FileMode = 0o660
)

// OpenControl takes the lock and opens the socket, in a folder of mode 0750 that is made if it is missing. A socket
// that an earlier daemon left is replaced. The error wraps ErrRunning if a daemon runs.
func OpenControl(path string, log *slog.Logger) (*Control, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := makeControlDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("making the folder of the control socket: %w", err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	listener, err := listenUnix(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	slots := make(chan struct{}, maxConnections)
	return &Control{path, lock, newBoundedListener(listener, slots, nil), log}, nil
}

// makeControlDir makes the folder if it is missing. One that exists keeps its mode: it may be everybody's.
func makeControlDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, controlDirMode); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.Chmod(dir, controlDirMode) // whatever the umask
}

// takeLock locks the file, which stays in place: removing it would let two daemons lock two files of one name.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(ErrRunning, f.Close())
	} else if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}

// listenUnix listens on a socket in the place of one that nobody serves any more.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s exists and is no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, controlSocketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve answers for d until ctx ends, and returns nil then. The socket is gone and the lock free when it returns.
func (c *Control) Serve(ctx context.Context, d Daemon) error {
	err := serve(ctx, onlyOwner(controlHandler(d)), c.log, []net.Listener{c.listener}, withPeerUID)
	return errors.Join(err, c.lock.Close())
}

// Close closes a control socket that is not served.
func (c *Control) Close() error { return errors.Join(c.listener.Close(), c.lock.Close()) }

func controlHandler(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, ReportOf(d)) })
	mux.HandleFunc("GET /routes", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, RoutesOf(d.Table())) })
	mux.HandleFunc("GET /explain", func(w http.ResponseWriter, r *http.Request) { explain(w, r, d) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if err := d.Reload(r.Context()); err != nil {
			writeText(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
		writeText(w, http.StatusOK, "reloaded")
	})
	return mux
}

type peerUIDKey struct{}

// withPeerUID notes who is at the other end of a connection (unix(7), SO_PEERCRED).
func withPeerUID(ctx context.Context, conn net.Conn) context.Context {
	if uid, err := peerUID(conn); err == nil {
		return context.WithValue(ctx, peerUIDKey{}, uid)
	}
	return ctx
}

func peerUID(conn net.Conn) (uint32, error) {
	if bounded, ok := conn.(*boundedConn); ok {
		conn = bounded.Conn
	}
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%T is no unix socket", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var credentials *unix.Ucred
	var credentialsErr error
	err = raw.Control(func(fd uintptr) {
		credentials, credentialsErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credentialsErr); err != nil {
		return 0, err
	}
	return credentials.Uid, nil
}

// onlyOwner lets root and the daemon's own user through: a file's mode is changed too easily.
func onlyOwner(next http.Handler) http.Handler {
	own := uint32(os.Getuid())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uid, known := r.Context().Value(peerUIDKey{}).(uint32)
		if !known || uid != 0 && uid != own {
			writeText(w, http.StatusForbidden, "only root and the daemon's own user may ask")
			return
		}
		next.ServeHTTP(w, r)
	})
}
