package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/watch"
)

// Where credentials lie if no section says otherwise.
const (
	usualCAFile    = "/etc/sniroute/ca.crt"
	usualTokenFile = "/etc/sniroute/token"
)

// enroll takes the Secret that a cluster has filled, writes the credentials and says what they may do.
func enroll(ctx context.Context, in invocation) error {
	f := newFlags(false)
	names, err := f.parse(in.args, "URL")
	if err != nil {
		return err
	}
	e := watch.Enrolment{Server: names[0], CAFile: usualCAFile, TokenFile: usualTokenFile}
	configured := useSection(&e, *f.dir)
	permissions, err := e.Enroll(ctx, in.stdin, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	fmt.Fprintf(in.stdout, "written: %s and %s\n", e.TokenFile, e.CAFile)
	lacks := false
	for _, p := range permissions {
		switch {
		case p.Resource == "secrets" && p.Allowed:
			fmt.Fprintf(in.stdout, "they may %s, which a router should not: use a ServiceAccount of its own (`sniroute manifest`)\n", p)
		case p.Resource == "secrets":
			fmt.Fprintf(in.stdout, "they may not %s, as it should be\n", p)
		case p.Allowed:
			fmt.Fprintf(in.stdout, "they may %s\n", p)
		default:
			lacks = true
			fmt.Fprintf(in.stdout, "they may not %s\n", p)
		}
	}
	if lacks {
		fmt.Fprintln(in.stdout, "`sniroute manifest | kubectl apply -f -` grants what is missing")
	}
	if !configured {
		fmt.Fprintf(in.stdout, "\nno cluster section uses them yet:\n\n"+
			"uci set sniroute.home=cluster\nuci add_list sniroute.home.server='%s'\nuci set sniroute.home.ca_file='%s'\n"+
			"uci set sniroute.home.token_file='%s'\nuci add_list sniroute.home.domain='YOUR.DOMAIN'\nuci commit sniroute\n",
			e.Server, e.CAFile, e.TokenFile)
	}
	return nil
}

// useSection takes over the files of the cluster section that names the server, if there is one.
func useSection(e *watch.Enrolment, dir string) bool {
	c, _, err := config.Load(dir)
	if err != nil {
		return false // it may still have to be written
	}
	for _, cluster := range c.Clusters {
		if slices.Contains(cluster.Servers, e.Server) && cluster.TokenFile != "" && cluster.CAFile != "" {
			e.CAFile, e.TokenFile = cluster.CAFile, cluster.TokenFile
			return true
		}
	}
	return false
}
