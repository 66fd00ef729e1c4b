package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// recompress packs an .ipk again: nfpm packs it as fast as is usual. What is in it stays as it is.
func recompress(ipk []byte, compress func([]byte) ([]byte, error)) ([]byte, error) {
	outer, err := gunzip(ipk)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for r := tar.NewReader(bytes.NewReader(outer)); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(header.Name, ".gz") {
			if data, err = gunzip(data); err != nil {
				return nil, err
			}
			if data, err = compress(data); err != nil {
				return nil, err
			}
		}
		header.Size = int64(len(data))
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return gzipped(b.Bytes(), gzip.BestSpeed) // what is in it is compressed already
}

// best is the smallest that Go's gzip makes.
func best(data []byte) ([]byte, error) { return gzipped(data, gzip.BestCompression) }

// squeeze has zopfli look for the smallest gzip that there is, or nearly: a twentieth smaller than best.
func (p pack) squeeze(data []byte) ([]byte, error) {
	file, err := p.generated("squeezed", string(data))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("zopfli", "--i1", "-c", file)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("zopfli (Debian has it in a package of that name): %w", err)
	}
	return out, nil
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func gzipped(data []byte, level int) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
