package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X main.version=...); a variable for that reason alone. Empty: built without.
var version string

// versionText returns the version, or the revision that the program was built from.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := "devel"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			text += "-" + s.Value[:12]
		}
		if s.Key == "vcs.modified" && s.Value == "true" {
			text += "+changes"
		}
	}
	return text
}

func printVersion(_ context.Context, in invocation) error {
	if _, err := newFlags(false).parse(in.args); err != nil {
		return err
	}
	_, err := fmt.Fprintf(in.stdout, "sniroute %s %s %s/%s\n",
		versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
