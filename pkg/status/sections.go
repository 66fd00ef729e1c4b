package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// html lays the page out.
func (v *view) html() markup {
	state, color, kind := markup("ready"), markup("17703f"), "good"
	if !v.Ready {
		state, color, kind = "not ready", "a8201a", "bad"
	}
	return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>sniroute: ` + state + `</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 8h5m0 0 4-5h5M6 8l4 5h5' fill='none' stroke='%23` + color + `' stroke-width='2'/%3E%3C/svg%3E">
<style>` + markup(pageCSS) + `</style>
</head>
<body>
<header>
<h1>sniroute</h1>
` + tag(kind, state) + "\n" + span("soft", text(v.Version+", started "+age(v.Now, v.Started))) + `
</header>
<main>
` + v.problems() + v.tiles() + v.hosts() + v.refused() + v.servers() + v.listeners() +
		v.recent() + v.sources() + v.parts() + `</main>
<footer>Refreshes every 10 s. For programs: ` + join([]markup{span("mono", "/api/status"), span("mono", "/api/routes"),
		span("mono", "/metrics"), span("mono", "/readyz")}, ", ") + `</footer>
</body>
</html>
`
}

func (v *view) problems() markup {
	if len(v.Problems) == 0 {
		return ""
	}
	return `<ul class="problems" aria-label="Problems">` + join(each(v.Problems, func(p Problem) markup {
		item := markup("<li>")
		if p.Bad {
			item = `<li class="bad">`
		}
		item += clean(p.Text)
		if p.Remedy != "" {
			item += small(clean(p.Remedy))
		}
		return item + "</li>\n"
	}), "") + "</ul>\n"
}

func (v *view) tiles() markup {
	tile := func(n any, what string) markup {
		return "<li><b>" + text(countText(n)) + "</b>" + span("soft", text(what)) + "</li>\n"
	}
	return `<ul class="tiles">` +
		tile(v.Traffic.Active, "connections of "+countText(v.Traffic.Limit)) +
		tile(v.Traffic.Peeking, "unfinished hellos") +
		tile(v.Rejected, "refused since start") +
		tile(v.Exposed, "exposed of "+plural(v.Hosts.Total, "host", "hosts")) +
		tile(v.DNS.Records, "names in LAN DNS") + "</ul>\n"
}

func addresses[T fmt.Stringer](list []T) markup {
	return join(each(list, func(a T) markup { return text(a.String()) }), ", ")
}

// more says how many rows are not shown, and which command shows them.
func more(hidden int, command string) markup {
	if hidden == 0 {
		return ""
	}
	return "<p>and " + text(countText(hidden)) + " more: " + span("mono", text(command)) + "</p>"
}

func (v *view) hosts() markup {
	if len(v.Hosts.List) == 0 {
		return section("Hosts", "where each name goes, from the WAN and for the LAN", "<p>No host is claimed yet.</p>")
	}
	var rows [][]cell
	for _, r := range v.Hosts.List {
		host := safe(r.Host)
		if r.ALPN != "" {
			host += small("only " + safe(r.ALPN))
		}
		warnings := join(each(r.Warnings, func(w string) markup { return tag("warn", text(w)) + " " }), "")
		wan := tag("", "refused") + " " + warnings
		if r.Exposed {
			wan = tag("good", "exposed") + " " + warnings + `<small class="mono">` +
				join(each(r.Servers, text), ", ") + "</small>"
		}
		dns := addresses(r.DNS)
		if dns == "" {
			dns = span("soft", "nothing of ours")
		}
		from := clean(r.Source)
		if r.Source == r.Object {
			from = "configuration"
		}
		if len(r.Merged) > 0 {
			from += "; also " + join(each(r.Merged, safe), ", ")
		}
		rows = append(rows, []cell{
			{content: host}, {content: wan}, {content: dns, mono: true}, {content: safe(r.Object) + small(from)},
		})
	}
	return section("Hosts", "where each name goes, from the WAN and for the LAN",
		table(columns("Host", "From the WAN", "LAN DNS answers", "Because of"), rows),
		more(v.Hosts.Hidden(), "sniroute routes"))
}

func (v *view) refused() markup {
	if len(v.Refused.List) == 0 {
		return ""
	}
	var rows [][]cell
	for _, r := range v.Refused.List {
		rows = append(rows, []cell{
			{content: safe(r.Host)}, {content: tag("warn", text(string(r.Reason)))}, {content: clean(r.Detail)},
			{content: safe(r.Object) + small(clean(r.Source))},
		})
	}
	return section("Refused claims", "what the cluster asks for and does not get",
		table(columns("Host", "Reason", "Why", "Asked for by"), rows), more(v.Refused.Hidden(), "sniroute routes"))
}

func (v *view) servers() markup {
	if len(v.Servers.List) == 0 {
		return section("Servers", "what connections are handed to", "<p>No backend is in use.</p>")
	}
	var rows [][]cell
	for _, s := range v.Servers.List {
		state := tag("good", "up")
		if !s.Up {
			state = tag("bad", "down") + small(clean(s.Error))
		}
		row := []cell{
			noCell, {content: text(s.Address.String()), mono: true}, {content: state},
			{content: text(countText(s.Active))}, {content: text(countText(s.Failed))}, noCell, noCell, noCell,
		}
		if s.First {
			row[0] = cell{content: text(s.Backend)}
			row[5] = cell{content: text(countText(resultsTotal(s.Of)))}
			row[6] = cell{content: text(bytesText(s.Of.ToBackend))}
			row[7] = cell{content: text(bytesText(s.Of.ToClient))}
		}
		rows = append(rows, row)
	}
	return section("Servers", "what connections are handed to",
		table(columns("Backend", "Server", "State", "#Open", "#Connects failed", "#Connections", "#To server", "#To clients"),
			rows), more(v.Servers.Hidden(), "sniroute status"))
}

func (v *view) listeners() markup {
	if len(v.Listeners) == 0 {
		return section("Listeners", "", "<p>No listener is configured.</p>")
	}
	var rows [][]cell
	for _, l := range v.Listeners {
		state := tag("good", "open")
		if !l.Open {
			state = tag("bad", "closed") + small(clean(l.Error))
		}
		without := markup("refused")
		if l.Default != "" {
			without = "to " + text(l.Default)
		}
		traffic := v.ListenerTraffic(l.Name)
		refused := markup("")
		for _, reason := range slices.SortedFunc(maps.Keys(traffic.Rejected), cmp.Compare) {
			if n := traffic.Rejected[reason]; n > 0 {
				refused += tag("", text(reason+" "+countText(n))) + " "
			}
		}
		if refused == "" {
			refused = span("soft", "none")
		}
		rows = append(rows, []cell{
			{content: text(l.Name) + small(text(l.Protocol))}, {content: state}, {content: addresses(l.Addresses), mono: true},
			{content: without}, {content: text(countText(traffic.Accepted))}, {content: refused},
		})
	}
	return section("Listeners", "",
		table(columns("Listener", "State", "Addresses", "Without a route", "#Accepted", "Refused"), rows))
}

func (v *view) sources() markup {
	if len(v.Sources) == 0 {
		return ""
	}
	var rows [][]cell
	for _, s := range v.Sources {
		state, current := tag("bad", "not read yet"), text(age(v.Now, s.LastSync))
		switch {
		case s.Synced:
			state, current = tag("good", "in step"), "now"
		case s.FromState:
			state = tag("warn", "last known")
		}
		until := noCell
		if s.Kind == SourceCluster {
			until = cell{content: span("soft", "no end known")}
			if !s.Expiry.IsZero() {
				until.content = text(s.Expiry.Format("2006-01-02 15:04"))
			}
		}
		rows = append(rows, []cell{
			{content: text(s.Name) + small(text(s.Kind))}, {content: state}, {content: clean(s.Where), mono: true},
			{content: text(countText(s.Claims))}, {content: current}, until,
		})
	}
	return section("Sources", "clusters and manifests whose objects ask for hosts",
		table(columns("Source", "State", "Read from", "#Claims", "Current", "Credentials until"), rows))
}

// parts shows the configuration and LAN DNS.
func (v *view) parts() markup {
	config := tag("bad", "none")
	switch {
	case v.Config.OK:
		config = tag("good", "in force")
	case v.Config.Loaded:
		config = tag("bad", "an older one is in force")
	}
	dns := tag("good", "up to date")
	switch {
	case !v.DNS.Enabled:
		dns = tag("", "off")
	case v.DNS.Error != "":
		dns = tag("bad", "not up to date")
	case v.DNS.Published.IsZero():
		dns = tag("warn", "nothing published yet")
	}
	details := markup("the LAN is told nothing")
	if v.DNS.Enabled {
		how := v.DNS.Mode
		if v.DNS.Notify != "" && v.DNS.Notify != "none" {
			how += ", told by " + v.DNS.Notify
		}
		details = text(plural(v.DNS.Records, "name", "names") + " (" + how + "), published " + age(v.Now, v.DNS.Published))
	}
	return section("Configuration and LAN DNS", "", table(columns("Part", "State", "Details"), [][]cell{
		{{content: "Configuration"}, {content: config},
			{content: span("mono", text(v.Config.Path)) + ", loaded " + text(age(v.Now, v.Config.Changed))}},
		{{content: "LAN DNS"}, {content: dns}, {content: details}},
	}))
}
