package house

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// ConfigDir is where the daemon's configuration lies, below House.Dir.
const ConfigDir = "config"

// Configure writes the daemon's configuration, the text of /etc/config/sniroute.
func (h *House) Configure(text string) error {
	dir := filepath.Join(h.Dir, ConfigDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "sniroute"), []byte(text), 0o644)
}

// StartDaemon starts sniroute on the router, as configured, and returns when it answers on its control socket.
func (h *House) StartDaemon(ctx context.Context, binary string) (*Service, error) {
	s, err := h.Start(h.Router, "sniroute", binary, "run", "-c", filepath.Join(h.Dir, ConfigDir))
	if err != nil {
		return nil, err
	}
	return s, s.Ready(ctx, func(ctx context.Context) error {
		_, err := h.Ask(ctx, binary, "status")
		return err
	})
}

// Ask runs a subcommand of sniroute on the router, such as `routes -json`, and returns what it prints.
func (h *House) Ask(ctx context.Context, binary, subcommand string, arguments ...string) ([]byte, error) {
	arguments = append([]string{subcommand, "-c", filepath.Join(h.Dir, ConfigDir)}, arguments...)
	return h.Router.Output(exec.CommandContext(ctx, binary, arguments...))
}
