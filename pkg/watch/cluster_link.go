package watch

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// roundTrip carries a request to the API server.
func (c *Cluster) roundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if err != nil {
			noteAttempt(req.Context(), err)
		}
	}()
	l := c.link.Load()
	if l == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, c.unread
	}
	resp, err = l.roundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && c.reload() {
		if fresh := c.link.Load(); fresh.token != l.token || fresh.certificate != l.certificate {
			resp.Body.Close()
			resp, err = fresh.roundTrip(req)
		}
	}
	if err != nil {
		return nil, err
	}
	return bounded(req, resp)
}

// reload reads the credentials again and reports whether they differ.
func (c *Cluster) reload() bool {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.reader = credentialReader{}
	var fresh *credentials
	var err error
	if c.given != nil {
		fresh = c.given
	} else if c.Kubeconfig != "" {
		fresh, err = c.reader.kubeconfig(c.Kubeconfig)
	} else {
		fresh, err = c.reader.options(c.Servers, c.CAFile, c.TokenFile)
	}
	c.mu.Lock()
	before := c.unread
	c.unread = err
	c.mu.Unlock()
	if err != nil {
		if before == nil || before.Error() != err.Error() {
			c.Logger.Warn("the credentials cannot be read", "source", c.Name, "problem", err.Error())
		}
		return false
	}
	old := c.link.Load()
	if old != nil && old.equal(fresh) {
		return false
	}
	l := newLink(fresh, c.pings, c.clock, c.dialled, &c.requests)
	if c.transport != nil {
		l.transport = c.transport(fresh)
	}
	c.mu.Lock()
	c.secrets = false
	for _, server := range fresh.servers {
		if a, err := netip.ParseAddrPort(hostPort(server)); err == nil {
			c.note(a)
		}
	}
	c.mu.Unlock()
	c.link.Store(l)
	if old != nil {
		c.Logger.Info("the credentials have changed", "source", c.Name)
		old.close()
	}
	for _, f := range c.followers {
		f.drop()
	}
	return true
}

// keepCredentials looks after the credentials until ctx is done: whether their files changed, and what they may do.
func (c *Cluster) keepCredentials(ctx context.Context) {
	ticker := time.NewTicker(lookAtCredentials)
	defer ticker.Stop()
	var reviewed *link
	var reviewNext time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.reloading.Lock()
		changed := c.reader.changed()
		c.reloading.Unlock()
		if changed || c.link.Load() == nil {
			c.reload()
		}
		l := c.link.Load()
		if l == nil || !c.inContact() || l == reviewed && time.Now().Before(reviewNext) {
			continue
		}
		reviewed, reviewNext = l, time.Now().Add(reviewSoon)
		if c.reviewSecrets(ctx) {
			reviewNext = time.Now().Add(reviewAgain)
		}
	}
}

// inContact reports whether a request of any kind went well last.
func (c *Cluster) inContact() bool {
	return slices.ContainsFunc(c.followers, func(f *follower) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.asked && f.failure == nil
	})
}

// clock is the time at which the API server's certificate is judged.
func (c *Cluster) clock() time.Time {
	if c.StateFile != nil {
		return c.StateFile.Clock()
	}
	return time.Now()
}

// dialled notes an address that is connected to.
func (c *Cluster) dialled(a netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(a)
}

// note adds to the API server's addresses, of which there are few. The caller holds mu.
func (c *Cluster) note(a netip.AddrPort) {
	if len(c.addresses) < 64 {
		c.addresses[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())] = true
	}
}

// An attempt receives the error of a request where rest hides it.
type attempt struct{ err error }

type attemptKey struct{}

func withAttempt(ctx context.Context) (context.Context, *attempt) {
	a := new(attempt)
	return context.WithValue(ctx, attemptKey{}, a), a
}

func noteAttempt(ctx context.Context, err error) {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		a.err = err
	}
}
