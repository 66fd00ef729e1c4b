package ubus_test

import (
	"context"
	"fmt"

	"github.com/sniroute/sniroute/pkg/ubus"
)

// A program that answers `ubus call example status` for as long as it runs.
func ExampleClient() {
	status := func(context.Context, ubus.Call) (ubus.Table, error) {
		return ubus.Table{{Name: "running", Value: true}}, nil
	}
	client := ubus.NewClient(ubus.Options{
		Path:    "/nonexistent", // leave it out on OpenWrt
		Objects: []ubus.Object{{Name: "example", Methods: []ubus.Method{{Name: "status", Handle: status}}}},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- client.Run(ctx) }()
	_, err := client.Call(ctx, "system", "board", nil)
	fmt.Println(err)
	cancel()
	<-ended
	// Output: ubus: Connection failed
}
