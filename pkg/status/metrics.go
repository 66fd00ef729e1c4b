package status

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sniroute/sniroute/pkg/route"
)

// metricsHandler answers scrapes with the daemon's metrics and those of the Go runtime and the process.
func metricsHandler(d Daemon, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(d), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxConnections,
	})
}

// A collector turns the daemon's snapshots into metrics when Prometheus asks. No label holds what a client chose:
// listeners, backends and sources are named by the configuration and the admitted claims, results and reasons are fixed
// words.
type collector struct {
	daemon Daemon

	buildInfo *prometheus.Desc

	connections, connectionsActive, bytes, connect                 *prometheus.Desc
	remembered, rememberedLimit                                    *prometheus.Desc
	serverUp, serverActive, serverFailed                           *prometheus.Desc
	accepted, rejected, listenerUp                                 *prometheus.Desc
	peek, check, clients, clientsLimit, peeking, peekBytes         *prometheus.Desc
	routes, refused, shared                                        *prometheus.Desc
	sourceErrors, clusterSynced, clusterLastSync, credentialExpiry *prometheus.Desc
	dnsRecords, dnsOK, dnsPublished                                *prometheus.Desc
	reloadOK, reloaded                                             *prometheus.Desc
}

func newCollector(d Daemon) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sniroute_"+name, help, labels, nil)
	}
	return &collector{
		daemon:    d,
		buildInfo: desc("build_info", "Always 1; the labels say what runs.", "version", "goversion", "goarch"),

		connections: desc("connections_total", "Connections handed to a backend, by how they ended.",
			"listener", "backend", "result"),
		connectionsActive: desc("connections_active", "Open connections to a backend.", "backend"),
		bytes: desc("bytes_total", "Bytes relayed, by direction: to_backend or to_client.",
			"backend", "direction"),
		connect: desc("connect_seconds", "Time that connecting to a server of the backend took.", "backend"),

		remembered: desc("stick_entries", "Clients that return to the server of the backend that they had.", "backend"),
		rememberedLimit: desc("stick_entries_limit", "Clients of the backend that are remembered at most (stick_size).",
			"backend"),

		serverUp:     desc("server_up", "Whether a server counts as up.", "backend", "server"),
		serverActive: desc("server_connections_active", "Open connections to a server.", "backend", "server"),
		serverFailed: desc("server_connect_failures_total", "Connects to a server that failed.", "backend", "server"),

		accepted:   desc("accepted_total", "Connections accepted.", "listener"),
		rejected:   desc("rejected_total", "Connections refused, by reason.", "listener", "reason"),
		listenerUp: desc("listener_up", "Whether all addresses of a listener are open.", "listener"),

		peek:         desc("peek_seconds", "Time from accepting a connection to the end of its hello."),
		check:        desc("check_duration_seconds", "Time that health checks took."),
		clients:      desc("client_connections", "Open client connections."),
		clientsLimit: desc("client_connections_limit", "Client connections that are admitted at once."),
		peeking:      desc("peeking_connections", "Open client connections whose hello is unfinished."),
		peekBytes:    desc("peek_bytes", "Memory that unfinished hellos hold."),

		routes: desc("routes", "Hosts, by the section that they come from (static: route sections) and "+
			"whether they can be reached from the WAN.", "source", "exposed"),
		refused: desc("claims_refused", "Claims that policy does not accept, by the rule that they fail.",
			"source", "reason"),
		shared: desc("shared_addresses", "Addresses at which both an exposed and an internal host are served."),

		sourceErrors:  desc("source_errors", "Problems that keep a source from being current.", "source"),
		clusterSynced: desc("cluster_synced", "Whether a cluster's claims are current.", "source"),
		clusterLastSync: desc("cluster_last_sync_timestamp_seconds",
			"When a cluster's claims were last known to be current.", "source"),
		credentialExpiry: desc("cluster_credential_expiry_timestamp_seconds",
			"When the credentials for a cluster expire.", "source"),

		dnsRecords: desc("dns_records", "Names that the LAN's DNS answers for sniroute."),
		dnsOK:      desc("dns_last_publish_successful", "Whether the LAN's DNS has been told the newest names."),
		dnsPublished: desc("dns_last_publish_success_timestamp_seconds",
			"When the LAN's DNS was last told the newest names."),

		reloadOK: desc("config_last_reload_successful", "Whether the newest configuration is in force."),
		reloaded: desc("config_last_reload_success_timestamp_seconds",
			"When the configuration that is in force was loaded."),
	}
}

// Describe announces every metric.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.buildInfo, c.connections, c.connectionsActive, c.bytes, c.connect, c.remembered, c.rememberedLimit,
		c.serverUp, c.serverActive, c.serverFailed,
		c.accepted, c.rejected, c.listenerUp, c.peek, c.check, c.clients, c.clientsLimit, c.peeking, c.peekBytes,
		c.routes, c.refused, c.shared, c.sourceErrors, c.clusterSynced, c.clusterLastSync, c.credentialExpiry,
		c.dnsRecords, c.dnsOK, c.dnsPublished, c.reloadOK, c.reloaded,
	} {
		descs <- d
	}
}

