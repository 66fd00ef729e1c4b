package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Options say where the HTTP server listens and for whom.
type Options struct {
	Listen []netip.AddrPort
	Allow  []netip.Prefix // who may ask, besides loopback
	Names  []string       // host names that a Host header may hold, besides IP addresses and localhost
	Logger *slog.Logger
}

// Limits of the HTTP server and of the control socket.
const (
	maxConnections    = 16
	maxHeaderBytes    = 8 << 10
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 30 * time.Second
	shutdownTimeout   = time.Second
)

// A Server shows a Daemon over HTTP.
type Server struct {
	options   Options
	listeners []net.Listener
}

// Open opens all listening sockets, or none. An address that the router does not have yet is no error: the network may
// come up later.
func Open(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o}
	config := net.ListenConfig{Control: freeBind}
	slots := make(chan struct{}, maxConnections)
	for _, address := range o.Listen {
		l, err := config.Listen(context.Background(), "tcp", address.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the status server's address: %w", err), s.Close())
		}
		s.listeners = append(s.listeners, newBoundedListener(l, slots, s.admits))
	}
	return s, nil
}

// Addresses returns where the server listens.
func (s *Server) Addresses() []net.Addr {
	addresses := make([]net.Addr, len(s.listeners))
	for i, l := range s.listeners {
		addresses[i] = l.Addr()
	}
	return addresses
}

// Serve shows d until ctx ends, and returns nil then. All sockets are closed when it returns.
func (s *Server) Serve(ctx context.Context, d Daemon) error {
	return serve(ctx, s.guard(s.handler(d)), s.options.Logger, s.listeners, nil)
}

// Close closes a server that does not serve.
func (s *Server) Close() error {
	var err error
	for _, l := range s.listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

// handler shows d to those whom guard lets through.
func (s *Server) handler(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/{$}", newPage(d))
	mux.HandleFunc("/api/status", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, ReportOf(d)) })
	mux.HandleFunc("/api/routes", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, RoutesOf(d.Table())) })
	mux.HandleFunc("/api/explain", func(w http.ResponseWriter, r *http.Request) { explain(w, r, d) })
	mux.Handle("/metrics", metricsHandler(d, s.options.Logger))
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, d) })
	return mux
}

// serve serves all listeners until ctx ends or one of them fails, and waits for all that it started.
func serve(ctx context.Context, h http.Handler, log *slog.Logger, listeners []net.Listener,
	connContext func(context.Context, net.Conn) context.Context) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong
		ConnContext:       connContext,
	}
	ctx, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed(fmt.Errorf("serving %s: %w", l.Addr(), err))
			}
		})
	}
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if server.Shutdown(closing) != nil {
		server.Close()
	}
	serving.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
