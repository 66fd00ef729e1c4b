package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sniroute/sniroute/lab/netns"
	"github.com/sniroute/sniroute/pkg/ubus"
)

const (
	root      = "../.." // of the repository
	appFolder = root + "/openwrt/package/luci-app-sniroute"
	program   = root + "/bin/luci/sniroute"
)

func main() {
	shots := flag.String("shots", "", "a folder into which screenshots of every tab are written, instead of serving")
	resources := flag.String("resources", "", "modules/luci-base/htdocs of a checkout of LuCI, instead of the stand-in")
	flag.Parse()
	if err := run(*shots, *resources); err != nil {
		fmt.Fprintln(os.Stderr, "luci:", err)
		os.Exit(1)
	}
}

func run(shots, resources string) error {
	if !netns.Isolated() {
		if err := build(); err != nil {
			return err
		}
	}
	if err := netns.Isolate(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	w, err := newWorld(ctx, mustAbs(program), map[string]string{"home.yaml": manifestOf(home())})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	w.visit(ctx)
	sessions, err := w.sessions()
	if err != nil {
		cancel()
		return errors.Join(err, w.close())
	}
	err = serveAnd(w, sessions, resources, func(base string) error {
		if shots != "" {
			return takeShots(ctx, base, shots)
		}
		fmt.Printf("%s, inside the lab; a browser there:\n\n  %s chromium --no-sandbox %s\n\n", base, netns.Enter(), base)
		<-ctx.Done()
		return nil
	})
	cancel()
	return errors.Join(err, w.close())
}

// sessions are the two that can be had: one that may read, one that may write too.
func (w *world) sessions() (map[string]*session, error) {
	reader, writer, err := rightsFrom(appFolder)
	if err != nil {
		return nil, err
	}
	return map[string]*session{
		"guest": {rights: reader, stage: stage{path: w.config}},
		"admin": {rights: writer, stage: stage{path: w.config}},
	}, nil
}

// serveAnd serves the pages while f runs.
func serveAnd(w *world, sessions map[string]*session, resources string, f func(base string) error) error {
	r := &rpcd{
		sessions: sessions,
		bus:      func() (*ubus.Conn, error) { return ubus.Dial(context.Background(), "") },
		services: w.services,
	}
	s, err := newSite(appFolder, resources, r, w.reload)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	err = f("http://" + listener.Addr().String())
	err = errors.Join(err, server.Close())
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// build makes the daemon, outside the lab, where there is a build cache.
func build() error {
	cmd := exec.Command("go", "build", "-o", mustAbs(program), "./cmd/sniroute")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building sniroute: %w: %s", err, out)
	}
	return nil
}

// mustAbs makes a path absolute, which fails only where there is no working directory.
func mustAbs(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return abs
}
