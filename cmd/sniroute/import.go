package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/sniroute/sniroute/pkg/config"
	"github.com/sniroute/sniroute/pkg/haproxy"
	"github.com/sniroute/sniroute/pkg/uci"
)

// importHAProxy prints the configuration that does what an haproxy.cfg does, and says on stderr what it does not. The
// file may be "-", for stdin.
func importHAProxy(_ context.Context, in invocation) error {
	f := newFlags(false)
	names, err := f.parse(in.args, "FILE")
	if err != nil {
		return err
	}
	const most = haproxy.MaxSize + 1 // one more tells that it is too much
	name := names[0]
	var text []byte
	if name == "-" {
		name = "haproxy.cfg"
		text, err = io.ReadAll(io.LimitReader(in.stdin, most))
	} else {
		text, err = readBounded(name, most)
	}
	if err != nil {
		return err
	}
	_, out, remarks, err := convert(name, text, besides(name))
	for _, r := range remarks {
		fmt.Fprintf(in.stderr, "%s:%d: %s\n", shown(name), r.Line, r.Text)
	}
	if err != nil {
		return err
	}
	_, err = in.stdout.Write(out)
	return err
}

// convert returns the configuration that does what an haproxy.cfg does, also as text, and what it does not. It can be
// used: what has no effect yet is said by check.
func convert(name string, text []byte, readFile func(string) ([]byte, error)) (
	*uci.File, []byte, []haproxy.Remark, error) {

	file, remarks, err := haproxy.Import(text, readFile)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := uci.Format(file)
	if err != nil {
		return nil, nil, remarks, fmt.Errorf("%s: %w", name, err)
	}
	_, _, err = config.Parse("the configuration made of "+name, out)
	return file, out, remarks, err
}

// besides reads files that an haproxy.cfg names: as named, or beside it where that is not there.
func besides(name string) func(string) ([]byte, error) {
	return func(other string) ([]byte, error) {
		const most = haproxy.MaxSize + 1
		text, err := readBounded(other, most)
		if err != nil && !filepath.IsAbs(other) {
			return readBounded(filepath.Join(filepath.Dir(name), other), most)
		}
		return text, err
	}
}
