package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/ipk"
)

// A pack is one package for one architecture.
type pack struct {
	feed    *feed
	arch    string
	scarce  bool
	binary  string
	date    time.Time
	scratch string // a folder for files that exist only to be packed
}

// info returns what nfpm is to know of the package whatever its format.
func (p pack) info() *nfpm.Info {
	contents := files.Contents{}
	for _, f := range p.feed.files {
		if f.source == "" {
			f.source = p.binary
		}
		contents = append(contents, p.content(f))
	}
	fields := map[string]string{"SourceName": p.feed.name}
	if user := p.feed.vars["USERID"]; user != "" {
		fields["Require-User"] = user
	}
	return nfpm.WithDefaults(&nfpm.Info{
		Name:            p.feed.name,
		Platform:        "linux",
		Arch:            p.arch,
		Version:         p.feed.vars["PKG_VERSION"],
		VersionSchema:   "none",
		Release:         "r" + p.feed.vars["PKG_RELEASE"],
		Section:         p.feed.vars["SECTION"],
		Maintainer:      p.feed.vars["PKG_MAINTAINER"],
		Description:     p.feed.description(),
		Homepage:        p.feed.vars["URL"],
		License:         p.feed.vars["PKG_LICENSE"],
		MTime:           p.date,
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Depends:  p.feed.depends(),
			Contents: contents,
			IPK:      nfpm.IPK{Arch: p.arch, Fields: fields},
			APK:      nfpm.APK{Arch: p.apkArch()},
		},
	})
}

// apkArch is how apk calls the architecture.
func (p pack) apkArch() string {
	if p.arch == "all" {
		return "noarch"
	}
	return p.arch
}

func (p pack) content(f file) *files.Content {
	c := &files.Content{
		Source: f.source, Destination: f.path,
		FileInfo: &files.ContentFileInfo{Mode: f.mode, Owner: "root", Group: "root", MTime: p.date},
	}
	if f.config {
		c.Type = files.TypeConfigNoReplace
	}
	return c
}

// generated writes a file that exists only to be packed and returns its name.
func (p pack) generated(name, text string) (string, error) {
	to := filepath.Join(p.scratch, p.feed.name, p.arch, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
		return "", err
	}
	return to, os.Chtimes(to, p.date, p.date)
}

// A script is one that a package runs, and where nfpm wants the name of its file.
type script struct {
	place *string
	text  string
}

// writeScripts writes the scripts of one format.
func (p pack) writeScripts(format string, scripts []script) error {
	for i, s := range scripts {
		if s.text == "" {
			continue
		}
		name, err := p.generated(fmt.Sprintf("%s-script-%d", format, i), s.text)
		if err != nil {
			return err
		}
		*s.place = name
	}
	return nil
}

// writeIPK makes an .ipk in dir and returns its name. Its scripts are those that OpenWrt's buildroot makes
// (include/package-pack.mk), with ours in them: the buildroot has them in files beside (prerm-pkg), for which nfpm
// has no place.
func (p pack) writeIPK(dir string) (string, error) {
	const head = "#!/bin/sh\n" +
		"[ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0\n" +
		"[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n" +
		". ${IPKG_INSTROOT}/lib/functions.sh\n"
	info := p.info()
	err := p.writeScripts("ipk", []script{
		{&info.Scripts.PostInstall, head + "default_postinst $0 $@\n" + body(p.feed.section("postinst"))},
		{&info.Scripts.PreRemove, head + body(p.feed.section("prerm")) + "default_prerm $0 $@\n"},
		{&info.Scripts.PostRemove, p.feed.section("postrm")},
	})
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := ipk.Default.Package(info, &b); err != nil {
		return "", err
	}
	compress := best
	if p.scarce {
		compress = p.squeeze
	}
	small, err := recompress(b.Bytes(), compress)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, fmt.Sprintf("%s_%s_%s.ipk", p.feed.name, p.feed.version(), p.arch))
	return name, os.WriteFile(name, small, 0o644)
}

// body returns a script without the line that names its shell.
func body(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(line, "#!") {
			b.WriteString(line)
		}
	}
	return b.String()
}
