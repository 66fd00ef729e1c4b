// Command parity runs HAProxy with an haproxy.cfg and sniroute with its import side by side, sends both the same
// hellos, and prints where each one went: to the same backend, or why not.
//
//	go run ./lab/parity [FILE ...]
//
// Without a FILE it is the one of the blog post that sniroute began with. Nothing leaves the machine: addresses to
// listen on, and of servers, are exchanged for ones of loopback, where a listener stands for each server line and
// answers with its name. Checks are left out, and inspect-delay is shortened. It exits with 1 if a difference has no
// reason.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

const blog = "pkg/haproxy/testdata/blog.cfg"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	files := os.Args[1:]
	if len(files) == 0 {
		files = []string{blog}
	}
	if err := run(ctx, files); err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, files []string) error {
	dir, err := os.MkdirTemp("", "parity")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "sniroute")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/sniroute").CombinedOutput(); err != nil {
		return fmt.Errorf("building sniroute: %w\n%s", err, out)
	}
	unexplained := 0
	for i, file := range files {
		fmt.Printf("%s\n\n", file)
		work := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(work, 0o755); err != nil {
			return err
		}
		results, err := compare(ctx, work, program, file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		unexplained += print(results, differences()[filepath.Base(file)])
	}
	if unexplained > 0 {
		return fmt.Errorf("%d differences have no reason", unexplained)
	}
	return nil
}

// print writes a table and returns how many differences have no reason.
func print(results []result, known []difference) (unexplained int) {
	fmt.Printf("%-12s %-34s %-24s %-24s\n", "frontend", "hello", "HAProxy", "sniroute")
	different := 0
	for _, r := range results {
		fmt.Printf("%-12s %-34s %-24s %-24s", r.front, r.hello.name, r.haproxy, r.sniroute)
		why, explained := r.explain(results, known)
		if r.haproxy != r.sniroute {
			different++
			fmt.Printf(" %s", why)
		}
		if !explained {
			unexplained++
			fmt.Printf(" UNEXPLAINED")
		}
		fmt.Println()
	}
	fmt.Printf("\n%d hellos, %d to the same place, %d differences, %d of them without a reason\n\n",
		len(results), len(results)-different, different, unexplained)
	return unexplained
}
