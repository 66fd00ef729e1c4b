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
	ownFolder      = "/etc/sniroute" // which the service makes, and hands to the daemon
	usualCAFile    = ownFolder + "/ca.crt"
	usualTokenFile = ownFolder + "/token"
)

// enroll takes the Secret that a cluster has filled, tries and writes the credentials, and says what they may do.
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
	for _, text := range permissionTexts(permissions) {
		fmt.Fprintln(in.stdout, text)
	}
	if !configured {
		fmt.Fprintf(in.stdout, "\nno cluster section uses them yet:\n\n"+
			"uci set sniroute.home=cluster\nuci add_list sniroute.home.server='%s'\nuci set sniroute.home.ca_file='%s'\n"+
			"uci set sniroute.home.token_file='%s'\nuci add_list sniroute.home.domain='YOUR.DOMAIN'\nuci commit sniroute\n",
			e.Server, e.CAFile, e.TokenFile)
	}
	return nil
}

// permissionTexts says what credentials may do, and what to do about it.
func permissionTexts(permissions []watch.Permission) []string {
	texts, lacks := []string{}, false
	for _, p := range permissions {
		switch {
		case p.Resource == "secrets" && p.Allowed:
			texts = append(texts, fmt.Sprintf("they may %s, which a router should not:"+
				" use a ServiceAccount of its own (`sniroute manifest`)", p))
		case p.Resource == "secrets":
			texts = append(texts, fmt.Sprintf("they may not %s, as it should be", p))
		case p.Allowed:
			texts = append(texts, fmt.Sprintf("they may %s", p))
		default:
			lacks = true
			texts = append(texts, fmt.Sprintf("they may not %s", p))
		}
	}
	if lacks {
		texts = append(texts, "`ssh root@ROUTER sniroute manifest | kubectl apply -f -` grants what is missing")
	}
	return texts
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
