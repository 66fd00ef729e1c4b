package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sniroute/sniroute/pkg/uci"
)

// Load reads the file sniroute in dir (/etc/config). The error is an *Error where the file was read and is wrong.
func Load(dir string) (*Config, []Warning, error) {
	path, data, err := Read(dir)
	if err != nil {
		return nil, nil, err
	}
	return Parse(path, data)
}

// Read returns where the file is, and its bytes: what Load parses.
func Read(dir string) (path string, data []byte, err error) {
	path = filepath.Join(dir, "sniroute")
	data, err = readFile(path)
	return path, data, err
}

// Parse is Load for a file that was read already; path stands in messages.
func Parse(path string, data []byte) (*Config, []Warning, error) {
	file, err := uci.Parse(path, data)
	if syntax := new(uci.SyntaxError); errors.As(err, &syntax) {
		text := syntax.Reason + syntaxRemedy(syntax.Reason)
		if s := syntax.Prior; s != nil {
			text += fmt.Sprintf(", and %s stands in line %d", sectionText(s.Type, s.Name, false), s.Line)
		}
		if syntax.NoticedLine > syntax.Line {
			text = fmt.Sprintf("%s (noticed in line %d)", text, syntax.NoticedLine)
		}
		return nil, nil, &Error{Problems: []Problem{{File: path, Line: syntax.Line, Text: text}}}
	}
	if err != nil {
		return nil, nil, err
	}
	r := &reader{file: file, table: Schema()}
	c := r.config()
	r.rules(c)
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// syntaxRemedy says what would be right where libuci's words for what is wrong do not.
func syntaxRemedy(reason string) string {
	for _, r := range []struct{ part, remedy string }{
		{"unterminated", ": close the quote that is opened here"},
		{"invalid command", ": a line is \"config TYPE 'NAME'\", \"option NAME 'VALUE'\" or \"list NAME 'VALUE'\""},
		{"too many arguments", ": put quotes around a value with spaces in it"},
		{"insufficient arguments", ": a name or type is missing"},
		{"name field", ": names are letters, digits and underscores"},
		{"type field", ": types are printable ASCII without spaces"},
		{"before the first section", ": begin with \"config TYPE 'NAME'\""},
		{"different type", ": a name is used once, whatever the type"},
	} {
		if strings.Contains(reason, r.part) {
			return r.remedy
		}
	}
	return ""
}

// config reads all sections.
func (r *reader) config() *Config {
	c := &Config{File: r.file.Name}
	c.Main = r.main(r.open(section(r.table, "sniroute"), nil))
	c.DNS = r.dns(r.open(section(r.table, "dns"), nil))
	for _, s := range r.file.Sections {
		spec := section(r.table, s.Type)
		if spec == nil {
			r.warn(s, "", s.Line, "sections of this type are unknown and ignored"+r.meantType(s.Type))
			continue
		}
		if !r.wellNamed(spec, s) {
			continue
		}
		if s.Again > 0 {
			r.warn(s, "", s.Again, fmt.Sprintf("goes on with the section of line %d, which has that type and name:"+
				" give it another name if it is one of its own", s.Line))
		}
		sr := r.open(spec, s)
		if spec.Pending && sr.enabled {
			r.warn(s, "", s.Line, "the section has no effect yet")
		}
		r.read(c, sr)
	}
	return c
}

// read adds a section to the configuration, unless it is not enabled.
func (r *reader) read(c *Config, s *sectionReader) {
	switch s.spec.Type {
	case "sniroute":
		c.Main = r.main(s)
	case "dns":
		c.DNS = r.dns(s)
	case "listener":
		add(&c.Listeners, s, readListener(s))
	case "backend":
		add(&c.Backends, s, readBackend(s))
	case "route":
		add(&c.Routes, s, readRoute(s))
	case "cluster":
		add(&c.Clusters, s, readCluster(s))
	case "class":
		add(&c.Classes, s, readClass(s))
	case "manifests":
		add(&c.Manifests, s, Manifests{Claims: readClaims(s), Path: one[string](s, "path")})
	}
}

func add[T any](list *[]T, s *sectionReader, v T) {
	if s.enabled {
		*list = append(*list, v)
	}
}

// wellNamed checks a section's name.
func (r *reader) wellNamed(spec *Section, s *uci.Section) bool {
	switch {
	case spec.Only != "" && s.Name != spec.Only:
		r.fail(s, "", s.Line, fmt.Sprintf("there is one section of this type: write \"config %s '%s'\"",
			spec.Type, spec.Only))
	case spec.Named && s.Anonymous:
		r.fail(s, "", s.Line, fmt.Sprintf("it needs a name: write \"config %s 'NAME'\"", spec.Type))
	case spec.Type == "backend" && (s.Name == "default" || s.Name == "reject" || s.Name == "none"):
		r.fail(s, "", s.Line, "a backend cannot be called default, reject or none: these words mean something else")
	default:
		return true
	}
	return false
}

func (r *reader) meantType(typ string) string {
	var types []string
	for _, s := range r.table {
		types = append(types, s.Type)
	}
	if n := nearest(typ, types); n != "" {
		return fmt.Sprintf(": did you mean '%s'?", n)
	}
	return ": there are " + strings.Join(types, ", ")
}

func (r *reader) main(s *sectionReader) Main {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return Main{
		Enabled:                 one[bool](s, "enabled"),
		LogLevel:                levels[one[string](s, "log_level")],
		AccessLog:               one[bool](s, "access_log"),
		StatusListen:            many[netip.AddrPort](s, "status_listen"),
		StatusAllow:             many[netip.Prefix](s, "status_allow"),
		Control:                 one[string](s, "control"),
		StateFile:               one[string](s, "state_file"),
		MaxConnections:          one[int](s, "max_connections"),
		MaxConnectionsPerSource: one[int](s, "max_connections_per_source"),
		ConnectionRatePerSource: one[int](s, "connection_rate_per_source"),
		PeekMemory:              one[int](s, "peek_memory"),
		DrainTimeout:            one[time.Duration](s, "drain_timeout"),
		Loops:                   one[int](s, "loops"),
	}
}

func (r *reader) dns(s *sectionReader) DNS {
	d := DNS{
		Enabled:       one[bool](s, "enabled"),
		UCI:           one[string](s, "mode") == "uci",
		HostsFile:     one[string](s, "hosts_file"),
		ServersFile:   one[string](s, "servers_file"),
		WildcardsFile: one[string](s, "wildcards_file"),
		Notify:        one[string](s, "notify"),
		Instances:     many[string](s, "instance"),
		Hook:          one[string](s, "hook"),
	}
	if d.UCI && d.Notify != "auto" && d.Notify != "ubus" {
		r.fail(s.section, "mode", s.section.Option("mode").Line(),
			fmt.Sprintf("'uci' has the init script write the sections, which it is told by ubus: notify cannot be '%s'",
				d.Notify))
	}
	return d
}

func readListener(s *sectionReader) Listener {
	l := Listener{
		Name:           s.section.Name,
		HTTP:           one[string](s, "proto") == "http",
		Listen:         many[netip.AddrPort](s, "listen"),
		WANPort:        uint16(one[int](s, "wan_port")),
		WANZones:       many[string](s, "wan_zone"),
		WANIPv6:        one[bool](s, "wan_ipv6"),
		Hairpin:        many[string](s, "hairpin"),
		HairpinZones:   many[string](s, "hairpin_zone"),
		DefaultBackend: one[string](s, "default_backend"),
		InspectDelay:   one[time.Duration](s, "inspect_delay"),
		NonTLS:         one[string](s, "non_tls"),
		AcceptProxy:    many[netip.Prefix](s, "accept_proxy"),
		Allow:          many[netip.Prefix](s, "allow"),
		Deny:           many[netip.Prefix](s, "deny"),
		HTTPRoute:      one[string](s, "http_mode") == "route",
		ACMEInternal:   one[bool](s, "acme_internal"),
	}
	if l.HTTP && !s.given("listen") {
		l.Listen = []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), 8080)}
	}
	if l.HTTP && !s.given("wan_port") {
		l.WANPort = 80
	}
	checkProto(s, &l)
	return l
}

