package main

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"time"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/watch"
)

// quiet is how long the configuration file must not change before it is read: a person saves more than once, and a
// script commits one option after the other.
const quiet = 500 * time.Millisecond

// printOf tells what was read from what was read before: the bytes of a file, or why they could not be.
func printOf(data []byte, err error) string {
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(data)
	return string(sum[:])
}

// load reads and judges the configuration, and remembers what it has read. It belongs to the goroutine that reloads.
func (d *daemon) load() (*config.Config, []config.Warning, error) {
	path, data, err := config.Read(d.dir)
	d.read = printOf(data, err)
	if err != nil {
		return nil, nil, err
	}
	return config.Parse(path, data)
}

// followConfig reloads when the configuration file holds other bytes than those that were read last, as after `uci
// commit`, until ctx ends.
func (d *daemon) followConfig(ctx context.Context) {
	watch.FollowFile(ctx, filepath.Join(d.dir, "sniroute"), quiet, d.log, func() {
		_ = d.request(ctx, reloadRequest{ifChanged: true}) // it logs what is wrong
	})
}

// changed reports whether the file holds something that was not read yet. An empty file is taken for one that is about
// to be written; SIGHUP takes that over too. It belongs to the goroutine that reloads: what another reload is reading
// is not read twice.
func (d *daemon) changed() bool {
	path, data, err := config.Read(d.dir)
	if printOf(data, err) == d.read || err == nil && len(data) == 0 {
		return false
	}
	d.log.Debug("the configuration file has changed", "file", path)
	return true
}
