package dnsmasq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// chores are what remains to be done after files have changed.
type chores struct {
	domains bool // the domains file is to be taken over
	reload  bool // dnsmasq is to read the hosts and servers files again
	restart bool // dnsmasq is to start again
	hook    bool // the hook is to be run
}

func (a chores) and(b chores) chores {
	return chores{a.domains || b.domains, a.reload || b.reload, a.restart || b.restart, a.hook || b.hook}
}

// do does the chores that can be done now. What fails remains.
func (p *Publisher) do(ctx context.Context, c content) error {
	var failed error
	try := func(chore *bool, what string, do func() error) {
		if !*chore {
			return
		}
		if err := do(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", what, err))
			return
		}
		*chore = false
	}
	try(&p.chores.domains, "having the dhcp domain sections written", func() error { return p.notifier.domains(ctx) })
	try(&p.chores.reload, "telling dnsmasq", func() error {
		way, err := p.notifier.reload(ctx, c.domainServers)
		if err == nil {
			p.noteWay(way)
		}
		return err
	})
	if p.hookIsOurs() {
		try(&p.chores.hook, "running the DNS hook", func() error {
			return runHook(ctx, p.options.Hook, p.options.HostsFile)
		})
	} else {
		p.chores.hook = false
	}
	if !time.Now().Before(p.restart) {
		try(&p.chores.restart, "having dnsmasq restarted for the wildcards", func() error {
			err := p.notifier.restart(ctx)
			if err == nil {
				p.restart = time.Now().Add(restartInterval)
			}
			return err
		})
	}
	return failed
}

// noteWay remembers how dnsmasq was told.
func (p *Publisher) noteWay(way string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Notify = way
}

// hookIsOurs reports whether the hook is to be run from here: the event on ubus makes procd run it.
func (p *Publisher) hookIsOurs() bool {
	if p.options.Hook == "" || !usesUBus(p.options) {
		return p.options.Hook != ""
	}
	way := p.State().Notify
	return way != NotifyUBus && way != ""
}

const (
	hookTimeout = 10 * time.Second
	hookOutput  = 1 << 10 // bytes of a failed hook's output that are shown
)

// runHook runs the program with the hosts file's name as its only argument.
func runHook(ctx context.Context, program, hostsFile string) error {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, program, hostsFile)
	command.WaitDelay = time.Second // for children that keep the output open
	output, err := command.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if text := bytes.TrimSpace(output[:min(len(output), hookOutput)]); len(text) > 0 {
		return fmt.Errorf("%s: %w: %q", program, err, text)
	}
	return fmt.Errorf("%s: %w", program, err)
}