// Collect asks the daemon.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	out := sink(metrics)
	s := c.daemon.Status()
	out.gauge(c.buildInfo, 1, s.Version, runtime.Version(), runtime.GOARCH)
	c.collectTraffic(out, c.daemon.Traffic())
	c.collectTable(out, c.daemon.Table(), s.Sources)
	for _, l := range s.Listeners {
		out.gauge(c.listenerUp, truth(l.Open), l.Name)
	}
	for _, source := range s.Sources {
		out.gauge(c.sourceErrors, float64(len(source.Errors)), source.Name)
		if source.Kind == SourceCluster {
			out.gauge(c.clusterSynced, truth(source.Synced), source.Name)
			out.timestamp(c.clusterLastSync, source.LastSync, source.Name)
			out.timestamp(c.credentialExpiry, source.Expiry, source.Name)
		}
	}
	out.gauge(c.dnsRecords, float64(s.DNS.Records))
	if s.DNS.Enabled {
		out.gauge(c.dnsOK, truth(s.DNS.Error == "" && !s.DNS.Published.IsZero()))
		out.timestamp(c.dnsPublished, s.DNS.Published)
	}
	out.gauge(c.reloadOK, truth(s.Config.OK))
	out.timestamp(c.reloaded, s.Config.Changed)
}

func (c *collector) collectTraffic(out sink, t Traffic) {
	out.gauge(c.clients, float64(t.Active))
	out.gauge(c.clientsLimit, float64(t.Limit))
	out.gauge(c.peeking, float64(t.Peeking))
	out.gauge(c.peekBytes, float64(t.PeekBytes))
	out.histogram(c.peek, t.Peek)
	out.histogram(c.check, t.Check)
	for _, l := range t.Listeners {
		out.counter(c.accepted, l.Accepted, l.Name)
		for reason, count := range l.Rejected {
			out.counter(c.rejected, count, l.Name, reason)
		}
	}
	for _, b := range t.Backends {
		out.gauge(c.connectionsActive, float64(b.Active), b.Name)
		out.counter(c.bytes, b.ToBackend, b.Name, "to_backend")
		out.counter(c.bytes, b.ToClient, b.Name, "to_client")
		out.histogram(c.connect, b.Connect, b.Name)
		if b.RememberedLimit > 0 {
			out.gauge(c.remembered, float64(b.Remembered), b.Name)
			out.gauge(c.rememberedLimit, float64(b.RememberedLimit), b.Name)
		}
		for _, n := range b.Connections {
			out.counter(c.connections, n.Count, n.Listener, b.Name, n.Result)
		}
		for _, server := range b.Servers {
			address := server.Address.String()
			out.gauge(c.serverUp, truth(server.Up), b.Name, address)
			out.gauge(c.serverActive, float64(server.Active), b.Name, address)
			out.counter(c.serverFailed, server.Failed, b.Name, address)
		}
	}
}

// collectTable counts the table's routes and refusals. Sources that have none show 0, so that an alert can tell them
// from sources that are not configured.
func (c *collector) collectTable(out sink, t *route.Table, sources []SourceState) {
	type kind struct {
		source string
		detail string
	}
	const static = "static"
	routes, refused, known := map[kind]int{}, map[kind]int{}, map[string]bool{}
	for _, source := range sources {
		known[source.Name] = true
		routes[kind{source.Name, "true"}], routes[kind{source.Name, "false"}] = 0, 0
	}
	for i := range t.Routes {
		source := t.Routes[i].Source
		if !known[source] {
			source = static
		}
		routes[kind{source, strconv.FormatBool(t.Routes[i].Exposed)}]++
	}
	for i := range t.Refused {
		refused[kind{t.Refused[i].Source, string(t.Refused[i].Reason)}]++
	}
	for k, n := range routes {
		out.gauge(c.routes, float64(n), k.source, k.detail)
	}
	for k, n := range refused {
		out.gauge(c.refused, float64(n), k.source, k.detail)
	}
	out.gauge(c.shared, float64(len(t.Shared)))
}

// A sink is where metrics go.
type sink chan<- prometheus.Metric

func (s sink) counter(d *prometheus.Desc, value uint64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	s.send(d, m, err)
}

func (s sink) gauge(d *prometheus.Desc, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
	s.send(d, m, err)
}

// timestamp leaves out a time that is not known.
func (s sink) timestamp(d *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		s.gauge(d, float64(at.UnixMilli())/1000, labels...)
	}
}

func (s sink) histogram(d *prometheus.Desc, h Histogram, labels ...string) {
	var count uint64
	buckets := make(map[float64]uint64, len(h.Bounds))
	for i, n := range h.Counts {
		count += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = count
		}
	}
	m, err := prometheus.NewConstHistogram(d, count, h.Sum, buckets, labels...)
	s.send(d, m, err)
}

// send sends a metric, or its error in its place.
func (s sink) send(d *prometheus.Desc, m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	s <- m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
