//go:build race

package peers

// buildFlags are those of the daemon: its races are looked for as those of the tests.
func buildFlags() []string { return []string{"build", "-race"} }
