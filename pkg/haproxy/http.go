package haproxy

import "strconv"

// importHTTP makes a listener of a frontend for plain HTTP: one that redirects to https, or one that routes by Host.
func (im *importer) importHTTP(p *proxy) {
	im.used[p] = true
	classes := []class{im.restClass(p)}
	for _, h := range im.hosts {
		classes = append(classes, im.hostClass(p, h, ""))
	}
	var routes, redirects bool
	redirected := im.refused().clients
	for _, c := range classes {
		for g, outcomes := range im.outcomes(c) {
			for _, o := range outcomes {
				routes = routes || o.verdict == isSent
				redirects = redirects || o.verdict == isRedirect
				redirected[g] = redirected[g] || o.verdict == isRedirect
			}
		}
	}
	if redirects && !routes {
		im.importRedirect(p, classes, redirected)
		return
	}
	if redirects {
		p.remark(p.line, "%s: what it redirects is refused: a listener redirects all (http_mode acme) or routes (route)",
			shown(p.name))
	}
	pl := im.plan(p)
	pl.others = im.refused()
	admitted := pl.admit()
	s := im.listener(p, "http", admitted)
	if s == nil {
		return
	}
	s.Set("http_mode", "route")
	p.remarks = append(p.remarks, p.stats.edits...)
	if !pl.rest.clients.empty() {
		s.Set("default_backend", im.backend(p, pl.rest.target))
	}
	im.addRoutes(pl, s, admitted)
}

// importRedirect makes a listener that redirects to https, but for ACME challenges: they go to the host's own backend.
func (im *importer) importRedirect(p *proxy, classes []class, redirected groups) {
	s := im.listener(p, "http", redirected)
	if s == nil {
		return
	}
	s.Set("http_mode", "acme")
	im.redirecting[s] = true
	for _, c := range classes {
		for _, outcomes := range im.outcomes(c.challenge()) {
			for _, o := range outcomes {
				if o.verdict == isSent {
					im.challenges[o.target] = challenge{p, o.rule}
				}
			}
		}
	}
}

// A challenge is where a frontend sends ACME challenges, by which rule.
type challenge struct {
	front *proxy
	rule  *rule
}

// finishChallenges has challenges go to the port that HAProxy sends them to, where that is at the same machines as the
// hosts' connections.
func (im *importer) finishChallenges() {
	for t, c := range im.challenges {
		im.work(len(im.built))
		b := im.build(c.front, t)
		matched := false
		for key, other := range im.built {
			if other.listed && !key.http && b.section != nil && other.machines() == b.machines() {
				other.section.Set("http_port", strconv.Itoa(int(b.servers[0].Port())))
				matched = true
			}
		}
		if !matched {
			line := c.front.line
			if c.rule != nil {
				line = c.rule.line
			}
			im.remark(line, "%s: left out: ACME challenges go to the backend of the host that they are for (http_port)",
				shown(t.backend.name))
		}
	}
}
