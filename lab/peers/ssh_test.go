package peers

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sniroute/sniroute/lab/house"
)

// withSSH has OpenSSH behind the TLS port (8443, the WAN's 443), and listeners with the other two ways.
const withSSH = `
config listener 'https'
	list listen ':8443'
	option non_tls 'ssh'
	option inspect_delay '1s'
	option default_backend 'web'
config listener 'rejects'
	list listen ':8444'
	option wan_port '0'
	option non_tls 'reject'
	option inspect_delay '1s'
	option default_backend 'ssh'
config listener 'by_default'
	list listen ':8445'
	option wan_port '0'
	option non_tls 'default'
	option inspect_delay '1s'
	option default_backend 'ssh'
config listener 'fronted'
	list listen ':8446'
	option wan_port '0'
	option non_tls 'ssh'
	option inspect_delay '1s'
	list accept_proxy '192.168.0.20/32'

config backend 'ssh'
	list server '192.168.0.2:22'
config backend 'web'
	list server '192.168.0.3:443'
config route
	list host 'app.example.com'
	option backend 'web'
`

// TestSSH: a person logs in to their NAS through port 443, and copies files, while browsers use the same port.
func TestSSH(t *testing.T) {
	h := build(t)
	if _, err := h.StartWeb(h.ctx, h.External, "app.example.com"); err != nil {
		t.Fatal(err)
	}
	public := h.sshd(h.NAS)
	h.start(withSSH)

	ssh := func(from *house.Host, at netip.AddrPort, command string) (string, error) {
		return h.run(from, "ssh", append(h.sshOptions("-p", at), "root@"+at.Addr().String(), command)...)
	}
	for _, at := range []string{"203.0.113.1:443", "[2001:db8::1]:443"} {
		out, err := ssh(h.WAN, netip.MustParseAddrPort(at), "echo on $(hostname) from $SSH_CONNECTION")
		if err != nil || !strings.Contains(out, "192.168.0.2 22") { // where the server was reached
			t.Errorf("%s: %v\n%s", at, err, out)
		}
	}

	t.Run("copies", func(t *testing.T) {
		content := make([]byte, 20<<20)
		_, _ = rand.Read(content)
		h.must(os.WriteFile(h.path("sent"), content, 0o600))
		there, back := h.path("nas/there"), h.path("back")
		remote := "root@203.0.113.1:" + there
		for _, pair := range [][2]string{{h.path("sent"), remote}, {remote, back}} {
			if out, err := h.run(h.WAN, "scp", append(h.sshOptions("-P", wan), pair[0], pair[1])...); err != nil {
				t.Fatalf("scp %v: %v\n%s", pair, err, out)
			}
		}
		for _, file := range []string{there, back} {
			if sha256.Sum256([]byte(h.read(file))) != sha256.Sum256(content) {
				t.Errorf("%s is not what was sent", file)
			}
		}
	})

	// overTLS has a browser ask. Its hello may come late on a busy machine, and is not to be taken for silence.
	overTLS := func(from *house.Host, at netip.AddrPort) answer {
		h.reload(strings.ReplaceAll(withSSH, "inspect_delay '1s'", "inspect_delay '1m'"))
		defer h.reload(withSSH)
		return h.curl(from, at, "https://app.example.com/")
	}

	t.Run("a session at rest", func(t *testing.T) { // beyond inspect_delay, with TLS on the same port meanwhile
		cmd := exec.CommandContext(h.ctx, "ssh", append(h.sshOptions("-p", wan), "root@"+wan.Addr().String(),
			"echo ready; read word; echo still $word")...)
		in, err := cmd.StdinPipe()
		h.must(err)
		out, err := cmd.StdoutPipe()
		h.must(err)
		h.must(h.WAN.Start(cmd))
		said := bufio.NewReader(out)
		if line, err := said.ReadString('\n'); line != "ready\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		time.Sleep(2 * time.Second)
		if got := overTLS(h.WAN, wan); !strings.HasPrefix(got.body, "app.example.com on external") {
			t.Errorf("got %q, %v", got.body, got.err)
		}
		_, err = io.WriteString(in, "here\n")
		h.must(err)
		if line, err := said.ReadString('\n'); line != "still here\n" {
			t.Errorf("got %q, %v", line, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})

	t.Run("a client that waits for the server", func(t *testing.T) {
		out, err := h.run(h.WAN, "ssh-keyscan", "-p", "443", "-T", "120", "-t", "ed25519", "203.0.113.1")
		if err != nil || !strings.Contains(out, public) {
			t.Errorf("ssh-keyscan does not get %s: %v\n%s", public, err, out)
		}
		got, err := h.silent(h.WAN, wan)
		if err != nil || !strings.HasPrefix(got, "SSH-2.0-OpenSSH") {
			t.Errorf("got %q, %v, want the banner", got, err)
		}
	})

	t.Run("the same behind another proxy", func(t *testing.T) {
		front, err := h.AddHost("front", 20)
		h.must(err)
		h.haproxy(front, 2001, `
listen v1
	mode tcp
	bind :2001
	server router 192.168.0.1:8446 send-proxy
listen v2
	mode tcp
	bind :2002
	server router 192.168.0.1:8446 send-proxy-v2
`)
		for _, port := range []string{"2001", "2002"} {
			out, err := h.run(h.Client, "ssh-keyscan", "-p", port, "-T", "120", "-t", "ed25519", front.IPv4.String())
			if err != nil || !strings.Contains(out, public) {
				t.Errorf("ssh-keyscan by port %s does not get %s: %v\n%s", port, public, err, out)
			}
		}
		if out, err := ssh(h.Client, netip.AddrPortFrom(front.IPv4, 2002), "echo in"); err != nil || !strings.HasSuffix(out, "in") {
			t.Errorf("got %v\n%s", err, out)
		}
	})

	t.Run("reject", func(t *testing.T) {
		at := netip.MustParseAddrPort("192.168.0.1:8444")
		if out, err := ssh(h.Client, at, "true"); err == nil || !strings.Contains(out, "kex_exchange_identification") {
			t.Errorf("got %v\n%s", err, out)
		}
		if got, err := h.silent(h.Client, at); err != nil || got != "" {
			t.Errorf("a silent client got %q, %v", got, err)
		}
		if got := overTLS(h.Client, at); got.err != nil {
			t.Errorf("TLS on it: %v", got.err)
		}
		if r := h.rejected("rejects"); r["not_tls"] != 2 {
			t.Errorf("counted are %v", r)
		}
	})

	t.Run("default", func(t *testing.T) {
		at := netip.MustParseAddrPort("192.168.0.1:8445")
		if out, err := ssh(h.Client, at, "echo in"); err != nil || !strings.HasSuffix(out, "in") {
			t.Errorf("got %v\n%s", err, out)
		}
		if got, err := h.silent(h.Client, at); err != nil || !strings.HasPrefix(got, "SSH-2.0-OpenSSH") {
			t.Errorf("a silent client got %q, %v", got, err)
		}
		if got := overTLS(h.Client, at); got.err != nil {
			t.Errorf("TLS on it: %v", got.err)
		}
	})

	t.Run("half a hello", func(t *testing.T) { // is TLS, and goes nowhere when the time is over
		h.reload(strings.ReplaceAll(withSSH, "inspect_delay '1s'", "inspect_delay '5s'"))
		conn, err := h.WAN.Dial(h.ctx, "tcp", wan.String())
		h.must(err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Write([]byte{22, 3, 1})
		h.must(err)
		if got, _ := io.ReadAll(conn); len(got) > 0 {
			t.Errorf("got %q", got)
		}
	})
}

// sshd starts OpenSSH on a host, with a key that lets the test in, and returns its host key.
func (h *home) sshd(host *house.Host) (public string) {
	h.t.Helper()
	dir := h.path(host.Name)
	h.must(os.MkdirAll(dir, 0o755))
	h.must(os.MkdirAll("/run/sshd", 0o755)) // where it locks its unprivileged child in
	for _, key := range []string{"host", "user"} {
		out, err := h.run(host, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", dir+"/"+key)
		if err != nil {
			h.t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	public = strings.TrimSpace(h.read(dir + "/host.pub"))
	h.write(host.Name+"/authorized", h.read(dir+"/user.pub"))
	h.write("known_hosts", "* "+public+"\n")
	config := h.write(host.Name+"/sshd_config", fmt.Sprintf(`
ListenAddress %[2]s
HostKey %[1]s/host
AuthorizedKeysFile %[1]s/authorized
PidFile none
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp
`, dir, host.IPv4))
	h.serve(host, 22, "sshd", "/usr/sbin/sshd", "-D", "-e", "-f", config)
	return public
}

// sshOptions are those of ssh and scp, whose options for the port differ.
func (h *home) sshOptions(port string, at netip.AddrPort) []string {
	return []string{
		port, fmt.Sprint(at.Port()), "-F", "none", "-i", h.path("nas/user"), "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + h.path("known_hosts"),
	}
}

// silent connects, says nothing and returns the first line that comes, or nothing where the connection is closed.
func (h *home) silent(from *house.Host, at netip.AddrPort) (string, error) {
	h.t.Helper()
	conn, err := from.Dial(h.ctx, "tcp", at.String())
	h.must(err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	buffer := make([]byte, 256)
	n, err := conn.Read(buffer)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return string(buffer[:n]), err
}
