package uci

import (
	"errors"
	"fmt"
	"strings"
)

// Format returns the text of a file as libuci writes it (uci_export_package): sections apart by an empty line, every
// name and value in single quotes, the quotes in values escaped (uci_escape). Parse reads back the same sections,
// options and values. Line numbers are not looked at, nor the names of anonymous sections, which come from their
// positions.
//
// What no file can say, or Parse would read as something else, is an error: a NUL byte, an invalid name or type, an
// empty value of an option that is no list, a name used twice, more than MaxSize bytes. Comments are not kept: Format
// is for new files, a Document for those that are there.
func Format(f *File) ([]byte, error) {
	var b []byte
	names := make(map[string]bool, len(f.Sections))
	for i, s := range f.Sections {
		name := s.Name
		if s.Anonymous {
			name = anonymousName(i+1, s.Type)
		}
		err := s.check()
		if err == nil && names[name] && !s.Anonymous {
			err = errors.New("the name is used twice")
		}
		if err != nil {
			return nil, fmt.Errorf("writing %s: section %q: %w", f.Name, name, err)
		}
		names[name] = true
		b = append(b, '\n')
		b = s.append(b)
		if len(b) > MaxSize {
			return nil, fmt.Errorf("writing %s: it has more than %d bytes", f.Name, MaxSize)
		}
	}
	return b, nil
}

// check says what of a section cannot be written.
func (s *Section) check() error {
	if !valid(s.Type, isTypeByte) {
		return fmt.Errorf("the type %q is not printable ASCII", s.Type)
	}
	if !s.Anonymous && !valid(s.Name, isNameByte) {
		return errors.New("names are letters, digits and underscores")
	}
	names := make(map[string]bool, len(s.Options))
	for _, o := range s.Options {
		if err := o.check(); err != nil {
			return fmt.Errorf("option %q: %w", o.Name, err)
		}
		if names[o.Name] {
			return fmt.Errorf("option %q is there twice", o.Name)
		}
		names[o.Name] = true
	}
	return nil
}

func (o *Option) check() error {
	switch {
	case !valid(o.Name, isNameByte):
		return errors.New("names are letters, digits and underscores")
	case len(o.Values) == 0:
		return errors.New("it has no value")
	case !o.List && len(o.Values) > 1:
		return errors.New("it has several values, but is no list")
	case !o.List && o.Values[0].Text == "":
		return errors.New("its value is empty: leave it out")
	}
	for _, v := range o.Values {
		if strings.IndexByte(v.Text, 0) >= 0 {
			return errors.New("a value holds a NUL byte")
		}
	}
	return nil
}

// append writes a section and all its options.
func (s *Section) append(b []byte) []byte {
	name := s.Name
	if s.Anonymous {
		name = ""
	}
	b = appendConfig(b, s.Type, name)
	for _, o := range s.Options {
		for _, v := range o.Values {
			b = appendValue(b, o.List, o.Name, v.Text)
		}
	}
	return b
}

// appendConfig writes the statement that opens a section; name is empty for an anonymous one. libuci leaves types bare,
// which is done here too unless the type would then be read as something else.
func appendConfig(b []byte, typ, name string) []byte {
	b = append(b, "config "...)
	if valid(typ, func(c byte) bool { return isNameByte(c) || c == '-' || c == '.' }) {
		b = append(b, typ...)
	} else {
		b = appendQuoted(b, typ)
	}
	if name != "" {
		b = append(b, ' ')
		b = appendQuoted(b, name)
	}
	return append(b, '\n')
}

// appendValue writes the statement that gives an option its value, or a list one more.
func appendValue(b []byte, list bool, name, value string) []byte {
	return append(appendStatement(append(b, '\t'), list, name, value), '\n')
}

// appendStatement writes the same without the tab before and the newline behind.
func appendStatement(b []byte, list bool, name, value string) []byte {
	keyword := "option "
	if list {
		keyword = "list "
	}
	b = append(b, keyword...)
	b = append(b, name...)
	return appendQuoted(append(b, ' '), value)
}

// appendQuoted writes a word in single quotes, as uci_escape does.
func appendQuoted(b []byte, word string) []byte {
	b = append(b, '\'')
	for {
		piece, rest, found := strings.Cut(word, "'")
		b = append(b, piece...)
		if !found {
			return append(b, '\'')
		}
		b = append(b, `'\''`...)
		word = rest
	}
}
