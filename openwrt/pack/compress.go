package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

// recompress packs an .ipk as small as gzip can: nfpm packs it as fast as is usual. What is in it stays as it is.
func recompress(ipk []byte) ([]byte, error) {
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
			if data, err = gzipped(data, gzip.BestCompression); err != nil {
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
