package config

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
)

// checkClientSource notes where source 'client' stands.
func (r *reader) checkClientSource(c *Config) {
	for _, f := range r.found {
		if f.option.Name == "source" && f.value == "client" {
			c.clientSources = append(c.clientSources, f)
		}
	}
	slices.SortFunc(c.clientSources, func(a, b found) int { return cmp.Compare(a.line, b.line) })
}

// ClientSource checks what only the running system knows: whether it lets sniroute use its clients' addresses, which it
// is asked by can where a backend or class has source 'client'. It returns an *Error with one Problem for each of these
// if it does not.
func (c *Config) ClientSource(can func() error) error {
	if len(c.clientSources) == 0 {
		return nil
	}
	err := can()
	if err == nil {
		return nil
	}
	text := "needs CAP_NET_ADMIN, which this process does not have: run 'service sniroute restart', which grants it, " +
		"or say 'router'"
	if !errors.Is(err, fs.ErrPermission) {
		text = "cannot be had here, " + err.Error()
	}
	refused := new(Error)
	for _, f := range c.clientSources {
		p := problemOf(c.File, f.section, f.option.Name, f.line, quoted(f.text)+" "+text)
		p.Value = f.shown()
		refused.Problems = append(refused.Problems, p)
	}
	return refused
}
