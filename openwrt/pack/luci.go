package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// readLuCI reads a LuCI application in dir as OpenWrt's luci.mk does and returns the package, and one for each language
// that it is translated into (po/LANGUAGE/*.po). What has to be made of the sources lands in scratch.
func readLuCI(dir, scratch string) ([]*feed, error) {
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return nil, err
	}
	app := &feed{vars: map[string]string{}, sections: map[string]string{}}
	app.read(string(text))
	app.name = filepath.Base(dir)
	for name, luci := range map[string]string{
		"TITLE": "LUCI_TITLE", "DEPENDS": "LUCI_DEPENDS", "URL": "LUCI_URL", "PKG_MAINTAINER": "LUCI_MAINTAINER",
	} {
		app.vars[name] = app.vars[luci]
	}
	app.vars["SECTION"] = "luci"
	app.sections["Package/"+app.name+"/description"] = app.vars["LUCI_DESCRIPTION"]
	app.sections["Package/"+app.name+"/postinst"] = luciPostinst
	for from, to := range map[string]string{"htdocs": "/www", "root": "/"} {
		if err := app.addTree(filepath.Join(dir, from), to); err != nil {
			return nil, err
		}
	}
	feeds := []*feed{app}
	languages, err := filepath.Glob(filepath.Join(dir, "po", "*", "*.po"))
	if err != nil {
		return nil, err
	}
	for _, po := range languages {
		translation, err := app.translation(po, scratch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", po, err)
		}
		feeds = append(feeds, translation)
	}
	return feeds, nil
}

// luciPostinst has LuCI see the new pages, and rpcd the rights (luci.mk).
const luciPostinst = `[ -n "$${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	killall -HUP rpcd 2>/dev/null
	exit 0
}
`

// addTree adds all files below a folder.
func (f *feed) addTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		below, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		f.files = append(f.files, file{source: name, path: path.Join(to, filepath.ToSlash(below)), mode: mode})
		return nil
	})
}

// languageNames are the names of languages as luci.mk has them.
func languageNames() map[string]string { return map[string]string{"de": "Deutsch (German)"} }

// translation returns the package of a language, of the file po/LANGUAGE/NAME.po.
func (f *feed) translation(po, scratch string) (*feed, error) {
	language := filepath.Base(filepath.Dir(po))
	title, known := languageNames()[language]
	if !known {
		return nil, fmt.Errorf("what is the name of the language %q?", language)
	}
	text, err := os.ReadFile(po)
	if err != nil {
		return nil, err
	}
	catalogue, err := compileLMO(string(text))
	if err != nil {
		return nil, err
	}
	base := strings.TrimPrefix(f.name, "luci-app-")
	t := &feed{name: "luci-i18n-" + base + "-" + language, vars: map[string]string{}, sections: map[string]string{}}
	for name, value := range f.vars {
		t.vars[name] = value
	}
	t.vars["TITLE"], t.vars["DEPENDS"] = f.name+" - "+language+" translation", "+"+f.name
	t.sections["Package/"+t.name+"/description"] = "Translation for " + f.name + " - " + title
	for _, made := range []struct {
		to   string
		text string
	}{
		{"/etc/uci-defaults/" + t.name, "uci set luci.languages." + language + "='" + title + "'; uci commit luci\n"},
		{"/usr/lib/lua/luci/i18n/" + strings.TrimSuffix(filepath.Base(po), ".po") + "." + language + ".lmo", string(catalogue)},
	} {
		source := filepath.Join(scratch, t.name, path.Base(made.to))
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(source, []byte(made.text), 0o644); err != nil {
			return nil, err
		}
		t.files = append(t.files, file{source: source, path: made.to, mode: 0o644})
	}
	return t, nil
}
