package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2/apk"
)

// writeAPK makes an .apk in dir and returns its name: nfpm's container, which apk 3 installs, with the lists and
// scripts that OpenWrt's own packages have (include/package-pack.mk). Without the lists, functions.sh would neither run
// uci-defaults nor enable the service.
//
// default_postinst starts the service after an upgrade, which leaves the old process running: the package restarts it.
func (p pack) writeAPK(dir string) (string, error) {
	const functions = "[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n" +
		". ${IPKG_INSTROOT}/lib/functions.sh\n"
	install := "[ \"${IPKG_NO_SCRIPT}\" = \"1\" ] && exit 0\n" + functions +
		"export root=\"${IPKG_INSTROOT}\"\n" +
		"export pkgname=\"" + p.feed.name + "\"\n" +
		"add_group_and_user\n" +
		"default_postinst\n" +
		body(p.feed.section("postinst"))
	restart, service := "", "/etc/init.d/"+p.feed.name
	if slices.ContainsFunc(p.feed.files, func(f file) bool { return f.path == service }) {
		restart = "[ -n \"${IPKG_INSTROOT}\" ] || ! " + service + " running || " + service + " restart\n"
	}
	info := p.info()
	err := p.writeScripts("apk", []script{
		{&info.Scripts.PostInstall, "#!/bin/sh\n" + install},
		{&info.APK.Scripts.PostUpgrade, "#!/bin/sh\nexport PKG_UPGRADE=1\n" + install + restart},
		{&info.Scripts.PreRemove, "#!/bin/sh\n" + functions + body(p.feed.section("prerm")) + removal(p.feed.name)},
		{&info.Scripts.PostRemove, p.feed.section("postrm")},
	})
	if err != nil {
		return "", err
	}
	lists, err := p.lists()
	if err != nil {
		return "", err
	}
	for _, f := range lists {
		info.Contents = append(info.Contents, p.content(f))
	}
	var b bytes.Buffer
	if err := apk.Default.Package(info, &b); err != nil {
		return "", err
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%s_%s.apk", p.feed.name, p.feed.version(), p.apkArch()))
	return name, os.WriteFile(name, b.Bytes(), 0o644)
}

func removal(name string) string {
	return "export root=\"${IPKG_INSTROOT}\"\nexport pkgname=\"" + name + "\"\ndefault_prerm\n"
}

// lists returns the files that functions.sh looks for under /lib/apk/packages.
func (p pack) lists() ([]file, error) {
	var paths []string
	var conffiles, static strings.Builder
	for _, f := range p.feed.files {
		paths = append(paths, f.path)
		if f.config {
			text, err := os.ReadFile(f.source)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&conffiles, "%s\n", f.path)
			fmt.Fprintf(&static, "%s %x\n", f.path, sha256.Sum256(text))
		}
	}
	slices.Sort(paths)
	users := ""
	if p.feed.vars["USERID"] != "" {
		users = p.feed.vars["USERID"] + "\n"
	}
	var lists []file
	for _, l := range []struct{ kind, text string }{
		{"list", strings.Join(paths, "\n") + "\n"},
		{"conffiles", conffiles.String()},
		{"conffiles_static", static.String()},
		{"rusers", users},
	} {
		if l.text == "" {
			continue
		}
		name := p.feed.name + "." + l.kind
		source, err := p.generated("apk-"+name, l.text)
		if err != nil {
			return nil, err
		}
		lists = append(lists, file{source: source, path: "/lib/apk/packages/" + name, mode: 0o644})
	}
	return lists, nil
}
