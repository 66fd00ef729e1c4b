package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// defaultDir is where OpenWrt keeps configurations.
const defaultDir = "/etc/config"

// flags are those that several commands have. A command adds its own to Set.
type flags struct {
	*flag.FlagSet
	dir  *string
	json *bool
}

// newFlags returns the flags of a command: -c always, -json where it prints something that programs read.
func newFlags(json bool) flags {
	f := flags{FlagSet: flag.NewFlagSet("", flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.dir = f.String("c", defaultDir, "the `folder` of the configuration")
	if json {
		f.json = f.Bool("json", false, "print JSON")
	}
	return f
}

// parse takes the flags out of args, wherever they stand, and returns the rest, of which there must be so many.
func (f flags) parse(args []string, names ...string) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, helpError(f.help())
		} else if err != nil {
			return nil, usageError(err.Error())
		}
		if f.NArg() == 0 {
			break
		}
		rest = append(rest, f.Arg(0))
		args = f.Args()[1:]
	}
	switch {
	case len(rest) < len(names):
		return nil, usageError(fmt.Sprintf("%s is missing", names[len(rest)]))
	case len(rest) > len(names):
		return nil, usageError(fmt.Sprintf("what is %q for?", rest[len(names)]))
	}
	return rest, nil
}

// help lists the flags.
func (f flags) help() string {
	var b strings.Builder
	f.SetOutput(&b)
	f.PrintDefaults()
	return b.String()
}
