package dnsmasq

import (
	"context"
	"errors"
	"fmt"
)

// A notifier has dnsmasq take over what was written for it.
type notifier interface {
	// reload has dnsmasq read the hosts and servers files again and returns the way that told it.
	reload(ctx context.Context, domainServers []string) (way string, err error)
	// restart has dnsmasq start again.
	restart(ctx context.Context) error
	// domains has the domains file taken over.
	domains(ctx context.Context) error
	// forgotten receives when dnsmasq has lost what reload told it.
	forgotten() <-chan struct{}
	close()
}

// usesUBus reports whether ubus is asked first.
func usesUBus(o Options) bool {
	return o.UBus != nil && (o.Notify == NotifyUBus || o.Notify == NotifyAuto || o.Notify == "")
}

func newNotifier(o Options) (notifier, error) {
	switch o.Notify {
	case NotifyAuto, "":
		if usesUBus(o) {
			return either{first: procd{o.UBus}, second: newSignaller(o)}, nil
		}
		return newSignaller(o), nil
	case NotifyUBus:
		if o.UBus == nil {
			return nil, errors.New("there is no ubus to notify it by")
		}
		return procd{o.UBus}, nil
	case NotifySignal:
		return rooted(newSignaller(o), o.UBus), nil
	case NotifyDBus:
		return rooted(newDBus(o), o.UBus), nil
	case NotifyNone:
		return silence{}, nil
	}
	return nil, fmt.Errorf("there is no way %q to notify it", o.Notify)
}

// rooted is the notifier n, but what needs root is left to procd where there is one.
func rooted(n notifier, bus Caller) notifier {
	if bus == nil {
		return n
	}
	return withProcd{n, procd{bus}}
}

type withProcd struct {
	notifier
	procd procd
}

func (w withProcd) restart(ctx context.Context) error { return w.procd.restart(ctx) }
func (w withProcd) domains(ctx context.Context) error { return w.procd.domains(ctx) }

// either asks the second if the first cannot do it.
type either struct {
	first  notifier
	second notifier
}

func (e either) reload(ctx context.Context, domainServers []string) (string, error) {
	way, err := e.first.reload(ctx, domainServers)
	if err == nil {
		return way, nil
	}
	way, secondErr := e.second.reload(ctx, domainServers)
	if secondErr != nil {
		return "", errors.Join(err, secondErr)
	}
	return way, nil
}

func (e either) restart(ctx context.Context) error {
	return e.try(func(n notifier) error { return n.restart(ctx) })
}

func (e either) domains(ctx context.Context) error {
	return e.try(func(n notifier) error { return n.domains(ctx) })
}

func (e either) try(do func(notifier) error) error {
	err := do(e.first)
	if err == nil {
		return nil
	}
	if second := do(e.second); second != nil {
		return errors.Join(err, second)
	}
	return nil
}

func (e either) forgotten() <-chan struct{} { return nil }
func (e either) close()                     {}

var (
	errNoRestart = errors.New("only procd, told by ubus, can restart it: restart dnsmasq by hand")
	errNoDomains = errors.New("only the init script, told by ubus, can do it")
)

// silence is the notifier for those who tell dnsmasq themselves.
type silence struct{}

func (silence) reload(context.Context, []string) (string, error) { return NotifyNone, nil }
func (silence) restart(context.Context) error                    { return nil }
func (silence) domains(context.Context) error                    { return nil }
func (silence) forgotten() <-chan struct{}                       { return nil }
func (silence) close()                                           {}
