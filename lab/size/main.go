// Command size says how large binaries are, stripped as they come and compressed as a package compresses them, and what
// each module adds to the last of them.
//
//	go run ./lab/size dist/sniroute-*
//
// A module's part is the share of its machine code. Data, types and line tables are spread in the same proportion,
// which is right to a few per cent.
package main

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(paths []string) error {
	if len(paths) == 0 {
		return errors.New("usage: size BINARY [BINARY...]")
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "binary\tMB\txz -9 MB\tlinked\t")
	for _, path := range paths {
		binary, err := measure(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%s\t\n",
			filepath.Base(path), mb(binary.size), mb(binary.compressed), binary.linked)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	last := paths[len(paths)-1]
	for _, path := range paths {
		if strings.HasSuffix(path, "mipsle") { // the one whose size is watched
			last = path
		}
	}
	return printModules(last)
}

type binary struct {
	size, compressed int64 // bytes
	linked           string
}

func measure(path string) (binary, error) {
	info, err := os.Stat(path)
	if err != nil {
		return binary{}, err
	}
	var out countingWriter
	xz := exec.Command("xz", "-9", "-c", path)
	xz.Stdout, xz.Stderr = &out, os.Stderr
	if err := xz.Run(); err != nil {
		return binary{}, fmt.Errorf("xz: %w", err)
	}
	file, err := elf.Open(path)
	if err != nil {
		return binary{}, err
	}
	defer file.Close()
	linked := "static"
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		linked = "dynamic"
	}
	return binary{info.Size(), int64(out), linked}, nil
}

type countingWriter int64

func (w *countingWriter) Write(b []byte) (int, error) {
	*w += countingWriter(len(b))
	return len(b), nil
}

// printModules prints what each module adds to the binary, the largest first.
func printModules(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	code, err := codeByModule(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var total uint64
	modules := make([]string, 0, len(code))
	for module, bytes := range code {
		total += bytes
		modules = append(modules, module)
	}
	slices.SortFunc(modules, func(a, b string) int {
		return cmp.Or(cmp.Compare(code[b], code[a]), cmp.Compare(a, b))
	})
	fmt.Printf("\n%s, by module:\n", filepath.Base(path))
	for _, module := range modules {
		share := float64(code[module]) / float64(total)
		fmt.Printf("%8.2f MB %5.1f %%  %s\n", share*mb(info.Size()), 100*share, module)
	}
	return nil
}

// codeByModule adds up the sizes of functions, which a stripped binary still lists in its line table.
func codeByModule(path string) (map[string]uint64, error) {
	build, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	modules := []string{build.Main.Path}
	for _, dependency := range build.Deps {
		modules = append(modules, dependency.Path)
	}

	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, lines := file.Section(".text"), file.Section(".gopclntab")
	if text == nil || lines == nil {
		return nil, errors.New("no Go line table")
	}
	data, err := lines.Data()
	if err != nil {
		return nil, err
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		return nil, err
	}
	code := make(map[string]uint64)
	for _, function := range table.Funcs {
		code[moduleOf(packageOf(function.Name), modules)] += function.End - function.Entry
	}
	return code, nil
}

// packageOf returns the import path in a symbol's name, such as that of "example.com/a/b%2ec.(*T).Method[...]".
func packageOf(symbol string) string {
	symbol, _, _ = strings.Cut(symbol, "[")
	symbol = strings.TrimPrefix(strings.TrimPrefix(symbol, "type:.eq."), "type:.hash.")
	slash := strings.LastIndexByte(symbol, '/') + 1
	dot := strings.IndexByte(symbol[slash:], '.')
	if dot < 0 {
		return symbol
	}
	return strings.ReplaceAll(symbol[:slash+dot], "%2e", ".")
}

func moduleOf(path string, modules []string) string {
	best := ""
	for _, module := range modules {
		if (path == module || strings.HasPrefix(path, module+"/")) && len(module) > len(best) {
			best = module
		}
	}
	switch {
	case best != "":
		return best
	case path == "main":
		return modules[0]
	case path == "runtime" || strings.HasPrefix(path, "internal/runtime/"):
		return "Go's runtime"
	case strings.HasPrefix(path, "net/http"):
		return "Go's net/http"
	case strings.HasPrefix(path, "crypto"):
		return "Go's crypto"
	}
	return "Go's other packages"
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }
