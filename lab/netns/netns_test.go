package netns

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("NETNS_TEST_OUTSIDE") != "" { // the program that TestEverythingEndsWithTheProgram starts and kills
		exitOn(Isolate())
		fmt.Println("isolated")
		select {}
	}
	Main(m)
}

// pair returns two connected hosts, at 10.0.0.1 and 10.0.0.2 and at fd00::1 and fd00::2.
func pair(t *testing.T) (a, b *Namespace) {
	t.Helper()
	hosts := make([]*Namespace, 2)
	for i, name := range []string{"a", "b"} {
		n, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		hosts[i] = n
	}
	a, b = hosts[0], hosts[1]
	if err := Connect(a, "eth0", b, "eth0"); err != nil {
		t.Fatal(err)
	}
	for i, n := range hosts {
		err := n.Address("eth0", netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1)),
			netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", i+1)))
		if err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func TestDialAndListen(t *testing.T) {
	a, b := pair(t)
	for _, address := range []string{"10.0.0.2:443", "[fd00::2]:443"} {
		listener, err := b.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, conn.RemoteAddr())
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := a.Dial(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		seen, err := io.ReadAll(conn)
		if err != nil || string(seen) != conn.LocalAddr().String() {
			t.Errorf("%s: listener saw %q, %v; dialled from %s", address, seen, err, conn.LocalAddr())
		}
	}
	if _, err := a.Dial(context.Background(), "tcp", "localhost:443"); err == nil {
		t.Error("a name was dialled")
	}
}

func TestCommandsRunInside(t *testing.T) {
	a, b := pair(t)
	for n, want := range map[*Namespace]string{a: "10.0.0.1/24", b: "10.0.0.2/24"} {
		out, err := n.Output(exec.Command("ip", "-4", "address", "show", "dev", "eth0"))
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %q, %v; want %s", n.Name, out, err, want)
		}
	}
	_, err := a.Output(exec.Command("sh", "-c", "echo no such thing >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "sh in a") {
		t.Errorf("error %v names neither the command nor its complaint", err)
	}
	out, err := exec.Command("ip", "-o", "link").Output()
	if err != nil || strings.Contains(string(out), "eth0") {
		t.Errorf("the lab's own namespace has an interface of a host: %q, %v", out, err)
	}
}

func TestRouteThroughFirewall(t *testing.T) {
	a, b := pair(t)
	c, err := New("c")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := Connect(b, "port1", c, "eth0"); err != nil {
		t.Fatal(err)
	}
	steps := []error{
		b.Bridge("br-lan", "port1"),
		b.Address("br-lan", netip.MustParsePrefix("10.0.1.1/24")),
		b.Sysctl("net.ipv4.ip_forward", "1"),
		c.Address("eth0", netip.MustParsePrefix("10.0.1.2/24")),
		c.Route(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.1.1")),
		a.Route(netip.MustParsePrefix("10.0.1.0/24"), netip.MustParseAddr("10.0.0.2")),
		b.Firewall(`table ip lab { chain forward { type filter hook forward priority 0; tcp dport 81 reject; }; }`),
	}
	for i, err := range steps {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	for _, port := range []string{"80", "81"} {
		listener, err := c.Listen("tcp", "10.0.1.2:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := a.Dial(ctx, "tcp", "10.0.1.2:"+port)
		if (err == nil) != (port == "80") {
			t.Errorf("port %s: %v", port, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	if err := b.Firewall("nonsense"); err == nil {
		t.Error("a firewall that nft refuses was accepted")
	}
}

func TestEnter(t *testing.T) {
	if pid := PID(); strings.Trim(pid, "0123456789") != "" || pid == "" {
		t.Errorf("process id %q", pid)
	}
	if got, want := Enter(), "nsenter -t "+PID()+" -m -n -p"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The outer program is killed; the inner one, which would sleep for ever, must go with it: the pipe that it holds
// reaches its end.
func TestEverythingEndsWithTheProgram(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, isolatedVariable+"=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "NETNS_TEST_OUTSIDE=1")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if err := read.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("isolated\n"))
	if _, err := io.ReadFull(read, first); err != nil || string(first) != "isolated\n" {
		t.Fatalf("the inner program said %q, %v", first, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if rest, err := io.ReadAll(read); err != nil || len(rest) > 0 {
		t.Errorf("the inner program outlived the outer one: %q, %v", rest, err)
	}
}
