package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sniroute/sniroute/pkg/status"
)

// showRoutes prints every host, where it goes and where from, and what was refused.
func showRoutes(ctx context.Context, in invocation) error {
	return query(in, nil, func(c *status.Client, _ []string) (status.Routes, error) { return c.Routes(ctx) }, routesText)
}

// routesText is the list for people.
func routesText(r status.Routes) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	heading := ""
	if slices.ContainsFunc(r.Routes, func(r status.Route) bool { return len(r.Warnings)+len(r.Merged) > 0 }) {
		heading = "\tNOTES"
	}
	if len(r.Routes) == 0 {
		fmt.Fprintln(w, "no name is routed")
	} else {
		fmt.Fprintln(w, "HOST\tFROM THE WAN\tLAN DNS\tFROM"+heading)
	}
	for _, route := range r.Routes {
		host := route.Host
		if route.ALPN != "" {
			host += " (" + route.ALPN + ")"
		}
		to := "refused"
		if route.Exposed {
			to = "to " + cmp.Or(strings.Join(route.Servers, ", "), "nowhere")
		}
		from := "route " + route.Source
		if route.Object != route.Source {
			from = route.Object + " of " + route.Source
		}
		notes := strings.Join(route.Warnings, ", ")
		if len(route.Merged) > 0 {
			notes = strings.TrimPrefix(notes+"; also "+strings.Join(route.Merged, ", "), "; ")
		}
		dns := cmp.Or(join(route.DNS), "-")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", shown(host), shown(to), dns, shown(from), shown(notes))
	}
	_ = w.Flush()
	if len(r.Refused) > 0 {
		fmt.Fprintln(w, "\nREFUSED\tFROM\tREASON\tWHY")
	}
	for _, refused := range r.Refused {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", shown(refused.Host), shown(refused.Object+" of "+refused.Source), refused.Reason,
			shown(refused.Detail))
	}
	_ = w.Flush()
	return regexp.MustCompile(" +\n").ReplaceAllString(b.String(), "\n")
}
