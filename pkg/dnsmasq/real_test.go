package dnsmasq

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sniroute/sniroute/lab/freeport"
)

// What the upstream server says to everything: a question that is answered with these has left the LAN.
var (
	upstreamA     = "203.0.113.1"
	upstreamAAAA  = "2001:db8::1"
	upstreamTXT   = "upstream"
	upstreamHTTPS = "public.example.net."
)

// An upstream is a DNS server that has an answer to every question and remembers what it was asked.
type upstream struct {
	conn *net.UDPConn
	done sync.WaitGroup

	mu    sync.Mutex
	asked []string // "NAME TYPE", guarded by mu
}

func startUpstream(t *testing.T) *upstream {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{conn: conn}
	u.done.Go(u.serve)
	t.Cleanup(func() {
		conn.Close()
		u.done.Wait()
	})
	return u
}

func (u *upstream) serve() {
	buf := make([]byte, 4096)
	for {
		n, client, err := u.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if answer := u.answer(buf[:n]); answer != nil {
			u.conn.WriteToUDPAddrPort(answer, client)
		}
	}
}

func (u *upstream) answer(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	u.mu.Lock()
	u.asked = append(u.asked, question(q.Name.String(), q.Type))
	u.mu.Unlock()
	var body dnsmessage.ResourceBody
	switch q.Type {
	case dnsmessage.TypeA:
		body = &dnsmessage.AResource{A: netip.MustParseAddr(upstreamA).As4()}
	case dnsmessage.TypeAAAA:
		body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(upstreamAAAA).As16()}
	case dnsmessage.TypeTXT:
		body = &dnsmessage.TXTResource{TXT: []string{upstreamTXT}}
	case dnsmessage.TypeHTTPS:
		service := dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName(upstreamHTTPS)}
		body = &dnsmessage.HTTPSResource{SVCBResource: service}
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if body != nil {
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
		m.Answers = []dnsmessage.Resource{{Header: head, Body: body}}
	}
	packed, _ := m.Pack()
	return packed
}

// saw reports whether the question has reached the server, and forgets all that have.
func (u *upstream) saw(name string, kind dnsmessage.Type) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer func() { u.asked = nil }()
	return slices.Contains(u.asked, question(name, kind))
}

func question(name string, kind dnsmessage.Type) string {
	return string(bytes.TrimSuffix([]byte(name), []byte("."))) + " " + strconv.Itoa(int(kind))
}

// A server is a dnsmasq process that reads the files of a Publisher.
type server struct {
	dir, hosts, servers, pid, log string

	environment []string // more of it

	address  string
	upstream *upstream
	command  *exec.Cmd
	ended    chan struct{} // closed when the command has
}

// patience is how long a test waits for what must happen; it says nothing about speed.
const patience = time.Minute

// newServer names the files; start runs dnsmasq.
func newServer(t *testing.T) *server {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "hosts"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &server{
		dir:      dir,
		hosts:    filepath.Join(dir, "hosts", "sniroute"),
		servers:  filepath.Join(dir, "hosts", ".sniroute.servers"),
		pid:      filepath.Join(dir, "dnsmasq.lan.pid"),
		log:      filepath.Join(dir, "log"),
		upstream: startUpstream(t),
	}
}

// options are those of a Publisher for this server.
func (s *server) options() Options {
	return Options{
		HostsFile: s.hosts, ServersFile: s.servers, Notify: NotifySignal, PIDFiles: []string{s.pid},
	}
}

// start runs dnsmasq and waits until it answers. Both files must exist, as the init script sees to on a router.
func (s *server) start(t *testing.T, arguments ...string) {
	t.Helper()
	t.Cleanup(s.stop)
	for range 5 { // somebody else may take the port before dnsmasq does
		s.launch(t, arguments)
		if s.answers() {
			return
		}
		s.stop()
	}
	log, _ := os.ReadFile(s.log)
	t.Fatalf("dnsmasq does not answer:\n%s", log)
}

