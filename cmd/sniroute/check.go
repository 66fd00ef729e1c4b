package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/sniroute/sniroute/pkg/config"
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
		err = c.Loops(ownAddresses().has)
	}
	if err == nil {
		err = checkKubeconfigs(c)
	}
	if err != nil {
		fmt.Fprintln(in.stderr, err)
		return errors.New("the configuration is not valid")
	}
	_, err = fmt.Fprintf(in.stdout, "%s is valid\n", c.File)
	return err
}

// checkKubeconfigs says which kubeconfig has what sniroute refuses. The daemon would wait for another.
func checkKubeconfigs(c *config.Config) error {
	var bad []error
	for _, cluster := range c.Clusters {
		if cluster.Kubeconfig == "" {
			continue
		}
		if err := watch.CheckKubeconfig(cluster.Kubeconfig); err != nil {
			bad = append(bad, fmt.Errorf("cluster %s: %w", cluster.Name, err))
		}
	}
	return errors.Join(bad...)
}
