package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Rights are what a session may do: the methods of ubus objects, and configurations to read and to write.
type rights struct {
	ubus  map[string][]string
	read  []string
	write []string
}

// A grant is one half of an entry of /usr/share/rpcd/acl.d.
type grant struct {
	UBus map[string][]string `json:"ubus"`
	UCI  []string            `json:"uci"`
}

// rightsFrom reads the rights that the package's ACL gives to a session that may read, and to one that may write too.
func rightsFrom(pkg string) (reader, writer rights, err error) {
	paths, err := filepath.Glob(filepath.Join(pkg, "root/usr/share/rpcd/acl.d/*.json"))
	if err != nil || len(paths) == 0 {
		return reader, writer, fmt.Errorf("%s has no rpcd ACL", pkg)
	}
	reader, writer = newRights(), newRights()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return reader, writer, err
		}
		var entries map[string]struct{ Read, Write grant }
		if err := json.Unmarshal(data, &entries); err != nil {
			return reader, writer, fmt.Errorf("%s: %w", path, err)
		}
		for _, e := range entries {
			reader.add(e.Read)
			reader.read = append(reader.read, e.Read.UCI...)
			writer.add(e.Read)
			writer.add(e.Write)
			writer.read = append(writer.read, e.Read.UCI...)
			writer.write = append(writer.write, e.Write.UCI...)
		}
	}
	return reader, writer, nil
}

// newRights are those that luci-base gives to everybody who is logged in. rpcd asks of the methods of uci, for each
// configuration, whether it may be read or written.
func newRights() rights {
	return rights{ubus: map[string][]string{
		"uci":     {"get", "changes", "add", "set", "delete", "order", "revert"},
		"session": {"access"},
		"luci":    {"getFeatures"},
		"file":    {"list"},
	}, read: []string{"luci"}}
}

func (r *rights) add(g grant) {
	for object, methods := range g.UBus {
		r.ubus[object] = append(r.ubus[object], methods...)
	}
}

func (r *rights) call(object, method string) bool {
	return slices.Contains(r.ubus[object], method) || slices.Contains(r.ubus[object], "*")
}

// access answers session.access for the scope uci.
func (r *rights) access(config, function string) bool {
	switch function {
	case "read":
		return slices.Contains(r.read, config)
	case "write":
		return slices.Contains(r.write, config)
	}
	return false
}
