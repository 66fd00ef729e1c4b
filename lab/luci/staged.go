package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/sniroute/sniroute/pkg/ubus"
	"github.com/sniroute/sniroute/pkg/uci"
)

// A stage holds one configuration and a session's changes of it that are not applied yet, as rpcd's uci object does.
// Whoever uses it holds its lock.
type stage struct {
	sync.Mutex
	path    string
	file    *uci.File // with the changes; nil: none
	changes [][]string
}

const configName = "sniroute"

// options are those of a call of uci.
type options map[string]json.RawMessage

// text returns the configuration with the changes.
func (s *stage) text() ([]byte, error) {
	if s.file == nil {
		return os.ReadFile(s.path)
	}
	return uci.Format(s.file)
}

func (s *stage) read() (*uci.File, error) {
	text, err := s.text()
	if err != nil {
		return nil, err
	}
	return uci.Parse(configName, text)
}

// values are what uci.get returns: sections by name.
func (s *stage) values() (map[string]any, error) {
	file, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ubus.StatusNotFound
	}
	if err != nil {
		return nil, err
	}
	sections := map[string]any{}
	for i, section := range file.Sections {
		values := map[string]any{
			".anonymous": section.Anonymous, ".type": section.Type, ".name": section.Name, ".index": i,
		}
		for _, o := range section.Options {
			if !o.List {
				values[o.Name] = o.Values[0].Text
				continue
			}
			list := []string{}
			for _, v := range o.Values {
				list = append(list, v.Text)
			}
			values[o.Name] = list
		}
		sections[section.Name] = values
	}
	return sections, nil
}

// change stages what f does to the file, and notes it.
func (s *stage) change(note []string, f func(*uci.File) error) error {
	file, err := s.read()
	if err != nil {
		return err
	}
	if err := f(file); err != nil {
		return err
	}
	text, err := uci.Format(file)
	if err != nil {
		return fmt.Errorf("%w: %w", ubus.StatusInvalidArgument, err)
	}
	if s.file, err = uci.Parse(configName, text); err != nil { // anonymous sections have other names now
		return err
	}
	s.changes = append(s.changes, note)
	return nil
}

// add adds a section and returns its name.
func (s *stage) add(typ, name string, values options) (string, error) {
	position := 0
	err := s.change([]string{"add", name, typ}, func(f *uci.File) error {
		if name != "" && f.Section(name) != nil {
			return ubus.StatusInvalidArgument
		}
		position = len(f.Sections)
		return setAll(f.AddSection(typ, name), values)
	})
	if err != nil {
		return "", err
	}
	return s.file.Sections[position].Name, nil
}

func (s *stage) set(section string, values options) error {
	return s.change([]string{"set", section}, func(f *uci.File) error {
		found := f.Section(section)
		if found == nil {
			return ubus.StatusNotFound
		}
		return setAll(found, values)
	})
}

func setAll(section *uci.Section, values options) error {
	for name, raw := range values {
		var text string
		var list []string
		switch {
		case json.Unmarshal(raw, &text) == nil:
			section.Set(name, text)
		case json.Unmarshal(raw, &list) == nil:
			section.Set(name, "")
			section.Add(name, list...)
		default:
			return fmt.Errorf("%w: option %s is %s", ubus.StatusInvalidArgument, name, raw)
		}
	}
	return nil
}

// delete removes options of a section, or all of it.
func (s *stage) delete(section string, names []string) error {
	return s.change([]string{"remove", section}, func(f *uci.File) error {
		found := f.Section(section)
		if found == nil {
			return ubus.StatusNotFound
		}
		for _, name := range names {
			found.Set(name, "")
		}
		if names == nil {
			f.Sections = slices.DeleteFunc(f.Sections, func(s *uci.Section) bool { return s == found })
		}
		return nil
	})
}

// order puts the sections into the order of names.
func (s *stage) order(names []string) error {
	return s.change([]string{"order"}, func(f *uci.File) error {
		slices.SortStableFunc(f.Sections, func(a, b *uci.Section) int {
			return slices.Index(names, a.Name) - slices.Index(names, b.Name)
		})
		return nil
	})
}

func (s *stage) revert() { s.file, s.changes = nil, nil }

// apply writes the changes.
func (s *stage) apply() error {
	text, err := s.text()
	if err != nil {
		return err
	}
	s.revert()
	return uci.WriteFile(s.path, text)
}
