package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

// A bus tells dnsmasq over D-Bus, where it was built with that and started with --enable-dbus (dnsmasq's DBus-interface
// document): SetDomainServers takes the place of the servers file, ClearCache reads the hosts files again. The system
// bus lets only root do so unless its policy says otherwise.
//
// What dnsmasq is told that way it forgets when it ends, so its coming back is watched for. The servers that another
// program gave it over D-Bus are replaced.
type bus struct {
	address string
	names   []string
	lost    chan struct{} // receives when a dnsmasq came back or the bus has gone

	conn     *dbus.Conn // nil: not connected; Run's alone
	watching sync.WaitGroup

	asked    bool        // for a restart; Run's alone
	returned atomic.Bool // a dnsmasq came back since
}

const (
	dbusName    = "uk.org.thekelleys.dnsmasq"
	dbusPath    = "/uk/org/thekelleys/dnsmasq"
	dbusTimeout = 10 * time.Second
)

// newDBus makes a notifier that connects when it has something to say. An instance is one that was started with
// --enable-dbus=uk.org.thekelleys.dnsmasq.INSTANCE.
func newDBus(o Options) *bus {
	b := &bus{address: o.DBus, lost: make(chan struct{}, 1)}
	for _, instance := range o.Instances {
		b.names = append(b.names, dbusName+"."+instance)
	}
	if b.names == nil {
		b.names = []string{dbusName}
	}
	return b
}

func (b *bus) reload(ctx context.Context, domainServers []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, dbusTimeout)
	defer cancel()
	if err := b.connect(ctx); err != nil {
		return "", fmt.Errorf("connecting to D-Bus: %w", err)
	}
	var failed error
	for _, name := range b.names {
		failed = errors.Join(failed, b.tell(ctx, name, domainServers))
	}
	return NotifyDBus, failed
}

func (b *bus) tell(ctx context.Context, name string, domainServers []string) error {
	object := b.conn.Object(name, dbusPath)
	for _, call := range []struct {
		method    string
		arguments []any
	}{
		{"SetDomainServers", []any{domainServers}},
		{"ClearCache", nil},
	} {
		method := dbusName + "." + call.method
		if err := object.CallWithContext(ctx, method, dbus.FlagNoAutoStart, call.arguments...).Err; err != nil {
			return fmt.Errorf("%s of %s: %w", call.method, name, err)
		}
	}
	return nil
}

// connect connects to the bus if there is no connection, and watches the names.
func (b *bus) connect(ctx context.Context) error {
	if b.conn != nil && b.conn.Connected() {
		return nil
	}
	b.close()
	conn, err := b.dial()
	if err != nil {
		return err
	}
	changes := make(chan *dbus.Signal, 16)
	conn.Signal(changes)
	for _, name := range b.names {
		const daemon = "org.freedesktop.DBus"
		err = errors.Join(err, conn.AddMatchSignalContext(ctx, dbus.WithMatchSender(daemon),
			dbus.WithMatchInterface(daemon), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name)))
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	b.conn = conn
	b.watching.Go(func() { b.watch(changes) })
	return nil
}

func (b *bus) dial() (*dbus.Conn, error) {
	if b.address == "" {
		return dbus.ConnectSystemBus()
	}
	return dbus.Connect(b.address)
}

// watch ends with the connection, which closes changes.
func (b *bus) watch(changes <-chan *dbus.Signal) {
	for change := range changes {
		if len(change.Body) == 3 && change.Body[2] != "" { // name, old owner, new owner
			b.returned.Store(true)
			b.lose()
		}
	}
	b.lose()
}

func (b *bus) lose() {
	select {
	case b.lost <- struct{}{}:
	default: // is noticed anyway
	}
}

// restart cannot do it, but notices when somebody has.
func (b *bus) restart(context.Context) error {
	switch {
	case !b.asked:
		b.asked = true
		b.returned.Store(false)
		return errNoRestart
	case !b.returned.Load():
		return errNoRestart
	}
	b.asked = false
	return nil
}

func (b *bus) domains(context.Context) error { return errNoDomains }
func (b *bus) forgotten() <-chan struct{}    { return b.lost }

func (b *bus) close() {
	if b.conn != nil {
		b.conn.Close()
		b.conn = nil
	}
	b.watching.Wait()
}
