// Command pack makes OpenWrt packages of sniroute and its LuCI pages without OpenWrt's SDK: .ipk for opkg (24.10 and
// before) and .apk for apk (25.12 and later), for several architectures, and the index that makes their folder a feed for
// opkg.
//
// What goes where stands in one place, the feed's Makefiles (openwrt/package), which are read here as OpenWrt's
// buildroot and LuCI's luci.mk read them. The same sources and binaries give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// A target is an architecture by the name that a router knows it by (/etc/opkg/arch.conf, /etc/apk/arch), and the
// binary that runs there.
type target struct {
	arch   string
	binary string // of `make cross`: sniroute-BINARY
	scarce bool   // these routers have so little memory and flash that minutes of compressing are worth it
}

func targets() []target {
	return []target{
		{"mips_24kc", "mips", true},
		{"mipsel_24kc", "mipsle", true},
		{"arm_cortex-a7_neon-vfpv4", "arm-7", false},
		{"aarch64_generic", "arm64", false},
		{"aarch64_cortex-a53", "arm64", false},
		{"x86_64", "amd64", false},
	}
}

func main() {
	root := flag.String("root", "../..", "the repository")
	binaries := flag.String("binaries", "../../dist", "where sniroute-GOARCH lie")
	out := flag.String("out", "../../dist/packages", "where the packages go")
	date := flag.Int64("date", 0, "seconds since 1970 that all files get: the time of the commit")
	only := flag.String("only", "", "the architecture to pack for; all if empty")
	flag.Parse()
	if err := run(*root, *binaries, *out, *only, time.Unix(*date, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// run packs for every target, and what runs on all of them, and prints a table of what became of it.
func run(root, binaries, out, only string, date time.Time) error {
	scratch, err := os.MkdirTemp("", "pack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	packs, err := packsOf(root, binaries, scratch)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "package\tarchitecture\tbinary\t.ipk\t.apk\t")
	packed := 0
	for _, p := range packs {
		if only != "" && p.arch != only {
			continue
		}
		packed++
		p.date, p.scratch = date, scratch
		ipk, err := p.writeIPK(out)
		if err != nil {
			return fmt.Errorf("packing %s for %s: %w", p.feed.name, p.arch, err)
		}
		apk, err := p.writeAPK(out)
		if err != nil {
			return fmt.Errorf("packing %s for %s: %w", p.feed.name, p.arch, err)
		}
		binary := "-"
		sizes, err := sizesOf(ipk, apk)
		if err == nil && p.binary != "" {
			var size []int64
			if size, err = sizesOf(p.binary); err == nil {
				binary = fmt.Sprint(size[0])
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t\n", p.feed.name, p.arch, binary, sizes[0], sizes[1])
	}
	if packed == 0 {
		return fmt.Errorf("there is no architecture %q", only)
	}
	return errors.Join(table.Flush(), writeIndex(out))
}

// packsOf returns what there is to pack: the program for every target, and LuCI's pages with their translations.
func packsOf(root, binaries, scratch string) ([]pack, error) {
	program, err := readFeed(filepath.Join(root, "openwrt/package/sniroute"), root)
	if err != nil {
		return nil, err
	}
	pages, err := readLuCI(filepath.Join(root, "openwrt/package/luci-app-sniroute"), scratch)
	if err != nil {
		return nil, err
	}
	var packs []pack
	for _, t := range targets() {
		packs = append(packs, pack{
			feed: program, arch: t.arch, scarce: t.scarce, binary: filepath.Join(binaries, "sniroute-"+t.binary),
		})
	}
	for _, f := range pages {
		packs = append(packs, pack{feed: f, arch: "all"})
	}
	return packs, nil
}

func sizesOf(files ...string) ([]int64, error) {
	var sizes []int64
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
	}
	return sizes, nil
}
