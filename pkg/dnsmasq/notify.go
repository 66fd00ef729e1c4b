package dnsmasq

import (
	"context"
	"fmt"
)

// A notifier has dnsmasq read its files again.
type notifier interface {
	name() string
	notify(ctx context.Context) error
}

func newNotifier(o Options) (notifier, error) {
	switch o.Notify {
	case NotifyAuto, NotifySignal, "":
		return newSignaller(o), nil
	case NotifyNone:
		return silence{}, nil
	}
	return nil, fmt.Errorf("publishing names to dnsmasq: there is no way %q to tell it", o.Notify)
}

// silence is the notifier for those who tell dnsmasq themselves.
type silence struct{}

func (silence) name() string                 { return NotifyNone }
func (silence) notify(context.Context) error { return nil }
