package openwrt

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/sniroute/sniroute/lab/netns"
	"github.com/sniroute/sniroute/pkg/ubus"
)

//go:embed all:root
var doubles embed.FS

// A Router is a root file system and the programs in it. Its methods may be called from any goroutine.
type Router struct {
	Dir string // the root

	programs  map[string]Program
	namespace *netns.Namespace // where everything runs; nil: in that of the test

	addresses map[string]string // of networks, for network_get_ipaddr and, with " 6" behind the name, for IPv6

	listener net.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex // protects what follows
	calls    []Call
	scribes  map[int]*scribe // by shell
	services map[string]*Service
	running  map[string]bool
	staged   map[string]bool // configurations with uncommitted changes
	log      []string
	unknown  []string // calls that nobody answers
	procd    *Procd   // nil: nothing runs what procd is told
}

// A Call is one call of a program of the Router.
type Call struct {
	Args  []string // with the program's name
	Input string   // what was piped into it
	Shell int      // process id of who called
}

// String returns the call as one would type it.
func (c Call) String() string { return strings.Join(c.Args, " ") }

// A Program returns what a call prints and what it exits with.
type Program func(c Call) (output string, code int)

// New makes a root in dir with busybox and the doubles. forwarder is the program of the folder forward, built static.
func New(dir, forwarder string) (*Router, error) {
	r := &Router{
		Dir: dir, programs: map[string]Program{}, addresses: map[string]string{},
		services: map[string]*Service{}, running: map[string]bool{}, staged: map[string]bool{},
		scribes: map[int]*scribe{},
	}
	if err := r.fill(forwarder); err != nil {
		return nil, fmt.Errorf("making a router's root: %w", err)
	}
	l, err := net.Listen("unix", r.Path("/router.sock"))
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(r.Path("/router.sock"), 0o777); err != nil {
		return nil, err
	}
	r.listener = l
	r.serving.Go(r.serve)
	return r, nil
}

// Close ends the Router. The folder stays.
func (r *Router) Close() error {
	err := r.listener.Close()
	r.serving.Wait()
	return err
}

// Path returns where a file of the root lies outside of it.
func (r *Router) Path(name string) string { return filepath.Join(r.Dir, name) }