func readBackend(s *sectionReader) Backend {
	return Backend{
		Name:     s.section.Name,
		Servers:  many[Server](s, "server"),
		HTTPPort: uint16(one[int](s, "http_port")),
		Options:  readPool(s),
	}
}

func readPool(s *sectionReader) BackendOptions {
	return BackendOptions{
		Balance:        one[string](s, "balance"),
		Stick:          one[string](s, "stick"),
		StickSize:      one[int](s, "stick_size"),
		StickExpire:    one[time.Duration](s, "stick_expire"),
		Check:          one[string](s, "check"),
		CheckInterval:  one[time.Duration](s, "check_interval"),
		CheckRise:      one[int](s, "check_rise"),
		CheckFall:      one[int](s, "check_fall"),
		ConnectTimeout: one[time.Duration](s, "connect_timeout"),
		IdleTimeout:    one[time.Duration](s, "idle_timeout"),
		SendProxy:      one[string](s, "send_proxy"),
		ClientSource:   one[string](s, "source") == "client",
	}
}

func readRoute(s *sectionReader) Route {
	r := Route{
		Name:      s.section.Name,
		Hosts:     many[string](s, "host"),
		ALPN:      one[string](s, "alpn"),
		Backend:   one[string](s, "backend"),
		DNS:       many[netip.Addr](s, "dns"),
		Expose:    one[bool](s, "expose"),
		Listeners: many[string](s, "listener"),
		Allow:     many[netip.Prefix](s, "allow"),
		Deny:      many[netip.Prefix](s, "deny"),
	}
	if r.Expose && !s.given("backend") {
		s.fail(s.section, "backend", s.section.Line,
			"is missing: name the backend that takes these hosts, or add \"option expose '0'\" for DNS only")
	}
	if !r.Expose {
		r.Backend = ""
	}
	return r
}

