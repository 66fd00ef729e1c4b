package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// A feed is what the Makefile of a feed package says.
type feed struct {
	vars     map[string]string // NAME:=VALUE, also those of Package/sniroute
	sections map[string]string // of `define NAME`: what stands up to endef
	name     string
	files    []file // in the order in which they are installed
}

// A file is one that the package installs.
type file struct {
	source string // where it lies; empty for the program, which is built
	path   string // on the router
	mode   fs.FileMode
	config bool // a person's changes to it outlive upgrades
}

// readFeed reads the Makefile in dir. root is the folder of the sources, $(PKG_BUILD_DIR) in the Makefile.
func readFeed(dir, root string) (*feed, error) {
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return nil, err
	}
	f := &feed{vars: map[string]string{}, sections: map[string]string{}}
	f.read(string(text))
	f.name = f.vars["PKG_NAME"]
	if err := f.readInstall(dir, root); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "Makefile"), err)
	}
	return f, nil
}

var (
	assignment = regexp.MustCompile(`^\s*([A-Z_]+)\s*:=\s*(.*)$`)
	reference  = regexp.MustCompile(`\$\(([A-Z_]+)\)`)
)

// read takes the variables and the sections out of the text.
func (f *feed) read(text string) {
	section, inside := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "define "):
			section, inside = strings.TrimPrefix(line, "define "), true
		case line == "endef":
			inside = false
		case inside:
			f.sections[section] += line + "\n"
		}
		if m := assignment.FindStringSubmatch(line); m != nil {
			f.vars[m[1]] = f.expand(m[2])
		}
	}
}

// expand replaces the variables that the Makefile itself sets; the buildroot's stay as they are.
func (f *feed) expand(s string) string {
	return reference.ReplaceAllStringFunc(s, func(ref string) string {
		if v, ok := f.vars[ref[2:len(ref)-1]]; ok {
			return v
		}
		return ref
	})
}

// section returns a section of the package, with $$ as the shell sees it.
func (f *feed) section(name string) string {
	return strings.ReplaceAll(f.sections["Package/"+f.name+"/"+name], "$$", "$")
}

// version returns VERSION-rRELEASE.
func (f *feed) version() string { return f.vars["PKG_VERSION"] + "-r" + f.vars["PKG_RELEASE"] }

// depends returns the packages that this one needs (+NAME; $(GO_ARCH_DEPENDS) only says where Go runs).
func (f *feed) depends() []string {
	var list []string
	for word := range strings.FieldsSeq(f.vars["DEPENDS"]) {
		if name, ok := strings.CutPrefix(word, "+"); ok {
			list = append(list, name)
		}
	}
	return list
}

// description returns the description as one paragraph.
func (f *feed) description() string {
	return strings.Join(strings.Fields(f.section("description")), " ")
}

// readInstall reads what the package installs, command by command.
func (f *feed) readInstall(dir, root string) error {
	modes := map[string]fs.FileMode{"$(INSTALL_BIN)": 0o755, "$(INSTALL_DATA)": 0o644, "$(INSTALL_CONF)": 0o600}
	config := map[string]bool{}
	for line := range strings.FieldsSeq(f.section("conffiles")) {
		config[line] = true
	}
	for line := range strings.Lines(f.section("install")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "$(INSTALL_DIR)" {
			continue
		}
		if strings.TrimSpace(line) == "$(call GoPackage/Package/Install/Bin,$(1))" {
			f.files = append(f.files, file{path: "/usr/bin/" + f.name, mode: 0o755})
			continue
		}
		mode, ok := modes[words[0]]
		if !ok || len(words) != 3 || !strings.HasPrefix(words[2], "$(1)/") {
			return fmt.Errorf("install: what does %q do?", strings.TrimSpace(line))
		}
		source := strings.Replace(words[1], "$(PKG_BUILD_DIR)", root, 1)
		if source == words[1] {
			source = filepath.Join(dir, source)
		}
		to := strings.TrimPrefix(words[2], "$(1)")
		if strings.HasSuffix(to, "/") {
			to = path.Join(to, filepath.Base(source))
		}
		if _, err := os.Stat(source); err != nil {
			return fmt.Errorf("install: %w", err)
		}
		f.files = append(f.files, file{source: source, path: to, mode: mode, config: config[to]})
		delete(config, to)
	}
	if len(f.files) == 0 {
		return errors.New("it installs nothing")
	}
	for name := range config {
		return fmt.Errorf("conffiles: %s is not installed", name)
	}
	return nil
}
