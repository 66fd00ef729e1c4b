package watch

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// State returns how the cluster is doing. It may be called from any goroutine, before and during Run.
func (c *Cluster) State() State {
	c.prepare()
	now := c.clock()
	c.mu.Lock()
	p, unread, started := c.published, c.unread, c.started
	s := State{
		Source: c.Name, LastChange: p.changed, Objects: p.objects, Claims: len(p.claims), Dropped: p.dropped,
		Secrets: c.secrets, Requests: c.requests.Load(), Problems: slices.Clone(p.problems),
	}
	for a := range c.addresses {
		s.APIServers = append(s.APIServers, a)
	}
	c.mu.Unlock()
	slices.SortFunc(s.APIServers, netip.AddrPort.Compare)
	l := c.link.Load()
	s.Place = c.place()

	problem := func(place, message, remedy string) {
		s.Problems = append(s.Problems, Problem{Place: place, Message: message, Remedy: remedy, Since: now})
	}
	if l != nil {
		s.Expiry = l.expiry
		for _, server := range l.servers {
			if _, err := netip.ParseAddr(server.Hostname()); err != nil {
				s.APINames = append(s.APINames, server.Hostname())
			}
		}
		if unread != nil {
			problem("credentials", unread.Error(), "meanwhile the former ones are used")
		}
		if left := s.Expiry.Sub(now); !s.Expiry.IsZero() && left < sayExpiry {
			problem("credentials", "they end at "+s.Expiry.Format(time.RFC3339),
				"enroll again with new ones (`sniroute enroll URL`)")
		}
	}
	if s.Secrets {
		problem("credentials", secretsWarning, secretsRemedy)
	}
	if c.StateFile != nil {
		s.Problems = append(s.Problems, c.StateFile.Problems()...)
	}
	c.followersState(&s, problem)
	switch {
	case started.IsZero():
		s.Waiting = "was not started yet"
	case l == nil && unread != nil:
		s.Waiting = unread.Error()
	}
	s.Synced = s.Waiting == "" && p.whole
	s.FromState = !s.Synced && len(p.claims) > 0
	return s
}

// followersState says what the kinds wait for, when all of them were last heard of, and what is wrong with some alone.
func (c *Cluster) followersState(s *State, problem func(place, message, remedy string)) {
	well := 0
	var waiting []string
	wait := func(reason string) {
		if !slices.Contains(waiting, reason) {
			waiting = append(waiting, reason)
		}
	}
	for _, f := range c.followers {
		f.mu.Lock()
		failure, last := f.failure, f.lastContact
		f.mu.Unlock()
		_, _, read := f.store.collect(new(Objects), func(*Objects, object) {})
		if failure == nil && read {
			well++
			if s.LastSync.IsZero() || last.Before(s.LastSync) {
				s.LastSync = last
			}
			continue
		}
		if !last.IsZero() && (s.LastSync.IsZero() || last.Before(s.LastSync)) && (failure == nil || !failure.partial) {
			s.LastSync = last
		}
		switch {
		case failure == nil:
			wait(fmt.Sprintf("%s are being read from %s", f.resource, s.Place))
		case failure.partial:
			problem(f.resource, failure.message, failure.remedy)
		default:
			wait(failure.message)
		}
	}
	s.Waiting = strings.Join(waiting, "; ")
	if well == 0 && s.Waiting == "" && len(s.Problems) > 0 {
		s.Waiting = "nothing of it may be read: " + s.Problems[len(s.Problems)-1].Message
	}
}

// place returns the URL of the API server that is spoken to, or the first that will be, as far as it is known.
func (c *Cluster) place() string {
	l := c.link.Load()
	switch {
	case l != nil:
		return l.server().String()
	case c.Kubeconfig != "":
		return c.Kubeconfig
	case len(c.Servers) > 0:
		return c.Servers[0]
	}
	return ""
}

// hostPort returns host and port of an https URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
