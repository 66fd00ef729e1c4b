package dnsmasq

import (
	"context"

	"github.com/sniroute/sniroute/pkg/ubus"
)

// procd notifies OpenWrt's init, which runs as root what the init script wants run on these events (procd.sh,
// procd_add_raw_trigger): dnsmasq's signal or restart, the writing of dhcp domain sections, the hook.
type procd struct{ bus Caller }

// The events. The init script has a trigger for each.
const (
	eventReload  = "sniroute.dns.reload"
	eventRestart = "sniroute.dns.restart"
	eventDomains = "sniroute.dns.domains"
)

func (p procd) reload(ctx context.Context, _ []string) (string, error) {
	return NotifyUBus, p.send(ctx, eventReload)
}

func (p procd) restart(ctx context.Context) error { return p.send(ctx, eventRestart) }
func (p procd) domains(ctx context.Context) error { return p.send(ctx, eventDomains) }
func (p procd) forgotten() <-chan struct{}        { return nil }
func (p procd) close()                            {}

// send is what `ubus call service event '{"type": NAME, "data": {}}'` does.
func (p procd) send(ctx context.Context, name string) error {
	_, err := p.bus.Call(ctx, "service", "event", ubus.Table{
		{Name: "type", Value: name},
		{Name: "data", Value: ubus.Table{}},
	})
	return err
}
