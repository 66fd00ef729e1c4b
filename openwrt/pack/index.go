package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeIndex writes Packages and Packages.gz, which opkg reads from a feed: of every .ipk in dir its control file, and
// the name, size and hash of the package. opkg takes what fits its architecture.
func writeIndex(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.ipk"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	var index bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		control, err := member(data, "control.tar.gz", "control")
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		before, after, found := cutField(string(control), "Description")
		if !found {
			return fmt.Errorf("%s: the control file has no description", name)
		}
		index.WriteString(before)
		fmt.Fprintf(&index, "Filename: %s\nSize: %d\nSHA256sum: %x\n", filepath.Base(name), len(data), sha256.Sum256(data))
		index.WriteString(after + "\n")
	}
	small, err := best(index.Bytes())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "Packages"), index.Bytes(), 0o644),
		os.WriteFile(filepath.Join(dir, "Packages.gz"), small, 0o644),
	)
}

// cutField moves a field of a control file behind all others: opkg wants the description last. before ends and after
// begins with a whole line.
func cutField(control, name string) (before, after string, found bool) {
	inside := false
	for line := range strings.Lines(strings.TrimRight(control, "\n") + "\n") {
		inside = strings.HasPrefix(line, name+":") || inside && strings.HasPrefix(line, " ")
		if inside {
			after += line
		} else {
			before += line
		}
	}
	return before, after, after != ""
}

// member returns a file out of an archive within an .ipk.
func member(ipk []byte, archive, name string) ([]byte, error) {
	outer, err := gunzip(ipk)
	if err != nil {
		return nil, err
	}
	inner, err := entry(outer, archive)
	if err != nil {
		return nil, err
	}
	if inner, err = gunzip(inner); err != nil {
		return nil, err
	}
	return entry(inner, name)
}

// entry returns a file out of a tar archive.
func entry(archive []byte, name string) ([]byte, error) {
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		header, err := r.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("there is no %s", name)
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimPrefix(header.Name, "./") == name {
			return io.ReadAll(r)
		}
	}
}
