package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const repository = "../.."

// An item is what an archive holds under one name.
type item struct {
	mode  string // "-rwxr-xr-x root root"
	text  string
	mtime time.Time
}

// build packs for every target, with a program that is none.
func build(t *testing.T) (dir string, date time.Time) {
	t.Helper()
	binaries, out := t.TempDir(), t.TempDir()
	for _, target := range targets() {
		name := filepath.Join(binaries, "sniroute-"+target.binary)
		if err := os.WriteFile(name, []byte("#!/bin/sh\necho "+target.binary+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	date = time.Unix(1700000000, 0).UTC()
	if err := run(repository, binaries, out, "", date); err != nil {
		t.Fatal(err)
	}
	return out, date
}

// packages is how many there are of either format.
func packages(t *testing.T) int {
	t.Helper()
	packs, err := packsOf(repository, t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return len(packs)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// untar returns the files and folders of a tar archive.
func untar(t *testing.T, archive io.Reader) map[string]item {
	t.Helper()
	items := map[string]item{}
	for r := tar.NewReader(archive); ; {
		header, err := r.Next()
		if err == io.EOF {
			return items
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := "/" + strings.Trim(strings.TrimPrefix(header.Name, "./"), "/")
		if _, twice := items[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		mode := header.FileInfo().Mode()
		items[name] = item{fmt.Sprint(mode, " ", header.Uname, " ", header.Gname), string(text), header.ModTime.UTC()}
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", name, header.Uid, header.Gid)
		}
	}
}

func untgz(t *testing.T, data []byte) map[string]item {
	t.Helper()
	plain, err := gunzip(data)
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, bytes.NewReader(plain))
}

// installed is what both formats must put on a router: mode and owner by path.
func installed() map[string]string {
	return map[string]string{
		"/usr/bin/sniroute":                           "-rwxr-xr-x",
		"/etc/init.d/sniroute":                        "-rwxr-xr-x",
		"/etc/uci-defaults/sniroute":                  "-rwxr-xr-x",
		"/etc/config/sniroute":                        "-rw-r--r--",
		"/etc/capabilities/sniroute.json":             "-rw-r--r--",
		"/etc/capabilities/sniroute-client.json":      "-rw-r--r--",
		"/etc/hotplug.d/ntp/50-sniroute":              "-rw-r--r--",
		"/lib/upgrade/keep.d/sniroute":                "-rw-r--r--",
		"/usr/share/acl.d/sniroute.json":              "-rw-r--r--",
		"/lib/apk/packages/sniroute.list":             "-rw-r--r--", // of an .apk alone, as are the next three
		"/lib/apk/packages/sniroute.conffiles":        "-rw-r--r--",
		"/lib/apk/packages/sniroute.conffiles_static": "-rw-r--r--",
		"/lib/apk/packages/sniroute.rusers":           "-rw-r--r--",
	}
}

// checkFiles compares what a package holds with what it is to install.
func checkFiles(t *testing.T, got map[string]item, apk bool, program string, date time.Time) {
	t.Helper()
	want := installed()
	for name, i := range got {
		if !i.mtime.Equal(date) {
			t.Errorf("%s is of %v", name, i.mtime)
		}
		if strings.HasPrefix(i.mode, "d") {
			if i.mode != "drwxr-xr-x root root" {
				t.Errorf("folder %s has mode %s", name, i.mode)
			}
			continue
		}
		if want[name]+" root root" != i.mode {
			t.Errorf("%s has mode %q instead of %q", name, i.mode, want[name])
		}
		if strings.HasSuffix(name, ".json") == (i.text[0] != '{') {
			t.Errorf("%s is %.20q", name, i.text)
		}
		delete(want, name)
	}
	for name := range want {
		if apk || !strings.HasPrefix(name, "/lib/apk") {
			t.Errorf("%s is missing", name)
		}
	}
	if text := got["/usr/bin/sniroute"].text; text != "#!/bin/sh\necho "+program+"\n" {
		t.Errorf("the program is %q", text)
	}
	if text := got["/etc/config/sniroute"].text; !strings.Contains(text, "option enabled '0'") {
		t.Errorf("the configuration is enabled:\n%s", text)
	}
}

// checkScript has busybox's shell read a script, and looks for words in the order in which they must stand.
func checkScript(t *testing.T, name, text string, words ...string) {
	t.Helper()
	if !strings.HasPrefix(text, "#!/bin/sh\n") {
		t.Errorf("%s begins with %.20q", name, text)
	}
	cmd := exec.Command("busybox", "ash", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", name, err, out)
	}
	rest := text
	for _, word := range words {
		var found bool
		if _, rest, found = strings.Cut(rest, word); !found {
			t.Errorf("%s lacks %q, or has it elsewhere:\n%s", name, word, text)
		}
	}
	if strings.Contains(text, "$$") {
		t.Errorf("%s has the Makefile's dollars:\n%s", name, text)
	}
}

func TestIPK(t *testing.T) {
	dir, date := build(t)
	for _, target := range targets() {
		t.Run(target.arch, func(t *testing.T) {
			outer := untgz(t, read(t, filepath.Join(dir, "sniroute_0.1.0-r1_"+target.arch+".ipk")))
			if outer["/debian-binary"].text != "2.0\n" || len(outer) != 3 {
				t.Errorf("the package holds %d files", len(outer))
			}
			checkFiles(t, untgz(t, []byte(outer["/data.tar.gz"].text)), false, target.binary, date)
			control := untgz(t, []byte(outer["/control.tar.gz"].text))
			for _, line := range []string{"Package: sniroute", "Version: 0.1.0-r1", "Architecture: " + target.arch,
				"Depends: ca-bundle", "Require-User: sniroute=443:sniroute=443", "License: MIT", "Section: net"} {
				if !strings.Contains(control["/control"].text, line+"\n") {
					t.Errorf("control lacks %q:\n%s", line, control["/control"].text)
				}
			}
			if text := control["/conffiles"].text; text != "/etc/config/sniroute\n" {
				t.Errorf("conffiles: %q", text)
			}
			checkScript(t, "postinst", control["/postinst"].text, "IPKG_NO_SCRIPT", "functions.sh", "default_postinst $0 $@")
			checkScript(t, "prerm", control["/prerm"].text, "functions.sh", `"${PKG_UPGRADE}" != 1`, "dns_withdraw",
				"default_prerm $0 $@")
			checkScript(t, "postrm", control["/postrm"].text, "rm -rf /var/run/sniroute")
			for _, name := range []string{"/postinst", "/prerm", "/postrm"} {
				if mode := control[name].mode; !strings.HasPrefix(mode, "-rwxr-xr-x") {
					t.Errorf("%s has mode %s", name, mode)
				}
			}
		})
	}
}

// members returns the gzip streams of an .apk of version 2: what is known of the package, and what it installs.
func members(t *testing.T, apk []byte) (control map[string]item, data map[string]item, raw []byte) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(apk))
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	first, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	raw, err = io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, bytes.NewReader(append(first, make([]byte, 1024)...))), untgz(t, raw), raw
}

func TestAPK(t *testing.T) {
	dir, date := build(t)
	for _, target := range targets() {
		t.Run(target.arch, func(t *testing.T) {
			control, data, raw := members(t, read(t, filepath.Join(dir, "sniroute-0.1.0-r1_"+target.arch+".apk")))
			checkFiles(t, data, true, target.binary, date)
			hash := sha256.Sum256(raw)
			for _, line := range []string{"pkgname = sniroute", "pkgver = 0.1.0-r1", "arch = " + target.arch,
				"depend = ca-bundle", "license = MIT", "datahash = " + hex.EncodeToString(hash[:])} {
				if !strings.Contains(control["/.PKGINFO"].text, line+"\n") {
					t.Errorf(".PKGINFO lacks %q:\n%s", line, control["/.PKGINFO"].text)
				}
			}
			checkScript(t, "post-install", control["/.post-install"].text, "functions.sh", `pkgname="sniroute"`,
				"add_group_and_user", "default_postinst")
			checkScript(t, "post-upgrade", control["/.post-upgrade"].text, "PKG_UPGRADE=1", "default_postinst",
				"/etc/init.d/sniroute restart")
			checkScript(t, "pre-deinstall", control["/.pre-deinstall"].text, "dns_withdraw", "default_prerm")
			checkScript(t, "post-deinstall", control["/.post-deinstall"].text, "rm -rf /var/run/sniroute")

			list := strings.Fields(data["/lib/apk/packages/sniroute.list"].text)
			for name := range installed() {
				if slices.Contains(list, name) == strings.HasPrefix(name, "/lib/apk/") {
					t.Errorf("the list has %q", list)
				}
			}
			if !slices.IsSorted(list) {
				t.Errorf("the list is not sorted: %q", list)
			}
			sum := sha256.Sum256([]byte(data["/etc/config/sniroute"].text))
			for name, text := range map[string]string{
				"conffiles":        "/etc/config/sniroute\n",
				"conffiles_static": fmt.Sprintf("/etc/config/sniroute %x\n", sum),
				"rusers":           "sniroute=443:sniroute=443\n",
			} {
				if got := data["/lib/apk/packages/sniroute."+name].text; got != text {
					t.Errorf("%s: %q instead of %q", name, got, text)
				}
			}
		})
	}
}

// TestReproducible: building twice, in other folders, gives the same bytes.
func TestReproducible(t *testing.T) {
	one, _ := build(t)
	two, _ := build(t)
	names, err := os.ReadDir(one)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*packages(t) + 2; len(names) != want {
		t.Errorf("%d files instead of %d", len(names), want)
	}
	for _, name := range names {
		if !bytes.Equal(read(t, filepath.Join(one, name.Name())), read(t, filepath.Join(two, name.Name()))) {
			t.Errorf("%s differs", name.Name())
		}
	}
}

// TestIndex: the index names every .ipk with its size and hash, and is there compressed as well.
func TestIndex(t *testing.T) {
	dir, _ := build(t)
	text := read(t, filepath.Join(dir, "Packages"))
	plain, err := gunzip(read(t, filepath.Join(dir, "Packages.gz")))
	if err != nil || !bytes.Equal(plain, text) {
		t.Errorf("Packages.gz is something else: %v", err)
	}
	entries := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	if len(entries) != packages(t) {
		t.Fatalf("%d packages", len(entries))
	}
	for _, p := range entries {
		field := func(name string) string {
			for line := range strings.Lines(p + "\n") {
				if value, ok := strings.CutPrefix(line, name+": "); ok {
					return strings.TrimSpace(value)
				}
			}
			t.Errorf("no field %s in\n%s", name, p)
			return ""
		}
		data := read(t, filepath.Join(dir, field("Filename")))
		if fmt.Sprint(len(data)) != field("Size") || fmt.Sprintf("%x", sha256.Sum256(data)) != field("SHA256sum") {
			t.Errorf("size or hash is wrong:\n%s", p)
		}
		if !strings.Contains(field("Filename"), field("Architecture")) || field("Version") != "0.1.0-r1" {
			t.Errorf("file and architecture differ:\n%s", p)
		}
		if i := strings.Index(p, "\nDescription: "); strings.Contains(p[i+1:], "\n") {
			t.Errorf("the description is not last:\n%s", p)
		}
	}
}

// TestFeed: what the Makefile cannot mean is an error.
func TestFeed(t *testing.T) {
	good := string(read(t, filepath.Join(repository, "openwrt/package/sniroute/Makefile")))
	for name, change := range map[string][2]string{
		"a file that is not there": {"./files/sniroute.conf", "./files/none.conf"},
		"another command":          {"$(INSTALL_DATA) ./files/sniroute.keep", "$(CP) ./files/sniroute.keep"},
		"outside of the package":   {"$(1)/lib/upgrade/keep.d/sniroute\n", "/lib/upgrade/keep.d/sniroute\n"},
		"another conffile":         {"conffiles\n/etc/config/sniroute\n", "conffiles\n/etc/sniroute/token\n"},
	} {
		dir := t.TempDir()
		if err := os.Symlink(must(filepath.Abs(filepath.Join(repository, "openwrt/package/sniroute/files"))),
			filepath.Join(dir, "files")); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: the Makefile has no %q", name, change[0])
		}
		if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readFeed(dir, repository); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	f, err := readFeed(filepath.Join(repository, "openwrt/package/sniroute"), repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PKG_NAME", "PKG_VERSION", "PKG_RELEASE", "PKG_SOURCE_URL", "PKG_HASH", "PKG_LICENSE",
		"PKG_LICENSE_FILES", "PKG_MAINTAINER", "PKG_BUILD_DEPENDS", "GO_PKG", "GO_PKG_BUILD_PKG", "GO_PKG_LDFLAGS_X",
		"SECTION", "CATEGORY", "TITLE", "URL", "DEPENDS", "USERID"} {
		if f.vars[name] == "" {
			t.Errorf("the Makefile sets no %s", name)
		}
	}
	if f.description() == "" || len(f.files) != 9 {
		t.Errorf("description %q, %d files", f.description(), len(f.files))
	}
	if _, err := os.Stat(filepath.Join(repository, f.vars["PKG_LICENSE_FILES"])); err != nil {
		t.Error(err)
	}
	main, ok := strings.CutPrefix(f.vars["GO_PKG_BUILD_PKG"], f.vars["GO_PKG"])
	if _, err := os.Stat(filepath.Join(repository, main)); !ok || err != nil {
		t.Errorf("the Makefile builds %s: %v", f.vars["GO_PKG_BUILD_PKG"], err)
	}
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

// TestInstallers has opkg and apk themselves install a package, where they are.
func TestInstallers(t *testing.T) {
	dir, _ := build(t)
	for _, c := range []struct {
		program string
		args    func(root string) []string
	}{
		{"opkg", func(root string) []string {
			return []string{"--offline-root", root, "--add-arch", "all:1", "--add-arch", "x86_64:10", "--force-depends",
				"--nodeps", "install", filepath.Join(dir, "sniroute_0.1.0-r1_x86_64.ipk")}
		}},
		{"apk", func(root string) []string {
			return []string{"--root", root, "--initdb", "--arch", "x86_64", "--allow-untrusted", "--no-network",
				"--force-broken-world", "--no-scripts", "add", filepath.Join(dir, "sniroute-0.1.0-r1_x86_64.apk")}
		}},
	} {
		path, err := exec.LookPath(c.program)
		if err != nil {
			t.Logf("no %s here; TestIPK and TestAPK unpack the packages instead", c.program)
			continue
		}
		root := t.TempDir()
		if out, err := exec.Command(path, c.args(root)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v:\n%s", c.program, err, out)
		}
		if _, err := os.Stat(filepath.Join(root, "usr/bin/sniroute")); err != nil {
			t.Errorf("%s: %v", c.program, err)
		}
	}
}
