package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolatedVariable marks the environment of the restarted program. It says who started it (asRoot or asUser) and, once
// the lab is furnished, by which process id that is known outside.
const isolatedVariable = "SNIROUTE_LAB_ISOLATED"

const (
	asRoot = "root"
	asUser = "user" // in a user namespace too
)

// PID returns the program's process id as the machine outside the lab sees it; inside it is 1.
func PID() string {
	_, pid, _ := strings.Cut(os.Getenv(isolatedVariable), " ")
	return pid
}

// Enter returns the beginning of a command, an nsenter(1), that runs the rest of it inside the lab when it is given
// outside, by the same user.
func Enter() string {
	enter := "nsenter -t " + PID() + " -m -n -p"
	if strings.HasPrefix(os.Getenv(isolatedVariable), asUser) {
		enter += " -U --preserve-credentials"
	}
	return enter
}

// Isolated reports whether this program runs in namespaces of its own.
func Isolated() bool { return os.Getpid() == 1 && os.Getenv(isolatedVariable) != "" }

// Main is the body of a TestMain, of which it is given the testing.M: it runs the tests isolated and exits with what they
// return. prepare is called first, outside, where there are a network and a build cache; an error of it ends the program.
func Main(m interface{ Run() int }, prepare ...func() error) {
	if !Isolated() {
		for _, f := range prepare {
			exitOn(f())
		}
	}
	exitOn(Isolate())
	os.Exit(m.Run())
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Isolate restarts the program in network, process and mount namespaces of its own and, for a plain user, in a user
// namespace in which it is root. It belongs at the beginning of main or TestMain. In the program that was started
// first it returns only an error, otherwise it exits with the status of the second; in the second it returns nil.
//
// There, /run is an empty file system in memory, the one place to put files that should not outlive the lab; no
// network interface exists but loopback; and the death of either program, even by SIGKILL, ends every process that was
// started since.
func Isolate() error {
	if Isolated() {
		return furnish()
	}
	status, err := restart()
	if err != nil {
		return err
	}
	os.Exit(status)
	return nil
}

// restart runs this program again in new namespaces, passes signals on to it and returns its exit status.
func restart() (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	as := asRoot
	if os.Geteuid() != 0 {
		as = asUser
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.Env = append(os.Environ(), isolatedVariable+"="+as)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	runtime.LockOSThread() // Pdeathsig is about the thread that starts, not about the process
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("make namespaces: %w%s", err, remedy(err))
	}
	exited := make(chan struct{})
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s) // fails only when it has just ended
			case <-exited:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(exited)
	<-forwarded
	if failure := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failure) {
		return 0, fmt.Errorf("wait for the isolated program: %w", err)
	}
	if status := cmd.ProcessState.ExitCode(); status >= 0 {
		return status, nil
	}
	return 1, nil // ended by a signal
}

// remedy says what the person at the keyboard can do when namespaces are refused.
func remedy(err error) string {
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.ENOSPC) {
		return ""
	}
	if os.Geteuid() == 0 {
		return " (root may not make namespaces here: in a container it needs CAP_SYS_ADMIN and CAP_NET_ADMIN)"
	}
	for _, knob := range []struct{ path, refusing, command string }{
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=1000"},
	} {
		value, err := os.ReadFile(knob.path)
		if err == nil && strings.TrimSpace(string(value)) == knob.refusing {
			return " (this kernel keeps user namespaces from plain users: run as root, or `" + knob.command + "`)"
		}
	}
	return " (no user namespaces for plain users here: run as root)"
}

// furnish gives the new namespaces what a program expects to find: its own /proc, a private /run, loopback, and the
// administrator's programs on the PATH of a plain user.
func furnish() error {
	outside, err := os.Readlink("/proc/self") // still the outer /proc: the process id there
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.Setenv(isolatedVariable, os.Getenv(isolatedVariable)+" "+outside),
		os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"),
	); err != nil {
		return err
	}
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			if m.target == "/" && errors.Is(err, unix.EINVAL) {
				return errors.New("the root directory is no mount point: leave the chroot, or use pivot_root")
			}
			return fmt.Errorf("mount %s on %s: %w%s", m.kind, m.target, err, remedy(err))
		}
	}
	return ip("link", "set", "lo", "up")
}