func (s *server) launch(t *testing.T, arguments []string) {
	t.Helper()
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t) // for UDP it may be taken before dnsmasq is there
	s.address = net.JoinHostPort("127.0.0.1", port)
	s.command = exec.Command("dnsmasq", append([]string{
		"--keep-in-foreground", "--conf-file", "--no-resolv", "--no-hosts", "--user=" + self.Username,
		"--listen-address=127.0.0.1", "--bind-interfaces", "--port=" + port, "--pid-file=" + s.pid,
		"--server=127.0.0.1#" + strconv.Itoa(s.upstream.conn.LocalAddr().(*net.UDPAddr).Port),
		"--addn-hosts=" + filepath.Dir(s.hosts), "--servers-file=" + s.servers,
		"--log-facility=" + s.log, "--log-queries",
	}, arguments...)...)
	s.command.Env = append(os.Environ(), s.environment...)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	command, ended := s.command, make(chan struct{})
	s.ended = ended
	go func() {
		defer close(ended)
		command.Wait()
	}()
}

// answers waits until dnsmasq answers; it does not where it has ended.
func (s *server) answers() bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-s.ended:
			return false
		default:
		}
		if _, err := s.exchange("up.example.net", dnsmessage.TypeA, 2*time.Second); err == nil {
			return true
		}
	}
	return false
}

// stop ends dnsmasq and waits for it.
func (s *server) stop() {
	if s.command != nil {
		s.command.Process.Kill()
		<-s.ended
		s.command = nil
	}
}

// freePort returns a port of 127.0.0.1 that is the test's for TCP and nobody's for UDP.
func freePort(t *testing.T) string {
	for range 100 {
		at := freeport.Reserve(t)
		if conn, err := net.ListenPacket("udp", at.String()); err == nil {
			conn.Close()
			return strconv.Itoa(int(at.Port()))
		}
	}
	t.Fatal("no port is free")
	return ""
}

// ask returns the answers of dnsmasq, sorted, or the error that it answers with.
func (s *server) ask(t *testing.T, name string, kind dnsmessage.Type) []string {
	t.Helper()
	m, err := s.exchange(name, kind, patience)
	if err != nil {
		t.Fatalf("asking for %s: %v", question(name, kind), err)
	}
	if m.RCode != dnsmessage.RCodeSuccess {
		return []string{m.RCode.String()}
	}
	answers := []string{}
	for _, resource := range m.Answers {
		switch body := resource.Body.(type) {
		case *dnsmessage.AResource:
			answers = append(answers, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			answers = append(answers, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.TXTResource:
			answers = append(answers, body.TXT...)
		case *dnsmessage.HTTPSResource:
			answers = append(answers, body.Target.String())
		default:
			t.Fatalf("asking for %s: unexpected %v", question(name, kind), resource)
		}
	}
	slices.Sort(answers)
	return answers
}

func (s *server) exchange(name string, kind dnsmessage.Type, within time.Duration) (*dnsmessage.Message, error) {
	query := dnsmessage.Message{
		Header: dnsmessage.Header{ID: uint16(time.Now().UnixNano()), RecursionDesired: true},
		Questions: []dnsmessage.Question{
			{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET},
		},
	}
	packed, err := query.Pack()
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("udp", s.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(within))
	if _, err := conn.Write(packed); err != nil {
		return nil, err
	}
	buf := make([]byte, 65535)
	n, err := conn.Read(buf)
	if err != nil {
		return nil, err
	}
	var answer dnsmessage.Message
	return &answer, answer.Unpack(buf[:n])
}

// publish has p publish records and fails the test if it cannot.
func publish(t *testing.T, p *Publisher, records ...string) {
	t.Helper()
	if !p.publish(context.Background(), parseRecords(t, records)) {
		t.Fatal(p.State().Err)
	}
}

// eventually waits until something has come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never: ", what)
}
