package openwrt

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/sniroute/sniroute/lab/netns"
)

// built is where the programs that the tests run lie.
const built = "../../bin/openwrt"

func TestMain(m *testing.M) { netns.Main(m, buildAll) }

// buildAll builds the forwarder, the daemon and the packer.
func buildAll() error {
	dir, err := filepath.Abs(built)
	if err != nil {
		return err
	}
	for _, b := range []struct{ in, pkg, out string }{
		{"../..", "./lab/openwrt/forward", "forward"},
		{"../..", "./cmd/sniroute", "sniroute-" + goarch()},
		{"../../openwrt/pack", ".", "pack"},
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, b.out), b.pkg)
		cmd.Dir = b.in
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w: %s", b.pkg, err, out)
		}
	}
	return nil
}

// goarch is this machine's architecture by the name that the packer knows.
func goarch() string {
	if runtime.GOARCH == "arm" {
		return "arm-7"
	}
	return runtime.GOARCH
}
