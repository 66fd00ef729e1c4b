package uci

import (
	"fmt"
	"path"
	"strings"
)

// show prints a file as `uci show NAME` does (uci_show_package in libuci's cli.c).
func show(f *File) string { return showNamed(f, false) }

// showNamed prints a file as `uci -X show NAME` does if names is set: with the names of anonymous sections.
func showNamed(f *File, names bool) string {
	var b strings.Builder
	pkg := path.Base(f.Name)
	seen := make(map[string]int)
	for _, s := range f.Sections {
		ref := s.Name
		if s.Anonymous && !names {
			ref = fmt.Sprintf("@%s[%d]", s.Type, seen[s.Type])
		}
		seen[s.Type]++
		fmt.Fprintf(&b, "%s.%s=%s\n", pkg, ref, s.Type)
		for _, o := range s.Options {
			fmt.Fprintf(&b, "%s.%s.%s=", pkg, ref, o.Name)
			for i, v := range o.Values {
				if i > 0 {
					b.WriteByte(' ')
				}
				b.WriteString(quote(v.Text))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// export prints a file so that it reads back the same, as `uci export` does but for types, which that leaves bare even
// where they hold quotes.
func export(f *File) string {
	var b strings.Builder
	for _, s := range f.Sections {
		fmt.Fprintf(&b, "\nconfig %s", quote(s.Type))
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
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
