package openwrt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// infoFolder is where opkg keeps what it knows of installed packages.
const infoFolder = "/usr/lib/opkg/info/"

// Install installs an .ipk as opkg does, or upgrades to it: a configuration file that a person changed stays, and the
// package's own lands beside it as NAME-opkg. It returns what the package's scripts printed.
func (r *Router) Install(file string) (output string, err error) {
	control, data, err := unpack(file)
	if err != nil {
		return "", err
	}
	name := field(string(control["control"].text), "Package")
	if name == "" {
		return "", errors.New("the package has no name")
	}
	environment := []string{}
	_, err = os.Stat(r.Path(infoFolder + name + ".control"))
	upgrade := err == nil
	if upgrade {
		environment = append(environment, "PKG_UPGRADE=1")
		if output, err = r.script(name, "prerm", environment, "upgrade", "0"); err != nil {
			return output, err
		}
	}
	conffiles := strings.Fields(string(control["conffiles"].text))
	old, _ := os.ReadFile(r.Path(infoFolder + name + ".conffiles-sums"))
	if err := r.unpackInto(data, conffiles, string(old)); err != nil {
		return output, err
	}
	var list, sums strings.Builder
	for _, m := range data {
		if m.header.Typeflag != tar.TypeDir {
			fmt.Fprintln(&list, m.path)
		}
		if slices.Contains(conffiles, m.path) {
			fmt.Fprintf(&sums, "%s %x\n", m.path, m.text)
		}
	}
	info := map[string]string{"list": list.String(), "conffiles-sums": sums.String()}
	for part, m := range control {
		info[part] = string(m.text)
	}
	for part, text := range info {
		if err := r.WriteFile(infoFolder+name+"."+part, text, 0o755); err != nil {
			return output, err
		}
	}
	if err := r.addUsers(field(info["control"], "Require-User")); err != nil {
		return output, err
	}
	printed, err := r.script(name, "postinst", environment, "configure")
	return output + printed, err
}

// Remove removes a package as opkg does: a configuration file that a person changed stays.
func (r *Router) Remove(name string) (output string, err error) {
	output, err = r.script(name, "prerm", nil, "remove")
	if err != nil {
		return output, err
	}
	list, err := os.ReadFile(r.Path(infoFolder + name + ".list"))
	if err != nil {
		return output, err
	}
	sums, err := os.ReadFile(r.Path(infoFolder + name + ".conffiles-sums"))
	if err != nil {
		return output, err
	}
	for file := range strings.FieldsSeq(string(list)) {
		if now, err := os.ReadFile(r.Path(file)); err == nil {
			if sum, config := sumOf(string(sums), file); config && sum != fmt.Sprintf("%x", now) {
				continue
			}
		}
		if err := os.Remove(r.Path(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return output, err
		}
		for folder := path.Dir(file); folder != "/"; folder = path.Dir(folder) {
			if os.Remove(r.Path(folder)) != nil {
				break // it is not empty
			}
		}
	}
	printed, err := r.script(name, "postrm", nil, "remove")
	for _, part := range []string{"list", "control", "conffiles", "conffiles-sums", "postinst", "prerm", "postrm"} {
		if err := os.Remove(r.Path(infoFolder + name + "." + part)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return output, err
		}
	}
	return output + printed, err
}

// script runs a script of an installed package.
func (r *Router) script(name, part string, environment []string, args ...string) (string, error) {
	file := infoFolder + name + "." + part
	if _, err := os.Stat(r.Path(file)); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return r.Run(slices.Concat([]string{"/bin/env"}, environment, []string{"pkgname=" + name, "/bin/sh", file}, args)...)
}

// addUsers does what functions.sh does for "Require-User: NAME=UID:GROUP=GID".
func (r *Router) addUsers(users string) error {
	for tuple := range strings.FieldsSeq(users) {
		user, group, _ := strings.Cut(tuple, ":")
		user, uid, _ := strings.Cut(user, "=")
		group, gid, _ := strings.Cut(group, "=")
		if _, _, err := r.account(user); err == nil {
			continue
		}
		err := errors.Join(
			r.appendLine("/etc/group", group+":x:"+gid+":"),
			r.appendLine("/etc/passwd", user+":x:"+uid+":"+gid+":"+user+":/var/run/"+user+":/bin/false"),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Router) appendLine(file, line string) error {
	f, err := os.OpenFile(r.Path(file), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

// unpackInto puts the files of a package into the root. sums are those of the configuration files that were installed
// before.
func (r *Router) unpackInto(data []packed, conffiles []string, sums string) error {
	for _, m := range data {
		to := m.path
		if m.header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(r.Path(to), m.header.FileInfo().Mode().Perm()); err != nil {
				return err
			}
			continue
		}
		if now, err := os.ReadFile(r.Path(to)); err == nil && slices.Contains(conffiles, to) {
			if sum, known := sumOf(sums, to); (!known || sum != fmt.Sprintf("%x", now)) && !bytes.Equal(now, m.text) {
				to += "-opkg"
			}
		}
		_ = os.Remove(r.Path(to)) // a program that runs cannot be written to
		if err := r.WriteFile(to, string(m.text), m.header.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// sumOf returns what a list of sums has for a file. The sums are the files themselves, in hexadecimal digits.
func sumOf(sums, file string) (sum string, known bool) {
	for line := range strings.Lines(sums) {
		if rest, ok := strings.CutPrefix(line, file+" "); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// field returns a field of a control file.
func field(control, name string) string {
	for line := range strings.Lines(control) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Unpack returns one of the files that an .ipk installs.
func Unpack(ipk, name string) ([]byte, error) {
	_, data, err := unpack(ipk)
	if err != nil {
		return nil, err
	}
	for _, m := range data {
		if m.path == name {
			return m.text, nil
		}
	}
	return nil, fmt.Errorf("%s installs no %s", ipk, name)
}

// A packed file is one of an archive.
type packed struct {
	path   string
	header *tar.Header
	text   []byte
}

// unpack reads an .ipk: what it says of itself, by name, and what it installs.
func unpack(file string) (control map[string]packed, data []packed, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	outer, err := unpackTar(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	control = map[string]packed{}
	for _, m := range outer {
		switch m.path {
		case "/control.tar.gz":
			inner, err := unpackTar(bytes.NewReader(m.text))
			if err != nil {
				return nil, nil, fmt.Errorf("%s: control: %w", file, err)
			}
			for _, m := range inner {
				control[path.Base(m.path)] = m
			}
		case "/data.tar.gz":
			if data, err = unpackTar(bytes.NewReader(m.text)); err != nil {
				return nil, nil, fmt.Errorf("%s: data: %w", file, err)
			}
		}
	}
	return control, data, nil
}

func unpackTar(r io.Reader) ([]packed, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	var files []packed
	for t := tar.NewReader(z); ; {
		header, err := t.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return nil, err
		}
		files = append(files, packed{path.Join("/", header.Name), header, text})
	}
}