// fill puts busybox, the doubles and the files into the root that every router has.
func (r *Router) fill(forwarder string) error {
	for _, dir := range []string{
		"bin", "sbin", "usr/bin", "usr/sbin", "etc/config", "etc/ssl/certs", "etc/rc.d", "tmp/hosts", "var/run",
		"dev", "proc/sys/net/netfilter", "usr/lib/opkg/info",
	} {
		if err := os.MkdirAll(r.Path(dir), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd":          "root:x:0:0:root:/root:/bin/ash\n",
		"etc/group":           "root:x:0:\n",
		"etc/hosts":           "127.0.0.1 localhost\n",
		"etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.0'\n",
		"proc/meminfo":        "MemTotal:         249088 kB\nMemFree:          100000 kB\n",
		"proc/sys/net/netfilter/nf_conntrack_max": "7936\n",
		"dev/null": "",
	} {
		if err := os.WriteFile(r.Path(name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	if err := r.copyDoubles(); err != nil {
		return err
	}
	if err := r.AddProgram("busybox", "/bin/busybox"); err != nil {
		return err
	}
	applets, err := exec.Command("busybox", "--list").Output()
	if err != nil {
		return err
	}
	for _, applet := range strings.Fields(string(applets)) {
		if err := os.Symlink("busybox", r.Path("/bin/"+applet)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return r.addForwarders(forwarder)
}

func (r *Router) copyDoubles() error {
	return fs.WalkDir(doubles, "root", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := r.Path(strings.TrimPrefix(name, "root"))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := doubles.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o755)
	})
}

// addForwarders puts the program that forwards where the Router's programs are looked for.
func (r *Router) addForwarders(forwarder string) error {
	if err := copyFile(r.Path("/bin/router"), forwarder); err != nil {
		return err
	}
	for _, name := range []string{
		"/sbin/uci", "/bin/ubus", "/usr/bin/logger", "/usr/bin/sniroute", "/bin/chown", "/usr/bin/killall", "/sbin/ip",
		"/usr/sbin/nft",
	} {
		if err := r.Forward(name); err != nil {
			return err
		}
	}
	return nil
}

// Forward puts a program at a path that the Router answers for.
func (r *Router) Forward(name string) error {
	err := os.Remove(r.Path("/bin/" + filepath.Base(name))) // busybox's
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(r.Path(name)), 0o755); err != nil {
		return err
	}
	return os.Symlink("/bin/router", r.Path(name))
}

// AddProgram copies a program of this machine, and the libraries that it needs, into the root.
func (r *Router) AddProgram(name, to string) error {
	from, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return err
	}
	if err := copyFile(r.Path(to), from); err != nil {
		return err
	}
	out, err := exec.Command("ldd", from).Output()
	if err != nil {
		return nil // a static program has none
	}
	for line := range strings.Lines(string(out)) {
		for field := range strings.FieldsSeq(line) {
			if strings.HasPrefix(field, "/") {
				if err := copyFile(r.Path(field), field); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// WriteFile writes a file of the root and makes the folders that it needs.
func (r *Router) WriteFile(name, text string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(r.Path(name)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(r.Path(name), []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(r.Path(name), mode)
}

// MoveTo has all that is run from now on run in a network namespace, with that machine's real ip and nft.
func (r *Router) MoveTo(n *netns.Namespace) error {
	r.namespace = n
	for _, name := range []string{"/sbin/ip", "/usr/sbin/nft"} {
		if err := os.Remove(r.Path(name)); err != nil {
			return err
		}
	}
	if err := os.Symlink("/bin/busybox", r.Path("/sbin/ip")); err != nil { // as OpenWrt has it
		return err
	}
	return r.AddProgram("nft", "/usr/sbin/nft")
}

// start starts a command where everything runs.
func (r *Router) start(cmd *exec.Cmd) error {
	if r.namespace != nil {
		return r.namespace.Start(cmd)
	}
	return cmd.Start()
}

// Run runs a command inside the root, in busybox's shell where it is a script. The error has what it printed to stderr.
func (r *Router) Run(args ...string) (output string, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path = args[0]
	cmd.Err = nil // that it is not found outside of the root means nothing
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = inside(r.Dir)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	r.order()
	err = r.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	r.order()
	if err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// order puts what the caller did before what a Program does from now on, and what Programs did behind it. A script does
// so too, but the race detector, which sees this process alone, cannot know.
func (r *Router) order() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

// inside changes the root of a process; where this one is not root, in a user namespace of its own.
func inside(dir string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Chroot: dir}
	if os.Getuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// serve answers programs until the listener is closed.
func (r *Router) serve() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.serving.Go(func() {
			defer conn.Close()
			var c Call
			if json.NewDecoder(conn).Decode(&c) != nil || len(c.Args) == 0 {
				return
			}
			output, code := r.answer(c)
			_ = json.NewEncoder(conn).Encode(map[string]any{"Output": output, "Code": code})
		})
	}
}

// Play has p answer when a script calls the program, or shell function, of that name.
func (r *Router) Play(name string, p Program) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.programs[name] = p
}

// SetAddresses gives interfaces their IPv4 addresses, by name, and IPv6 ones, by "NAME 6".
func (r *Router) SetAddresses(of map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = of
}

// answer plays the program that was called.
func (r *Router) answer(c Call) (output string, code int) {
	if c.Args[0] == "router" {
		c.Args = c.Args[1:] // a shell function that forwards
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	name, args := c.Args[0], c.Args[1:]
	if p := r.programs[name]; p != nil {
		r.mu.Unlock()
		defer r.mu.Lock()
		return p(c)
	}
	switch name {
	case "config_load":
		return assignments(r.Path("/etc/config/" + args[0]))
	case "uci":
		return r.uci(args, c.Input)
	case "ubus":
		r.mu.Unlock() // a handler may be about to run a script
		defer r.mu.Lock()
		return r.ubus(args)
	case "logger":
		r.logged(args, c.Input)
	case "killall", "ip", "nft":
	case "chown":
		return "", failed(r.chown(args))
	case "network_get_ipaddr":
		return r.addresses[args[0]], 0
	case "network_get_ipaddr6":
		return r.addresses[args[0]+" 6"], 0
	default:
		if !strings.HasPrefix(name, "procd_") && !strings.HasPrefix(name, "json_") {
			r.unknown = append(r.unknown, c.String())
			return "", 127
		}
		return r.tellProcd(c)
	}
	return "", 0
}

// chown gives files to a user of the root's, where this process may. Like OpenWrt's busybox, which is built without
// CONFIG_DESKTOP, it follows links unless it is told -h, with -R too.
func (r *Router) chown(args []string) error {
	var recursive, links bool
	for ; len(args) > 0 && strings.HasPrefix(args[0], "-"); args = args[1:] {
		recursive = recursive || strings.Contains(args[0], "R")
		links = links || strings.Contains(args[0], "h")
	}
	if os.Getuid() != 0 {
		return nil
	}
	user, _, _ := strings.Cut(args[0], ":")
	uid, gid, err := r.account(user)
	if err != nil {
		return nil // before the package's user exists, the calls alone are looked at
	}
	for _, top := range args[1:] {
		err = errors.Join(err, filepath.WalkDir(r.Path(top), func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if to, err := os.Readlink(name); err == nil && !links {
				if !filepath.IsAbs(to) {
					to = filepath.Join(filepath.Dir(strings.TrimPrefix(name, r.Dir)), to)
				}
				name = r.Path(to) // never out of the root
			}
			if err := os.Lchown(name, int(uid), int(gid)); err != nil || recursive {
				return err
			}
			return fs.SkipAll
		}))
	}
	return err
}

// tellProcd takes a call of procd.sh, which makes its message inside the shell: that of one script is no other's, though
// both run at once. The caller holds mu.
func (r *Router) tellProcd(c Call) (output string, code int) {
	name, args, p, s := c.Args[0], c.Args[1:], r.procd, r.scribes[c.Shell]
	if s == nil {
		s = &scribe{}
	}
	switch name {
	case "procd_running":
		if !r.running[args[0]] {
			return "", 1
		}
	case "procd_kill":
		delete(r.services, args[0])
		delete(r.running, args[0])
		if p != nil {
			p.kill(args[0])
		}
	case "procd_open_service":
		s.take(name, args)
		r.scribes[c.Shell] = s
	case "procd_close_service":
		delete(r.scribes, c.Shell)
		r.services[s.service.Name] = s.service
		r.running[s.service.Name] = len(s.service.Instances) > 0
		if p != nil {
			p.set(s.service)
		}
	case "procd_send_signal":
		if p != nil && p.signal(args[0], syscall.SIGHUP) != nil {
			return "", 1
		}
	case "procd_set_config_changed":
		if p != nil {
			r.mu.Unlock()
			defer r.mu.Lock()
			p.Event("config.change", ubus.Table{{Name: "package", Value: args[0]}})
		}
	default:
		if !s.take(name, args) {
			r.unknown = append(r.unknown, c.String())
			return "", 127
		}
	}
	return "", 0
}

// logged keeps what logger is told: "PRIORITY TEXT", line by line.
func (r *Router) logged(args []string, input string) {
	priority, text := "user.notice", []string(nil)
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-p":
			i++
			priority = args[i]
		case "-t":
			i++
		default:
			text = append(text, args[i])
		}
	}
	if len(text) > 0 {
		input = strings.Join(text, " ")
	}
	for line := range strings.Lines(input) {
		r.log = append(r.log, priority+" "+strings.TrimSuffix(line, "\n"))
	}
}

// Service returns what procd was last told of a service, nil if it was not, or was told to forget it.
func (r *Router) Service(name string) *Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.services[name]
}

// Calls returns the calls since the last time that were made to one of the programs.
func (r *Router) Calls(programs ...string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := []string{}
	for _, c := range r.calls {
		if slices.Contains(programs, c.Args[0]) {
			calls = append(calls, c.String())
		}
	}
	r.calls = nil
	return calls
}

// Log returns the lines that were logged since the last time.
func (r *Router) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

// Unknown returns the calls that no double knows: each is a mistake in a script or a gap in the doubles.
func (r *Router) Unknown() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.unknown)
}
