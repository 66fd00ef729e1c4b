package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/uci"
)

// A reader turns the sections of one file into typed values and collects what is wrong on the way.
type reader struct {
	file     *uci.File
	table    []Section
	problems []Problem
	warnings []Warning
	found    []found // every value of the enabled sections, for the rules between sections
}

// A found value is one that was read from the file, and where.
type found struct {
	section *uci.Section
	option  *Option
	line    int
	text    string
	value   any // as the option's type parses it
}

// A sectionReader reads the options of one section. Its methods panic where code and table disagree on name or type.
type sectionReader struct {
	*reader
	spec    *Section
	section *uci.Section // nil: the section is missing, all options have their defaults
	enabled bool
}

func (r *reader) open(spec *Section, s *uci.Section) *sectionReader {
	sr := &sectionReader{reader: r, spec: spec, section: s, enabled: true}
	if spec.option("enabled") != nil && spec.Only == "" {
		sr.enabled = one[bool](sr, "enabled")
	}
	if s != nil {
		sr.checkOptions()
	}
	return sr
}

// checkOptions looks at what the table does not know, and at what it requires.
func (r *sectionReader) checkOptions() {
	for _, o := range r.section.Options {
		spec := r.spec.option(o.Name)
		switch {
		case spec == nil:
			r.warn(r.section, o.Name, o.Line(), "is unknown and ignored"+r.meant(o.Name))
		case !spec.List && len(o.Values) > 1:
			r.fail(r.section, o.Name, o.Values[1].Line,
				fmt.Sprintf("has %d values, but takes one: leave one 'option %s'", len(o.Values), o.Name))
		}
	}
	for i := range r.spec.Options {
		spec := &r.spec.Options[i]
		if spec.Required && r.section.Option(spec.Name) == nil {
			r.fail(r.section, spec.Name, r.section.Line, fmt.Sprintf("is missing: add '%s %s': %s",
				keyword(spec), spec.Name, lowerFirst(spec.Help)))
		}
	}
}

func (r *sectionReader) meant(name string) string {
	var names []string
	for _, o := range r.spec.Options {
		names = append(names, o.Name)
	}
	if n := nearest(name, names); n != "" {
		return fmt.Sprintf(": did you mean '%s'?", n)
	}
	return fmt.Sprintf(": a %s section has %s", r.spec.Type, strings.Join(names, ", "))
}

// given says whether the option stands in the file.
func (r *sectionReader) given(name string) bool {
	return r.section != nil && r.section.Option(name) != nil
}

// one returns the value of an option that takes one: what the file says, or the default.
func one[T any](r *sectionReader, name string) T {
	values := many[T](r, name)
	if len(values) == 0 {
		var none T
		return none
	}
	return values[0]
}

// many returns the values of an option; nil if there are none.
func many[T any](r *sectionReader, name string) []T {
	spec := r.spec.option(name)
	var values []T
	if r.section != nil {
		if o := r.section.Option(name); o != nil {
			for _, v := range o.Values {
				if value, ok := r.value(spec, v); ok {
					values = append(values, value.(T))
				}
			}
			if len(values) > 0 {
				return values
			}
		}
	}
	defaults := []string{spec.Default}
	if spec.List || spec.Default == "" {
		defaults = strings.Fields(spec.Default)
	}
	for _, text := range defaults {
		value, err := spec.Type.parse(text)
		if err != nil {
			panic(fmt.Sprintf("default of %s.%s: %q %v", r.spec.Type, name, text, err))
		}
		values = append(values, value.(T))
	}
	return values
}

// value parses a value of the file and notes where it is.
func (r *sectionReader) value(spec *Option, v uci.Value) (any, bool) {
	value, err := spec.Type.parse(v.Text)
	f := found{r.section, spec, v.Line, v.Text, value}
	if err != nil {
		text := quoted(v.Text)
		if spec.Secret {
			text = "the value"
		}
		r.failWith(f, text+" "+err.Error())
		return nil, false
	}
	pending := spec.Pending && !slices.Contains(defaultsOf(spec), v.Text) || slices.Contains(spec.PendingValues, v.Text)
	if pending && r.enabled && !r.spec.Pending {
		text := "has no effect yet"
		if !spec.Pending {
			text = quoted(v.Text) + " has no effect yet"
		}
		r.warnWith(f, text)
	}
	if r.enabled {
		r.found = append(r.found, f)
	}
	return value, true
}

func defaultsOf(o *Option) []string {
	if o.List {
		return strings.Fields(o.Default)
	}
	return []string{o.Default}
}

func keyword(o *Option) string {
	if o.List {
		return "list"
	}
	return "option"
}

func lowerFirst(s string) string {
	if len(s) > 1 && 'A' <= s[0] && s[0] <= 'Z' && (s[1] < 'A' || s[1] > 'Z') {
		return string(s[0]|0x20) + s[1:]
	}
	return s
}

func (r *reader) fail(s *uci.Section, option string, line int, text string) {
	r.problems = append(r.problems, problemOf(r.file.Name, s, option, line, text))
}

func (r *reader) warn(s *uci.Section, option string, line int, text string) {
	r.warnings = append(r.warnings, Warning(problemOf(r.file.Name, s, option, line, text)))
}

func problemOf(file string, s *uci.Section, option string, line int, text string) Problem {
	return Problem{File: file, Line: line, Type: s.Type, Name: s.Name, NoName: s.Anonymous, Option: option, Text: text}
}

// failWith is fail for a value.
func (r *reader) failWith(f found, text string) {
	r.fail(f.section, f.option.Name, f.line, text)
	r.problems[len(r.problems)-1].Value = f.shown()
}

// warnWith is warn for a value.
func (r *reader) warnWith(f found, text string) {
	r.warn(f.section, f.option.Name, f.line, text)
	r.warnings[len(r.warnings)-1].Value = f.shown()
}

func (f found) sectionText() string {
	return sectionText(f.section.Type, f.section.Name, f.section.Anonymous)
}

// shown is the value as it may be repeated.
func (f found) shown() string {
	if f.option.Secret {
		return ""
	}
	return f.text
}

// result returns warnings and errors in the order of the file.
func (r *reader) result() ([]Warning, error) {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	if len(r.problems) == 0 {
		return r.warnings, nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return r.warnings, &Error{Problems: r.problems}
}
