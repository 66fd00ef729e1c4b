package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/sniroute/sniroute/pkg/ubus"
)

// openBus returns a client of OpenWrt's bus, or nil where there is none: on any other system.
func openBus(log *slog.Logger) *ubus.Client {
	if _, err := os.Stat(ubus.DefaultPath); err != nil {
		return nil
	}
	return ubus.NewClient(ubus.Options{Logger: log})
}

// speakUBus keeps the connection to the bus.
func (d *daemon) speakUBus(ctx context.Context) {
	if err := d.bus.Run(ctx); err != nil {
		d.log.Error("ubus is no longer spoken", "error", err)
	}
}
