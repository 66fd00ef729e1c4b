package main

import (
	"context"

	"github.com/sniroute/sniroute/pkg/watch"
)

// printManifest prints what a cluster needs so that a router may follow it.
func printManifest(_ context.Context, in invocation) error {
	if _, err := newFlags(false).parse(in.args); err != nil {
		return err
	}
	_, err := in.stdout.Write(watch.AccessManifest(watch.Sources()))
	return err
}
