// Command forward stands for any program of a router: it hands its arguments and what is piped into it to the Router
// that listens on a socket, prints what comes back, and exits as it is told.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// Socket is where the Router listens, inside its root.
const socket = "/router.sock"

func main() {
	var answer struct {
		Output string
		Code   int
	}
	if err := ask(&answer); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(125)
	}
	fmt.Print(answer.Output)
	os.Exit(answer.Code)
}

func ask(answer any) error {
	var input []byte
	info, err := os.Stdin.Stat()
	if err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		if input, err = io.ReadAll(os.Stdin); err != nil {
			return err
		}
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	args := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	call := map[string]any{"Args": args, "Input": string(input), "Shell": os.Getppid()}
	if err := json.NewEncoder(conn).Encode(call); err != nil {
		return err
	}
	return json.NewDecoder(conn).Decode(answer)
}
