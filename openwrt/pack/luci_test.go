package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const luciApp = repository + "/openwrt/package/luci-app-sniroute"

// luciPackages packs LuCI's pages, with the example as their only translation, and returns the folder.
func luciPackages(t *testing.T) (dir string, date time.Time) {
	t.Helper()
	app := filepath.Join(t.TempDir(), "luci-app-sniroute")
	if err := os.MkdirAll(filepath.Join(app, "po", "de"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"htdocs", "root"} {
		if err := os.CopyFS(filepath.Join(app, name), os.DirFS(filepath.Join(luciApp, name))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(app, "Makefile"), read(t, filepath.Join(luciApp, "Makefile")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "po", "de", "sniroute.po"), read(t, "testdata/example.po"), 0o644); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	feeds, err := readLuCI(app, scratch)
	if err != nil || len(feeds) != 2 {
		t.Fatalf("%d packages (%v)", len(feeds), err)
	}
	dir, date = t.TempDir(), time.Unix(1700000000, 0).UTC()
	for _, f := range feeds {
		p := pack{feed: f, arch: "all", date: date, scratch: scratch}
		if _, err := p.writeIPK(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := p.writeAPK(dir); err != nil {
			t.Fatal(err)
		}
	}
	return dir, date
}

// checkTree compares what a package installs with texts by path. Lists of apk's are not looked at.
func checkTree(t *testing.T, got map[string]item, want map[string]string, date time.Time) {
	t.Helper()
	for name, i := range got {
		switch text, known := want[name]; {
		case !i.mtime.Equal(date):
			t.Errorf("%s is of %v", name, i.mtime)
		case strings.HasPrefix(i.mode, "d"):
			if i.mode != "drwxr-xr-x root root" {
				t.Errorf("folder %s has mode %s", name, i.mode)
			}
		case strings.HasPrefix(name, "/lib/apk/packages/"):
		case !known || text != i.text || i.mode != "-rw-r--r-- root root":
			t.Errorf("%s has mode %s, %d bytes instead of %d", name, i.mode, len(i.text), len(text))
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestLuCI(t *testing.T) {
	dir, date := luciPackages(t)
	app := map[string]string{}
	for from, to := range map[string]string{"htdocs": "/www", "root": ""} {
		err := filepath.WalkDir(filepath.Join(luciApp, from), func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				below, _ := filepath.Rel(filepath.Join(luciApp, from), name)
				app[to+"/"+below] = string(read(t, name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/www/luci-static/resources/sniroute/schema.js",
		"/usr/share/luci/menu.d/luci-app-sniroute.json", "/usr/share/rpcd/acl.d/luci-app-sniroute.json"} {
		if app[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	german := map[string]string{
		"/etc/uci-defaults/luci-i18n-sniroute-de": "uci set luci.languages.de='Deutsch (German)'; uci commit luci\n",
		"/usr/lib/lua/luci/i18n/sniroute.de.lmo":  string(read(t, "testdata/example.lmo")),
	}
	for _, p := range []struct {
		name, depends string
		files         map[string]string
		postinst      []string
	}{
		{"luci-app-sniroute", "luci-base, sniroute", app, []string{"IPKG_NO_SCRIPT", "default_postinst",
			"rm -f /tmp/luci-indexcache.*", "rm -rf /tmp/luci-modulecache/", "killall -HUP rpcd"}},
		{"luci-i18n-sniroute-de", "luci-app-sniroute", german, []string{"IPKG_NO_SCRIPT", "default_postinst"}},
	} {
		outer := untgz(t, read(t, filepath.Join(dir, p.name+"_0.1.0-r1_all.ipk")))
		checkTree(t, untgz(t, []byte(outer["/data.tar.gz"].text)), p.files, date)
		control := untgz(t, []byte(outer["/control.tar.gz"].text))
		for _, line := range []string{"Package: " + p.name, "Version: 0.1.0-r1", "Architecture: all", "Depends: " + p.depends,
			"License: MIT", "Section: luci", "SourceName: " + p.name} {
			if !strings.Contains(control["/control"].text, line+"\n") {
				t.Errorf("control lacks %q:\n%s", line, control["/control"].text)
			}
		}
		if strings.Contains(control["/control"].text, "Require-User") || strings.TrimSpace(control["/conffiles"].text) != "" {
			t.Errorf("it has a user or a configuration:\n%s%s", control["/control"].text, control["/conffiles"].text)
		}
		checkScript(t, "postinst", control["/postinst"].text, p.postinst...)
		checkScript(t, "prerm", control["/prerm"].text, "default_prerm $0 $@")

		known, data, _ := members(t, read(t, filepath.Join(dir, p.name+"-0.1.0-r1_noarch.apk")))
		checkTree(t, data, p.files, date)
		for _, line := range []string{"pkgname = " + p.name, "arch = noarch", "license = MIT"} {
			if !strings.Contains(known["/.PKGINFO"].text, line+"\n") {
				t.Errorf(".PKGINFO lacks %q:\n%s", line, known["/.PKGINFO"].text)
			}
		}
		for depends := range strings.SplitSeq(p.depends, ", ") {
			if !strings.Contains(known["/.PKGINFO"].text, "depend = "+depends+"\n") {
				t.Errorf(".PKGINFO does not depend on %s:\n%s", depends, known["/.PKGINFO"].text)
			}
		}
		for _, script := range []string{"/.post-install", "/.post-upgrade"} {
			checkScript(t, script, known[script].text, append([]string{"pkgname=\"" + p.name + "\""}, p.postinst[1:]...)...)
			if strings.Contains(known[script].text, "/etc/init.d") {
				t.Errorf("%s starts a service:\n%s", script, known[script].text)
			}
		}
		list := strings.Fields(data["/lib/apk/packages/"+p.name+".list"].text)
		if len(list) != len(p.files) {
			t.Errorf("the list has %q", list)
		}
		for _, kind := range []string{"conffiles", "conffiles_static", "rusers"} {
			if _, ok := data["/lib/apk/packages/"+p.name+"."+kind]; ok {
				t.Errorf("%s has a list of %s", p.name, kind)
			}
		}
	}
}

// TestLuCIRefuses: a language without a name is an error, as is a file that cannot be compiled.
func TestLuCIRefuses(t *testing.T) {
	for language, text := range map[string]string{"xx": "", "de": "msgid x\n"} {
		dir := filepath.Join(t.TempDir(), "luci-app-sniroute")
		for _, folder := range []string{"htdocs", "root", "po/" + language} {
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{"Makefile": "", "po/" + language + "/sniroute.po": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if feeds, err := readLuCI(dir, t.TempDir()); err == nil {
			t.Errorf("%s is taken: %v", language, feeds)
		}
	}
}
