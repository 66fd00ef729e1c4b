// Command sniroute routes the TLS connections that reach a router to the backends of a home cluster, by the server name
// that the client asks for.
//
// This package is wiring: it knows the configuration and every other package, and decides nothing by itself. One file
// holds one subcommand, or one part of the daemon:
//
//	              sources.go             keeper.go             run.go
//	watch.Manifests ──┐                                  ┌──▶ proxy.Proxy        connections
//	watch.Cluster   ──┼─ claims ─▶ route.Build ─▶ Table ─┼──▶ dnsmasq.Publisher  the LAN's DNS
//	                  │               ▲                  └──▶ status.Server      page, metrics, commands
//	config.Load ──────┴── translate.go┘
//	router.go: what is the router's own and can never be claimed
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	os.Exit(execute(ctx, invocation{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

// An invocation is what a command is called with.
type invocation struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// A command is one subcommand. It returns an error, which is printed, and what the process exits with.
type command struct {
	name      string
	arguments string // as in the usage: "[-json] [-c DIR]"
	help      string
	run       func(ctx context.Context, in invocation) error
}

// commands lists the subcommands in the order of the usage.
func commands() []command {
	return []command{
		{"run", "[-c DIR] [-log WHERE]", "the daemon, in the foreground", run},
		{"check", "[-c DIR]", "validate the configuration and say what is wrong", check},
		{"status", "[-json] [-c DIR]", "what the running daemon does", showStatus},
		{"routes", "[-json] [-c DIR]", "every host: where it goes, where from, and what was refused", showRoutes},
		{"explain", "[-json] [-c DIR] NAME", "which rule takes NAME, for connections and for DNS", explain},
		{"manifest", "", "print what a cluster needs so that this router may follow it, for kubectl apply -f -", printManifest},
		{"enroll", "[-c DIR] URL", "take the Secret that the cluster has filled, on stdin, as credentials for URL", enroll},
		{"import-haproxy", "FILE", "print the configuration that does what an haproxy.cfg does", importHAProxy},
		{"version", "", "the version of this program", printVersion},
	}
}

// The codes that the process exits with.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is a call that no command understands.
type usageError string

func (e usageError) Error() string { return string(e) }

// A helpError is what a call asks for that asks for help.
type helpError string

func (e helpError) Error() string { return string(e) }

// execute runs the command that the arguments name and returns the exit code.
func execute(ctx context.Context, in invocation) int {
	if len(in.args) == 0 {
		usage(in.stderr)
		return exitUsage
	}
	name := in.args[0]
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		in.args = in.args[1:]
		return report(c, in, c.run(ctx, in))
	}
	switch name {
	case "help", "-h", "-help", "--help":
		usage(in.stdout)
		return exitOK
	}
	fmt.Fprintf(in.stderr, "sniroute: there is no command %q\n\n", name)
	usage(in.stderr)
	return exitUsage
}

// report prints a command's error and returns the exit code.
func report(c command, in invocation, err error) int {
	switch err := err.(type) {
	case nil:
		return exitOK
	case helpError:
		fmt.Fprintf(in.stdout, "usage: sniroute %s %s\n%s\n%s", c.name, c.arguments, c.help, err)
		return exitOK
	case usageError:
		fmt.Fprintf(in.stderr, "sniroute %s: %v\n", c.name, err)
		fmt.Fprintf(in.stderr, "usage: sniroute %s %s\n", c.name, c.arguments)
		return exitUsage
	default:
		fmt.Fprintf(in.stderr, "sniroute %s: %v\n", c.name, err)
		return exitFailed
	}
}

func usage(w io.Writer) {
	fmt.Fprintf(w, "usage: sniroute COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-32s %s\n", c.name+" "+c.arguments, c.help)
	}
	fmt.Fprintf(w, "\nDIR holds the file sniroute, which configures it; default %s\n", defaultDir)
}
