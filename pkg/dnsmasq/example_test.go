package dnsmasq_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/sniroute/sniroute/pkg/dnsmasq"
	"github.com/sniroute/sniroute/pkg/route"
)

func ExamplePublisher_Run() {
	dir, err := os.MkdirTemp("", "dnsmasq")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var tables route.Holder
	tables.Store(route.Build(&route.Policy{Static: []route.Static{
		{Name: "nas", Hosts: []string{"nas.example.com"}, DNS: []netip.Addr{netip.MustParseAddr("192.168.0.2")}},
	}}, nil))
	publisher, err := dnsmasq.New(dnsmasq.Options{
		HostsFile:   filepath.Join(dir, "hosts"),
		ServersFile: filepath.Join(dir, "servers"),
		Notify:      dnsmasq.NotifyNone,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- publisher.Run(ctx, &tables) }()
	for publisher.State().Published.IsZero() {
		time.Sleep(time.Millisecond)
	}
	stop()
	fmt.Println(<-ended)
	for _, name := range []string{"hosts", "servers"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		fmt.Printf("%s", text)
	}
	// Output:
	// <nil>
	// # Written by sniroute; changes are lost.
	// 192.168.0.2 nas.example.com
	// # Written by sniroute; changes are lost.
	// server=/nas.example.com/
	// server=/*.nas.example.com/#
}
