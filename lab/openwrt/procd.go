package openwrt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sniroute/sniroute/pkg/ubus"
)

// A Procd is a double of procd: it runs the instances that it is told of, and the scripts of triggers, and is the
// object service on the bus.
type Procd struct {
	router *Router
	bus    *Bus
	client *ubus.Client
	stop   context.CancelFunc

	running sync.WaitGroup // processes, triggers and the client

	mu        sync.Mutex
	ending    bool
	processes map[string]*process // by "SERVICE INSTANCE"
	outside   map[string]int      // process ids of services that others run
	scripts   [][]string          // of triggers, to be run
	working   bool                // somebody runs them
	idle      sync.Cond           // nobody does any more; its lock is mu
}

// A process is one that runs, again whenever it crashes.
type process struct {
	instance Instance
	stopping chan struct{} // closed when it is to end
	ended    chan struct{} // closed when it has ended for good

	mu  sync.Mutex
	cmd *exec.Cmd // nil: it could not be started
}

// patience is how long an answer on the bus may take on a busy machine.
const patience = time.Minute

// respawnDelay stands for the seconds that procd waits.
const respawnDelay = 100 * time.Millisecond

// termTimeout is how long a process may take to end before it is killed. procd's five seconds are for a machine that has
// nothing else to do.
const termTimeout = 30 * time.Second

// StartProcd has the router run what procd is told, on a bus of its own.
func (r *Router) StartProcd() (*Procd, error) {
	if err := os.MkdirAll(r.Path("/var/run/ubus"), 0o755); err != nil {
		return nil, err
	}
	path := r.Path(ubus.DefaultPath)
	bus, err := StartBus(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Procd{router: r, bus: bus, stop: stop, processes: map[string]*process{}, outside: map[string]int{}}
	p.idle.L = &p.mu
	p.client = ubus.NewClient(ubus.Options{Path: path, Objects: []ubus.Object{p.object()}})
	p.running.Go(func() { _ = p.client.Run(ctx) })
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := p.client.Call(ctx, "service", "list", nil)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("procd's object does not come to the bus: %w", err), p.Close())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.procd = p
	return p, nil
}

// Close ends all processes and waits for them.
func (p *Procd) Close() error {
	p.router.mu.Lock()
	p.router.procd = nil
	p.router.mu.Unlock()
	p.mu.Lock()
	p.ending = true
	all := p.processes
	p.processes = map[string]*process{}
	p.mu.Unlock()
	for _, running := range all {
		running.end()
	}
	p.stop()
	p.running.Wait()
	return p.bus.Close()
}

// Outside has signals for a service go to a process that somebody else runs.
func (p *Procd) Outside(service string, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outside[service] = pid
}

// PID returns the process id of a service's only instance, 0 if it does not run.
func (p *Procd) PID(service string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, running := range p.processes {
		if strings.HasPrefix(name, service+" ") {
			return running.pid()
		}
	}
	return 0
}

// object is what procd has on the bus.
func (p *Procd) object() ubus.Object {
	return ubus.Object{Name: "service", Methods: []ubus.Method{
		{Name: "list", Handle: func(context.Context, ubus.Call) (ubus.Table, error) { return ubus.Table{}, nil }},
		{Name: "event", Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
			p.Event(c.Args.String("type"), c.Args.Table("data"))
			return nil, nil
		}},
		{Name: "signal", Handle: func(_ context.Context, c ubus.Call) (ubus.Table, error) {
			n, _ := c.Args.Int("signal")
			return nil, p.signal(c.Args.String("name"), syscall.Signal(n))
		}},
	}}
}

// set takes over what it is told of a service: instances that differ in more than data start again, those that are not
// there any more end.
func (p *Procd) set(s *Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return
	}
	for name, running := range p.processes {
		service, instance, _ := strings.Cut(name, " ")
		if service != s.Name {
			continue
		}
		if now, ok := s.Instances[instance]; !ok || !sameProcess(now, running.instance) {
			running.end()
			delete(p.processes, name)
		}
	}
	for name, instance := range s.Instances {
		key := s.Name + " " + name
		if p.processes[key] == nil {
			running := &process{instance: instance, stopping: make(chan struct{}), ended: make(chan struct{})}
			p.processes[key] = running
			p.start(running)
			p.running.Go(func() { p.supervise(running) })
		}
	}
}

// sameProcess says whether procd leaves an instance alone (procd's instance_config_changed).
func sameProcess(a, b Instance) bool {
	for key := range a {
		if key != "data" && !reflect.DeepEqual(a[key], b[key]) {
			return false
		}
	}
	return true
}

// kill ends all instances of a service.
func (p *Procd) kill(service string) { p.set(&Service{Name: service}) }

// start starts the process of an instance.
func (p *Procd) start(running *process) {
	cmd, err := p.command(running.instance)
	if err == nil {
		err = p.router.start(cmd)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "procd:", err)
		cmd = nil
	}
	running.mu.Lock()
	defer running.mu.Unlock()
	running.cmd = cmd
}

// supervise has an instance that was started run until it is to end.
func (p *Procd) supervise(running *process) {
	defer close(running.ended)
	for {
		running.mu.Lock()
		cmd := running.cmd
		running.mu.Unlock()
		if cmd == nil {
			return
		}
		crashed := make(chan struct{})
		p.running.Go(func() { _ = cmd.Wait(); close(crashed) })
		select {
		case <-running.stopping:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-crashed:
			case <-time.After(termTimeout):
				_ = cmd.Process.Kill()
				<-crashed
			}
			return
		case <-crashed:
		}
		select {
		case <-running.stopping:
			return
		case <-time.After(respawnDelay):
		}
		p.start(running)
	}
}

