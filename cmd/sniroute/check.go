package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/proxy"
	"github.com/sniroute/sniroute/pkg/watch"
)

// check validates the configuration as run would, and says all that is wrong.
func check(_ context.Context, in invocation) error {
	f := newFlags(false)
	if _, err := f.parse(in.args); err != nil {
		return err
	}
	c, warnings, err := config.Load(*f.dir)
	for _, w := range warnings {
		fmt.Fprintf(in.stderr, "warning: %s\n", w)
	}
	if bad := new(config.Error); err != nil && !errors.As(err, &bad) {
		return err
	}
	if err == nil {
		err = examine(c, ownAddresses().has, func(string) bool { return true })
	}
	if err != nil {
		fmt.Fprintln(in.stderr, err)
		return errors.New("the configuration is not valid")
	}
	if here := c.ClientSource(proxy.CanBorrow); here != nil { // the daemon may be given what whoever checks has not
		for line := range strings.Lines(here.Error()) {
			fmt.Fprintf(in.stderr, "warning: %s\n", strings.TrimSpace(line))
		}
	}
	for _, p := range absent(c) {
		fmt.Fprintf(in.stderr, "warning: %s\n", p)
	}
	_, err = fmt.Fprintf(in.stdout, "%s is valid\n", c.File)
	return err
}

// absent says what the configuration counts on and is not there yet; the daemon waits for it.
func absent(c *config.Config) []config.Problem {
	const (
		create = "create it, or name another"
		enroll = "`sniroute enroll` writes it"
	)
	var list []config.Problem
	look := func(typ, name, option, path, remedy string) {
		if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) {
			list = append(list, config.Problem{File: c.File, Type: typ, Name: name, Option: option,
				Text: path + " does not exist yet: " + remedy})
		}
	}
	for _, s := range c.Clusters {
		look("cluster", s.Name, "kubeconfig", s.Kubeconfig, create)
		look("cluster", s.Name, "ca_file", s.CAFile, enroll)
		look("cluster", s.Name, "token_file", s.TokenFile, enroll)
	}
	for _, s := range c.Manifests {
		look("manifests", s.Name, "path", s.Path, create)
	}
	look("dns", "dns", "hook", c.DNS.Hook, create)
	if len(c.Listeners) == 0 {
		list = append(list, config.Problem{File: c.File,
			Text: "no listener is enabled, so that no connection is taken: add a section \"config listener 'https'\""})
	}
	return list
}

// examine looks for what only the running system knows to be wrong with a configuration: servers that lead back to it,
// and kubeconfigs that sniroute refuses, where mayRead allows to look (the daemon would wait for another). The error is
// a *config.Error.
func examine(c *config.Config, own func(netip.Addr) bool, mayRead func(path string) bool) error {
	if err := c.Loops(own); err != nil {
		return err
	}
	var problems []config.Problem
	for _, cluster := range c.Clusters {
		if cluster.Kubeconfig == "" || !mayRead(cluster.Kubeconfig) {
			continue
		}
		if err := watch.CheckKubeconfig(cluster.Kubeconfig); err != nil {
			problems = append(problems, config.Problem{
				File: c.File, Type: "cluster", Name: cluster.Name, Option: "kubeconfig", Text: err.Error(),
			})
		}
	}
	if len(problems) > 0 {
		return &config.Error{Problems: problems}
	}
	return nil
}
