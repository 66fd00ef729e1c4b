// Command qemu has the binaries for other processors do the demo's work, and the unit tests of what depends most on the
// processor pass, under qemu's user mode emulation.
//
//	go run ./lab/qemu [ARCHITECTURE...]
//
// It takes the binaries of `make cross` in dist/, and those of `make packages` out of the packages where there are any.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sniroute/sniroute/lab/openwrt"
)

// A machine is a processor that is emulated.
type machine struct {
	name     string   // as in dist/sniroute-NAME
	emulator []string // and the processor that it is to be
	env      []string // for the Go tools
	pack     string   // architecture of the package that holds the binary; empty: dist holds it
}

func machines() []machine {
	return []machine{
		{"mipsle", []string{"qemu-mipsel-static", "-cpu", "24Kc"}, []string{"GOARCH=mipsle", "GOMIPS=softfloat"},
			"mipsel_24kc"},
		{"mips", []string{"qemu-mips-static", "-cpu", "24Kc"}, []string{"GOARCH=mips", "GOMIPS=softfloat"}, "mips_24kc"},
		{"arm-5", []string{"qemu-arm-static", "-cpu", "arm926"}, []string{"GOARCH=arm", "GOARM=5"}, ""},
		{"arm-7", []string{"qemu-arm-static", "-cpu", "cortex-a7"}, []string{"GOARCH=arm", "GOARM=7"},
			"arm_cortex-a7_neon-vfpv4"},
		{"arm64", []string{"qemu-aarch64-static", "-cpu", "cortex-a53"}, []string{"GOARCH=arm64"}, "aarch64_generic"},
		{"riscv64", []string{"qemu-riscv64-static"}, []string{"GOARCH=riscv64"}, ""},
	}
}

// packages are those whose unit tests run: what casts, counts or shifts, or speaks to the kernel by itself.
func packages() []string {
	return []string{"./pkg/sni", "./pkg/uci", "./pkg/route", "./pkg/epoll", "./pkg/ubus"}
}

// patience is by how many times the demo's steps may take longer than is promised of a real machine.
const patience = "60"

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "qemu:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	scratch, err := os.MkdirTemp("", "qemu")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	demo := filepath.Join(scratch, "demo")
	if err := command(nil, "go", "build", "-o", demo, "./lab/demo"); err != nil {
		return err
	}
	var failed []string
	known := 0
	for _, m := range machines() {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		known++
		begin := time.Now()
		fmt.Printf("== %s: unit tests\n", m.name)
		if err := m.test(); err != nil {
			failed = append(failed, fmt.Sprintf("%s: unit tests: %v", m.name, err))
		}
		fmt.Printf("== %s: the demo\n", m.name)
		if err := m.show(demo, scratch); err != nil {
			failed = append(failed, fmt.Sprintf("%s: demo: %v", m.name, err))
		}
		fmt.Printf("== %s: %.0f s\n", m.name, time.Since(begin).Seconds())
	}
	if known < max(len(names), 1) {
		return fmt.Errorf("there is not every one of %s", strings.Join(names, ", "))
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "\n"))
	}
	fmt.Printf("%d machines: every test passed, every step held\n", known)
	return nil
}

// test runs the unit tests.
func (m machine) test() error {
	args := []string{"test", "-short", "-timeout", "30m", "-exec", strings.Join(m.emulator, " ")}
	return command(append(m.env, "CGO_ENABLED=0"), "go", append(args, packages()...)...)
}

// show runs the demo with the daemon, and its commands, on the machine.
func (m machine) show(demo, scratch string) error {
	binary, err := m.binary(scratch)
	if err != nil {
		return err
	}
	wrapper := filepath.Join(scratch, "sniroute-on-"+m.name)
	text := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", strings.Join(m.emulator, " "), binary)
	if err := os.WriteFile(wrapper, []byte(text), 0o755); err != nil {
		return err
	}
	return command(nil, demo, "-once", "-patience", patience, "-sniroute", wrapper)
}

// binary returns where the program for the machine lies.
func (m machine) binary(scratch string) (string, error) {
	found, err := filepath.Glob("dist/packages/*_" + m.pack + ".ipk")
	if m.pack == "" || err != nil || len(found) == 0 {
		return filepath.Abs("dist/sniroute-" + m.name)
	}
	data, err := openwrt.Unpack(found[len(found)-1], "/usr/bin/sniroute")
	if err != nil {
		return "", err
	}
	to := filepath.Join(scratch, "sniroute-"+m.name)
	fmt.Printf("   its binary comes from %s\n", found[len(found)-1])
	return to, os.WriteFile(to, data, 0o755)
}

// command runs a command whose output is ours.
func command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