// command makes the process that an instance describes. Jail and limits it does not have.
func (p *Procd) command(i Instance) (*exec.Cmd, error) {
	var args []string
	for _, word := range i["command"].([]any) {
		args = append(args, word.(string))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path, cmd.Err = args[0], nil
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	env, _ := i["env"].(map[string]any)
	for key, value := range env {
		cmd.Env = append(cmd.Env, key+"="+value.(string))
	}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = inside(p.router.Dir)
	user, _ := i["user"].(string)
	uid, gid, err := p.router.account(user)
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
		if file, ok := i["capabilities"].(string); ok {
			if cmd.SysProcAttr.AmbientCaps, err = p.router.capabilities(file); err != nil {
				return nil, err
			}
		}
	}
	return cmd, nil
}

// capabilities reads which ones a program is to have, as ujail reads it; capabilities(7) has their numbers.
func (r *Router) capabilities(file string) ([]uintptr, error) {
	text, err := os.ReadFile(r.Path(file))
	if err != nil {
		return nil, err
	}
	var sets map[string][]string
	if err := json.Unmarshal(text, &sets); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	numbers := map[string]uintptr{"CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN}
	var list []uintptr
	for _, name := range sets["ambient"] {
		number, ok := numbers[name]
		if !ok {
			return nil, fmt.Errorf("%s: %s is not expected", file, name)
		}
		list = append(list, number)
	}
	return list, nil
}

// account looks a user up in /etc/passwd.
func (r *Router) account(user string) (uid, gid uint32, err error) {
	text, err := os.ReadFile(r.Path("/etc/passwd"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || fields[0] != user {
			continue
		}
		u, err1 := strconv.ParseUint(fields[2], 10, 32)
		g, err2 := strconv.ParseUint(fields[3], 10, 32)
		return uint32(u), uint32(g), errors.Join(err1, err2)
	}
	return 0, 0, fmt.Errorf("there is no user %q", user)
}

func (p *process) end() {
	close(p.stopping)
	<-p.ended
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// signal sends a signal to all instances of a service.
func (p *Procd) signal(service string, signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pid := p.outside[service]; pid != 0 {
		return syscall.Kill(pid, signal)
	}
	err := error(ubus.StatusNotFound)
	for name, running := range p.processes {
		if pid := running.pid(); strings.HasPrefix(name, service+" ") && pid != 0 { // 0 would be this process's own group
			err = syscall.Kill(pid, signal)
		}
	}
	return err
}

// Event has the scripts of the triggers run that an event sets off. As in procd they run one at a time, behind those of
// events before; the delay that procd leaves for more events of the kind it does not have.
func (p *Procd) Event(event string, data ubus.Table) {
	var scripts [][]string
	p.router.mu.Lock()
	for _, s := range p.router.services {
		for _, t := range s.Triggers {
			trigger := t.([]any)
			if trigger[0] == event {
				scripts = append(scripts, scriptsOf(trigger[1].([]any), data)...)
			}
		}
	}
	p.router.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts = append(p.scripts, scripts...)
	if !p.ending && !p.working && len(p.scripts) > 0 {
		p.working = true
		p.running.Go(p.work)
	}
}

// work runs the scripts of triggers until there are none.
func (p *Procd) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.scripts) > 0 && !p.ending {
		script := p.scripts[0]
		p.scripts = p.scripts[1:]
		p.mu.Unlock()
		if _, err := p.router.Run(script...); err != nil {
			fmt.Fprintln(os.Stderr, "procd:", err)
		}
		p.mu.Lock()
	}
	p.working = false
	p.idle.Broadcast()
}

// Settle returns when the scripts of all triggers have ended that events so far set off.
func (p *Procd) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.working {
		p.idle.Wait()
	}
}

// scriptsOf returns the commands of a rule: ["if", ["eq", KEY, VALUE], COMMAND], or a list of commands.
func scriptsOf(rule []any, data ubus.Table) [][]string {
	if rule[0] == "if" {
		condition := rule[1].([]any)
		if data.String(condition[1].(string)) != condition[2] {
			return nil
		}
		rule = rule[2:]
	}
	var scripts [][]string
	for _, r := range rule {
		var words []string
		for _, word := range r.([]any)[1:] {
			words = append(words, word.(string))
		}
		scripts = append(scripts, words)
	}
	return scripts
}

// ubus plays the tool: `ubus [-t SECONDS] call OBJECT METHOD [JSON]`.
func (r *Router) ubus(args []string) (output string, code int) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[2:]
	}
	if len(args) < 3 || args[0] != "call" {
		return "", 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := ubus.Dial(ctx, r.Path(ubus.DefaultPath))
	if err != nil {
		return "Failed to connect to ubus\n", 255
	}
	defer conn.Close()
	var table ubus.Table
	if len(args) > 3 {
		if table, err = ubus.ParseJSON([]byte(args[3])); err != nil {
			return "Failed to parse message data\n", 2
		}
	}
	answer, err := conn.Call(ctx, args[1], args[2], table)
	if err != nil {
		return "Command failed: " + err.Error() + "\n", 4
	}
	text, err := json.MarshalIndent(answer, "", "\t")
	if err != nil {
		return err.Error(), 1
	}
	return string(text) + "\n", 0
}