func readClaims(s *sectionReader) Claims {
	if s.enabled && !s.given("domain") {
		s.warn(s.section, "domain", s.section.Line,
			"is missing, so that no name may be claimed: add \"list domain 'NAME'\" for each that may, with all below it")
	}
	return Claims{
		Name:                 s.section.Name,
		Kinds:                many[string](s, "source"),
		Domains:              many[Domain](s, "domain"),
		Targets:              many[netip.Prefix](s, "target"),
		Wildcards:            one[bool](s, "wildcards"),
		MaxHosts:             one[int](s, "max_hosts"),
		MaxHostsPerNamespace: one[int](s, "max_hosts_per_namespace"),
		IgnoreOtherClasses:   one[string](s, "other_classes") == "ignore",
		RefuseShared:         one[string](s, "shared_address") == "refuse",
		PreferExposed:        one[string](s, "lan_prefer") == "exposed",
	}
}

func readCluster(s *sectionReader) Cluster {
	c := Cluster{
		Claims:     readClaims(s),
		Kubeconfig: one[string](s, "kubeconfig"),
		Servers:    many[string](s, "server"),
		CAFile:     one[string](s, "ca_file"),
		TokenFile:  one[string](s, "token_file"),
		Hold:       one[time.Duration](s, "hold"),
		MaxStale:   one[time.Duration](s, "max_stale"),
	}
	checkCredentials(s)
	return c
}

func readClass(s *sectionReader) Class {
	c := Class{
		Name:         s.section.Name,
		Cluster:      one[string](s, "cluster"),
		Class:        one[string](s, "class"),
		Gateway:      one[string](s, "gateway"),
		Namespaces:   many[string](s, "namespace"),
		MatchAddress: many[netip.Prefix](s, "match_address"),
		MatchHost:    many[string](s, "match_host"),
		Expose:       one[bool](s, "expose"),
		Addresses:    many[netip.Addr](s, "address"),
		HTTPSPort:    uint16(one[int](s, "https_port")),
		HTTPPort:     uint16(one[int](s, "http_port")),
		Listeners:    many[string](s, "listener"),
		Allow:        many[netip.Prefix](s, "allow"),
		Deny:         many[netip.Prefix](s, "deny"),
		Options:      readPool(s),
	}
	checkSelectors(s, &c)
	return c
}

// Control returns the path of the control socket of the daemon that runs with the configuration in dir: for the
// commands, which must reach it even when the file has become one that Load refuses. What cannot be read gives the
// default.
func Control(dir string) string {
	const name = "control"
	option := section(Schema(), "sniroute").option(name)
	path := option.Default
	data, err := readFile(filepath.Join(dir, "sniroute"))
	if err != nil {
		return path
	}
	file, _ := uci.Parse("sniroute", data)
	if file == nil {
		return path
	}
	for _, s := range file.Sections {
		if o := s.Option(name); s.Type == "sniroute" && o != nil {
			if value, err := option.Type.parse(o.Values[0].Text); err == nil {
				path = value.(string)
			}
		}
	}
	return path
}

// readFile reads a configuration file, or a little more than Parse takes of it.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would keep us waiting
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("reading the configuration: %w: write one, or name the folder that holds it with -c", err)
	} else if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading the configuration: %s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, uci.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return data, nil
}
