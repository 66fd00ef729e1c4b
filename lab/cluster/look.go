package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/lab/house"
)

// Page makes a TLS connection from a host to an address with a server name ("" for none), checks that whoever answers
// has a certificate of the house, and returns what its page says: "SITE on HOST at ADDR:PORT, asked by ADDR".
func (l *Lab) Page(ctx context.Context, from *house.Host, to netip.AddrPort, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	raw, err := from.Dial(ctx, "tcp", to.String())
	if err != nil {
		return "", err
	}
	defer raw.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	connection := tls.Client(raw, &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true, // names without a site of their own get the first one's; the chain is verified here:
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: l.House.Authority.Pool})
			return err
		},
	})
	if err := connection.HandshakeContext(ctx); err != nil {
		return "", err
	}
	host := name
	if host == "" {
		host = to.Addr().String()
	}
	if _, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return "", fmt.Errorf("asking for the page: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	return strings.TrimSpace(string(body)), err
}

// FromWAN checks that a client in the internet that asks the router for a name reaches a host of the house.
func (t *T) FromWAN(name string, host *house.Host) error {
	page, err := t.Page(t, t.House.WAN, t.WANPort(), name)
	if err != nil {
		return fmt.Errorf("%s from the WAN: %w", name, err)
	}
	if !strings.Contains(page, " on "+host.Name+" at ") {
		return fmt.Errorf("%s from the WAN: reached %q, not %s", name, page, host.Name)
	}
	return nil
}

// WANPort is where the router answers the internet.
func (l *Lab) WANPort() netip.AddrPort { return netip.AddrPortFrom(l.House.Public.IPv4, 443) }

// RefusedFromWAN checks that a client in the internet gets the alert unrecognized_name.
func (t *T) RefusedFromWAN(name string) error {
	page, err := t.Page(t, t.House.WAN, t.WANPort(), name)
	if err == nil {
		return fmt.Errorf("%s from the WAN: reached %q", name, page)
	}
	if !strings.Contains(err.Error(), "unrecognized name") {
		return fmt.Errorf("%s from the WAN: not refused with unrecognized_name: %w", name, err)
	}
	return nil
}

// Answers checks that the router's DNS answers a client that asks for a name's IPv4 addresses with these, in any order.
func (t *T) Answers(name string, addresses ...string) error {
	return t.answers(t.House.Client, t.House.Router.IPv4, name, addresses)
}

func (t *T) answers(from *house.Host, server netip.Addr, name string, addresses []string) error {
	got, err := Dig(t, from, server, name, "A")
	if err != nil {
		return err
	}
	slices.Sort(got)
	slices.Sort(addresses)
	if !slices.Equal(got, addresses) {
		return fmt.Errorf("DNS for %s: %v, not %v", name, got, addresses)
	}
	return nil
}

// NotOurs checks that nothing claims a name: a client in the internet reaches the default backend, and the router's DNS
// says what the internet's says.
func (t *T) NotOurs(name string) error {
	if err := t.FromWAN(name, t.House.NAS); err != nil {
		return err
	}
	return t.NotAnswered(name)
}

// NotAnswered checks that the router's DNS says of a name what the internet's says.
func (t *T) NotAnswered(name string) error {
	elsewhere, err := Dig(t, t.House.WAN, internetDNS, name, "A")
	if err != nil {
		return err
	}
	return t.Answers(name, elsewhere...)
}

// internetDNS is where the house's internet answers questions.
var internetDNS = netip.MustParseAddr("203.0.113.53")

// Dig asks a DNS server from a host, with the real dig, and returns the answers.
func Dig(ctx context.Context, from *house.Host, server netip.Addr, name, kind string) ([]string, error) {
	out, err := from.Output(exec.CommandContext(ctx, "dig", "+short", "+tries=3", "+time=5", "@"+server.String(),
		name, kind))
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(out), ";;") {
		return nil, fmt.Errorf("dig %s %s: %s", name, kind, out)
	}
	return strings.Fields(string(out)), nil
}

// Routes is what `sniroute routes -json` prints.
type Routes struct {
	Routes []struct {
		Host     string   `json:"host"`
		ALPN     string   `json:"alpn"`
		Exposed  bool     `json:"exposed"`
		Backend  string   `json:"backend"`
		Servers  []string `json:"servers"`
		DNS      []string `json:"dns"`
		Source   string   `json:"source"`
		Object   string   `json:"object"`
		Merged   []string `json:"merged"`
		Warnings []string `json:"warnings"`
	} `json:"routes"`
	Refused []Refusal `json:"refused"`
}

// A Refusal is a claim that was not accepted.
type Refusal struct {
	Host   string `json:"host"`
	Source string `json:"source"`
	Object string `json:"object"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// AskRoutes runs `sniroute routes -json` on the router.
func (l *Lab) AskRoutes(ctx context.Context) (*Routes, error) {
	text, err := l.House.Ask(ctx, l.Binary, "routes", "-json")
	if err != nil {
		return nil, err
	}
	routes := &Routes{}
	if err := json.Unmarshal(text, routes); err != nil {
		return nil, fmt.Errorf("sniroute routes -json: %w", err)
	}
	return routes, nil
}

// Route checks what `sniroute routes` says of a host: whether it is exposed, and its servers or, for an internal one,
// its DNS addresses.
func (t *T) Route(host, object string, exposed bool, addresses ...string) error {
	routes, err := t.AskRoutes(t)
	if err != nil {
		return err
	}
	for _, r := range routes.Routes {
		if r.Host != host {
			continue
		}
		got := r.DNS
		if exposed {
			got = r.Servers
		}
		slices.Sort(got)
		slices.Sort(addresses)
		if r.Object != object || r.Exposed != exposed || !slices.Equal(got, addresses) {
			return fmt.Errorf("route of %s: %s, exposed %t, %v; not %s, %t, %v", host, r.Object, r.Exposed, got, object,
				exposed, addresses)
		}
		return nil
	}
	return fmt.Errorf("no route for %s among %d", host, len(routes.Routes))
}

// NoRoute checks that `sniroute routes` knows no route for a host.
func (t *T) NoRoute(host string) error {
	routes, err := t.AskRoutes(t)
	if err != nil {
		return err
	}
	for _, r := range routes.Routes {
		if r.Host == host {
			return fmt.Errorf("%s has a route, by %s of %s", host, r.Object, r.Source)
		}
	}
	return nil
}

// Refused checks that `sniroute routes` says that an object's claim of a host was refused, and why.
func (t *T) Refused(host, object, reason string) error {
	routes, err := t.AskRoutes(t)
	if err != nil {
		return err
	}
	for _, r := range routes.Refused {
		if r.Host == host && r.Object == object {
			if r.Reason != reason {
				return fmt.Errorf("%s of %s was refused for %s (%s), not %s", host, object, r.Reason, r.Detail, reason)
			}
			if r.Detail == "" {
				return fmt.Errorf("%s of %s was refused for %s without a word", host, object, reason)
			}
			return nil
		}
	}
	return fmt.Errorf("no refusal of %s by %s among %d", host, object, len(routes.Refused))
}
