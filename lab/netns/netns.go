// Package netns stages a network in one process tree: network namespaces as hosts, veth pairs as cables, bridges as
// switches. Nothing of it can leak into the machine: New works only after Isolate, which restarts the program in
// namespaces of its own. When that program ends, however it ends, the kernel removes the processes, interfaces,
// firewall rules, mounts and files of the lab with it.
//
//	func main() {
//		if err := netns.Isolate(); err != nil {
//			log.Fatal(err)
//		}
//		a, _ := netns.New("a")
//		b, _ := netns.New("b")
//		netns.Connect(a, "eth0", b, "eth0")
//		a.Address("eth0", netip.MustParsePrefix("10.0.0.1/24"))
//		b.Address("eth0", netip.MustParsePrefix("10.0.0.2/24"))
//		out, err := a.Output(exec.Command("ping", "-c1", "10.0.0.2"))
//	}
//
// It needs iproute2, and either root or a kernel that lets a plain user make user namespaces.
package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// A Namespace is one host of the lab. Its methods may be called from any goroutine.
type Namespace struct {
	Name string

	file *os.File // the kernel's handle
}

// New makes a network namespace whose loopback interface is up and whose IPv6 addresses are usable at once (no
// duplicate address detection, no router advertisements). `ip netns exec NAME` finds it from within the lab.
func New(name string) (*Namespace, error) {
	if !Isolated() {
		return nil, errors.New("netns: New before Isolate")
	}
	if err := ip("netns", "add", name); err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join("/run/netns", name))
	if err != nil {
		return nil, fmt.Errorf("open namespace: %w", err)
	}
	n := &Namespace{Name: name, file: file}
	if err := ip("-n", name, "link", "set", "lo", "up"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	for _, all := range []string{"all", "default"} {
		for _, setting := range []string{"accept_dad", "accept_ra"} {
			if err := n.Sysctl("net.ipv6.conf."+all+"."+setting, "0"); err != nil {
				return nil, errors.Join(err, n.Close())
			}
		}
	}
	return n, nil
}

// Close removes the namespace's name. The namespace itself ends with the last process and socket in it.
func (n *Namespace) Close() error {
	return errors.Join(n.file.Close(), ip("netns", "delete", n.Name))
}

// Do calls f on a thread of its own that is inside the namespace. Sockets that f makes and processes that it starts
// belong to the namespace for good; goroutines that f starts do not.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter namespace %s: %w", n.Name, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// Start starts cmd inside the namespace. cmd must not set SysProcAttr.Pdeathsig: the starting thread ends at once.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	return n.Do(cmd.Start)
}

// Run starts cmd inside the namespace and waits for it.
func (n *Namespace) Run(cmd *exec.Cmd) error {
	if err := n.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Output runs cmd inside the namespace and returns what it wrote to its standard output. The error carries the
// beginning of what it wrote to standard error.
func (n *Namespace) Output(cmd *exec.Cmd) ([]byte, error) {
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := n.Run(cmd)
	if err != nil {
		text := strings.TrimSpace(complaint.String())
		err = fmt.Errorf("%s in %s: %w: %.500s", filepath.Base(cmd.Path), n.Name, err, text)
	}
	return []byte(out.String()), err
}

// Dial connects from inside the namespace. address is an IP address with a port, never a name: the resolver would not
// run in the namespace.
func (n *Namespace) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from %s: %w", n.Name, err)
	}
	var conn net.Conn
	err := n.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens inside the namespace on an IP address with a port.
func (n *Namespace) Listen(network, address string) (net.Listener, error) {
	var listener net.Listener
	err := n.Do(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	return listener, err
}

// Sysctl sets a kernel parameter of the namespace's network, such as net.ipv4.ip_forward.
func (n *Namespace) Sysctl(name, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	return n.Do(func() error {
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("sysctl in %s: %w", n.Name, err)
		}
		return nil
	})
}
