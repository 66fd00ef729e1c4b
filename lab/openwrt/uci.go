package openwrt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sniroute/sniroute/pkg/uci"
)

// assignments returns the shell variables that config_load sets for a file.
func assignments(file string) (text string, code int) {
	f, err := readConfig(file)
	if err != nil {
		return "", 1
	}
	var b strings.Builder
	var variables, sections []string
	set := func(name, value string) {
		fmt.Fprintf(&b, "%s=%s\n", name, quote(value))
		variables = append(variables, name)
	}
	for _, s := range f.Sections {
		sections = append(sections, s.Name)
		set("CONFIG_"+s.Name+"_TYPE", s.Type)
		for _, o := range s.Options {
			name := "CONFIG_" + s.Name + "_" + o.Name
			texts := []string{}
			for i, v := range o.Values {
				texts = append(texts, v.Text)
				if o.List {
					set(fmt.Sprint(name, "_ITEM", i+1), v.Text)
				}
			}
			if o.List {
				set(name+"_LENGTH", strconv.Itoa(len(o.Values)))
			}
			set(name, strings.Join(texts, " "))
		}
	}
	fmt.Fprintf(&b, "CONFIG_SECTIONS=%s\n", quote(strings.Join(sections, " ")))
	fmt.Fprintf(&b, "CONFIG_VARIABLES=%s\n", quote(strings.Join(variables, " ")))
	return b.String(), 0
}

// quote makes one word of the shell, or of a configuration file.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func readConfig(file string) (*uci.File, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return uci.Parse(filepath.Base(file), data)
}

// uci plays the tool: show, get, set, add_list, delete, changes, commit and batch of one configuration file at a time.
// Uncommitted changes are kept in a file beside it.
func (r *Router) uci(args []string, input string) (output string, code int) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	if len(args) == 1 && args[0] == "batch" {
		for line := range strings.Lines(input) {
			if words := strings.SplitN(strings.TrimSpace(line), " ", 2); words[0] != "" {
				out, c := r.uci(words, "")
				output, code = output+out, max(code, c)
			}
		}
		return output, code
	}
	if len(args) < 1 {
		return "", 1
	}
	if len(args) == 1 { // of everything
		if args[0] != "commit" {
			return "", 1
		}
		for config := range r.staged {
			r.uci([]string{"commit", config}, "")
		}
		return "", 0
	}
	name, value, _ := strings.Cut(args[1], "=")
	parts := strings.Split(name, ".")
	file, err := r.load(parts[0])
	if err != nil {
		return "", 1
	}
	switch args[0] {
	case "show":
		return show(file, parts[1:]), 0
	case "get":
		return get(file, parts[1:])
	case "changes":
		if r.staged[parts[0]] {
			return parts[0] + " has changes\n", 0
		}
		return "", 0
	case "commit":
		if !r.staged[parts[0]] {
			return "", 0
		}
		delete(r.staged, parts[0])
		return "", failed(os.Rename(r.Path("/tmp/.uci-"+parts[0]), r.Path("/etc/config/"+parts[0])))
	case "set":
		err = set(file, parts[1:], strings.Trim(value, "'"), false)
	case "add_list":
		err = set(file, parts[1:], strings.Trim(value, "'"), true)
	case "delete":
		err = remove(file, parts[1:])
	default:
		r.unknown = append(r.unknown, "uci "+strings.Join(args, " "))
		return "", 1
	}
	if err == nil {
		r.staged[parts[0]] = true
		err = os.WriteFile(r.Path("/tmp/.uci-"+parts[0]), []byte(export(file)), 0o644)
	}
	return "", failed(err)
}

func failed(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// load reads a configuration with its uncommitted changes.
func (r *Router) load(config string) (*uci.File, error) {
	if r.staged[config] {
		return readConfig(r.Path("/tmp/.uci-" + config))
	}
	f, err := readConfig(r.Path("/etc/config/" + config))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("uci: Entry not found")
	}
	return f, err
}

// show prints a file, or a section of it, as `uci show` does.
func show(f *uci.File, parts []string) string {
	var b strings.Builder
	count := map[string]int{}
	for _, s := range f.Sections {
		id := s.Name
		if s.Anonymous {
			id = fmt.Sprintf("@%s[%d]", s.Type, count[s.Type])
		}
		count[s.Type]++
		if len(parts) > 0 && parts[0] != id && parts[0] != s.Name {
			continue
		}
		fmt.Fprintf(&b, "%s.%s=%s\n", f.Name, id, s.Type)
		for _, o := range s.Options {
			var values []string
			for _, v := range o.Values {
				values = append(values, quote(v.Text))
			}
			fmt.Fprintf(&b, "%s.%s.%s=%s\n", f.Name, id, o.Name, strings.Join(values, " "))
		}
	}
	return b.String()
}

// get prints the type of a section or the value of an option.
func get(f *uci.File, parts []string) (string, int) {
	s := find(f, parts[0])
	if s == nil {
		return "", 1
	}
	if len(parts) == 1 {
		return s.Type + "\n", 0
	}
	o := s.Option(parts[1])
	if o == nil {
		return "", 1
	}
	var values []string
	for _, v := range o.Values {
		values = append(values, v.Text)
	}
	return strings.Join(values, " ") + "\n", 0
}

// find returns a section by its name or as @TYPE[N].
func find(f *uci.File, id string) *uci.Section {
	m := regexp.MustCompile(`^@(.+)\[(\d+)\]$`).FindStringSubmatch(id)
	n := 0
	for _, s := range f.Sections {
		if m == nil {
			if s.Name == id {
				return s
			}
			continue
		}
		if s.Type == m[1] {
			if strconv.Itoa(n) == m[2] {
				return s
			}
			n++
		}
	}
	return nil
}

func set(f *uci.File, parts []string, value string, list bool) error {
	s := find(f, parts[0])
	if len(parts) == 1 {
		if s == nil {
			f.Sections = append(f.Sections, &uci.Section{Type: value, Name: parts[0]})
		} else {
			s.Type = value
		}
		return nil
	}
	if s == nil {
		return fmt.Errorf("no section %s", parts[0])
	}
	o := s.Option(parts[1])
	if o == nil {
		o = &uci.Option{Name: parts[1], List: list}
		s.Options = append(s.Options, o)
	}
	if !list {
		o.List, o.Values = false, nil
	}
	o.Values = append(o.Values, uci.Value{Text: value})
	return nil
}

func remove(f *uci.File, parts []string) error {
	s := find(f, parts[0])
	if s == nil {
		return fmt.Errorf("no section %s", parts[0])
	}
	if len(parts) == 1 {
		f.Sections = slices.DeleteFunc(f.Sections, func(other *uci.Section) bool { return other == s })
		return nil
	}
	before := len(s.Options)
	s.Options = slices.DeleteFunc(s.Options, func(o *uci.Option) bool { return o.Name == parts[1] })
	if len(s.Options) == before {
		return fmt.Errorf("no option %s", parts[1])
	}
	return nil
}

// export writes a file as `uci commit` does.
func export(f *uci.File) string {
	var b strings.Builder
	for _, s := range f.Sections {
		fmt.Fprintf(&b, "\nconfig %s", s.Type)
		if !s.Anonymous {
			fmt.Fprintf(&b, " %s", quote(s.Name))
		}
		b.WriteByte('\n')
		for _, o := range s.Options {
			keyword := "option"
			if o.List {
				keyword = "list"
			}
			for _, v := range o.Values {
				fmt.Fprintf(&b, "\t%s %s %s\n", keyword, o.Name, quote(v.Text))
			}
		}
	}
	b.WriteByte('\n')
	return b.String()
}
