package uci

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Document is the text of a configuration file that is changed in place: what a change does not touch keeps its
// bytes, comments, quotes and spacing. A change that fails leaves the Document as it was.
//
// A change is made in the statements that say what is to change. A value that is written is written as Format does it;
// a statement that is removed takes its line along if it stands there alone, but never a comment. Sections are named as
// in File, anonymous ones by the names that libuci gives them (which change when a section before them goes).
type Document struct {
	file  *File
	data  []byte
	spans []span
}

// ParseDocument reads a configuration file as Parse does. A text that holds a NUL byte, behind which libuci no longer
// sees its lines as they are, is refused.
func ParseDocument(name string, data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, tooLarge(name, len(data))
	}
	if slices.Contains(data, 0) {
		return nil, fmt.Errorf("%s: it holds a NUL byte and cannot be changed in place", name)
	}
	d := &Document{data: slices.Clone(data)}
	p := newParser(name, d.data)
	p.observe = func(s span) { d.spans = append(d.spans, s) }
	d.file = p.file
	if err := p.parse(); err != nil {
		return nil, err
	}
	return d, nil
}

// Bytes returns the text. It belongs to the Document, and is not changed by it either: a change makes a new one.
func (d *Document) Bytes() []byte { return d.data }

// File returns what the text says. It belongs to the Document: make changes with the Document's methods, and ask for
// the File again behind them.
func (d *Document) File() *File { return d.file }

// AddSection adds a section at the end of the text and returns its name: that which libuci gives it if name is empty.
func (d *Document) AddSection(typ, name string) (string, error) {
	if name != "" && d.file.Section(name) != nil {
		return "", fmt.Errorf("%s: there is a section %q already", d.file.Name, name)
	}
	want := d.file.clone()
	s := want.AddSection(typ, name)
	if err := s.check(); err != nil {
		return "", fmt.Errorf("%s: section %q: %w", d.file.Name, s.Name, err)
	}
	if d.file.Section(s.Name) != nil {
		return "", fmt.Errorf("%s: a new section would be called %q, and there is one already", d.file.Name, s.Name)
	}
	text, newline := d.openLine(len(d.data))
	if len(d.data) > 0 {
		text = append(text, newline...)
	}
	text = append(bytes.TrimSuffix(appendConfig(text, typ, name), []byte("\n")), newline...)
	return s.Name, d.apply([]splice{{len(d.data), len(d.data), string(text)}}, want)
}

// DeleteSection removes a section with all its options.
func (d *Document) DeleteSection(section string) error {
	s, err := d.section(section)
	if err != nil {
		return err
	}
	var which []int
	for i := range d.spans {
		if d.spans[i].section == s {
			which = append(which, i)
		}
	}
	want := d.file.clone()
	at := slices.Index(d.file.Sections, s)
	want.Sections = slices.Delete(want.Sections, at, at+1)
	return d.apply(d.remove(which), want)
}

// Set gives an option one value in place of all that it has; an empty value removes it.
func (d *Document) Set(section, option, value string) error {
	if value == "" {
		return d.Delete(section, option)
	}
	return d.change(section, &Option{Name: option, Values: []Value{{Text: value}}})
}

// SetList makes an option a list of these values, in place of all that it has; without values it is removed.
func (d *Document) SetList(section, option string, values ...string) error {
	if len(values) == 0 {
		return d.Delete(section, option)
	}
	o := &Option{Name: option, List: true}
	for _, v := range values {
		o.Values = append(o.Values, Value{Text: v})
	}
	return d.change(section, o)
}

// Add gives a list one more value; an option that is no list becomes one.
func (d *Document) Add(section, option, value string) error {
	s, err := d.section(section)
	if err != nil {
		return err
	}
	return d.SetList(section, option, append(s.Option(option).texts(), value)...)
}

// Remove removes a value from a list, wherever it stands in it. As in libuci, nothing is removed from an option that is
// no list.
func (d *Document) Remove(section, option, value string) error {
	s, err := d.section(section)
	if err != nil {
		return err
	}
	o := s.Option(option)
	if o == nil || !o.List {
		return nil
	}
	values := o.texts()
	left := slices.DeleteFunc(values, func(v string) bool { return v == value })
	if len(left) == len(o.Values) {
		return nil
	}
	return d.SetList(section, option, left...)
}

// Delete removes an option. One that is not there is no error.
func (d *Document) Delete(section, option string) error {
	s, err := d.section(section)
	if err != nil {
		return err
	}
	if s.Option(option) == nil {
		return nil
	}
	var which []int
	for i := range d.spans {
		if d.spans[i].section == s && d.spans[i].option == option {
			which = append(which, i)
		}
	}
	want := d.file.clone()
	want.Section(section).Set(option, "")
	return d.apply(d.remove(which), want)
}

// change makes an option what o says.
func (d *Document) change(section string, o *Option) error {
	s, err := d.section(section)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return fmt.Errorf("%s: section %q: option %q: %w", d.file.Name, section, o.Name, err)
	}
	if old := s.Option(o.Name); old != nil && old.List == o.List && slices.Equal(old.texts(), o.texts()) {
		return nil
	}
	want := d.file.clone()
	wanted := want.Section(section)
	wanted.Set(o.Name, "")
	wanted.Options = append(wanted.Options, o)
	return d.apply(d.rewrite(s, o), want)
}

func (d *Document) section(name string) (*Section, error) {
	if s := d.file.Section(name); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%s: there is no section %q", d.file.Name, name)
}

// apply changes the text, if it then says what it should.
func (d *Document) apply(splices []splice, want *File) error {
	slices.SortStableFunc(splices, func(a, b splice) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.to - b.to
	})
	next, err := ParseDocument(d.file.Name, spliced(d.data, splices))
	if err == nil && !next.file.says(want) {
		err = errors.New("the text would say something else")
	}
	if err != nil {
		return fmt.Errorf("%s cannot be changed in place: %w", d.file.Name, err)
	}
	*d = *next
	return nil
}

// says reports whether two files have the same contents. The order of options, which says nothing, may differ, and so
// may the names of anonymous sections, which come from their positions.
func (f *File) says(other *File) bool {
	return slices.EqualFunc(f.Sections, other.Sections, func(a, b *Section) bool {
		if a.Type != b.Type || a.Anonymous != b.Anonymous || !a.Anonymous && a.Name != b.Name {
			return false
		}
		byName := func(o, p *Option) int { return strings.Compare(o.Name, p.Name) }
		return slices.EqualFunc(slices.SortedFunc(slices.Values(a.Options), byName),
			slices.SortedFunc(slices.Values(b.Options), byName), func(o, p *Option) bool {
				return o.Name == p.Name && o.List == p.List && slices.Equal(o.texts(), p.texts())
			})
	})
}

// clone returns a copy whose sections and options can be added to and replaced.
func (f *File) clone() *File {
	c := &File{Name: f.Name}
	for _, s := range f.Sections {
		section := *s
		section.Options = make([]*Option, len(s.Options))
		for i, o := range s.Options {
			option := *o
			section.Options[i] = &option
		}
		c.Sections = append(c.Sections, &section)
	}
	return c
}
