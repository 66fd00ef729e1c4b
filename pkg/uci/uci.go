// Package uci reads the configuration files of OpenWrt (UCI, the files in /etc/config) exactly as libuci reads them:
// what `uci show` prints for a file is what Parse returns for it, and what `uci` refuses, Parse refuses. The grammar is
// the behaviour of libuci's file.c and list.c, oddities included:
//
//   - `#` opens a comment outside quotes, even in the middle of a word.
//   - Single quotes are raw and may span lines. In double quotes, and outside quotes, a backslash takes the next
//     character as it is (there is no \n), and a backslash before the end of a line joins it with the next.
//   - Pieces without space between them are one word: 'a'"b"c is abc.
//   - `;` separates statements, but only behind a quoted word or behind space: directly behind a bare word it ends the
//     line, and what follows is lost.
//   - An option whose value is empty is dropped (an earlier value stays), an empty list item is kept.
//   - `list` behind `option` adds to its value, `option` behind `list` replaces the list.
//   - A section without a name, or with an empty one, is anonymous and gets a name like cfg01411c: its position and a
//     hash of its type. Sections with the same name and type are one; the same name with another type is an error.
//   - Keywords may be written c, o, l and p; `package` is checked and ignored.
//
// Format writes a File that was made or read, as libuci would; AddSection, Set and Add make one. A Document changes a
// text and leaves alone what it does not change, and Update does so with a file, atomically:
//
//	err := uci.Update(ctx, "/etc/config/sniroute", func(d *uci.Document) error {
//		return d.Set("main", "enabled", "1")
//	})
//
// Uncommitted changes (/tmp/.uci) and overrides (/var/run/uci) are other files and are not read. A file is data from
// whoever may write it: its size is bounded by MaxSize, and parsing takes time and memory linear in it.
package uci

import "fmt"

// MaxSize is the size in bytes up to which Parse takes a file.
const MaxSize = 1 << 20

// A File is one configuration file.
type File struct {
	Name     string // as given to Parse
	Sections []*Section
}

// A Section is a `config` statement and what belongs to it.
type Section struct {
	Type      string
	Name      string // never empty: anonymous sections get the name that libuci gives them
	Anonymous bool
	Line      int       // of its first `config` statement
	Again     int       // the line of the last further one, 0 without
	Options   []*Option // in the order of first appearance
}

// An Option is what all `option` and `list` statements of one name in a section amount to.
type Option struct {
	Name   string
	List   bool    // a list; otherwise there is exactly one value, and it is not empty
	Values []Value // never empty
}

// A Value is one value of an option.
type Value struct {
	Text string
	Line int // where its statement begins
}

// Section returns the section of that name, the first if several have it, or nil.
func (f *File) Section(name string) *Section {
	for _, s := range f.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Option returns the option of that name, or nil.
func (s *Section) Option(name string) *Option {
	for _, o := range s.Options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// texts returns the option's values; nil has none.
func (o *Option) texts() []string {
	if o == nil {
		return nil
	}
	texts := make([]string, len(o.Values))
	for i, v := range o.Values {
		texts[i] = v.Text
	}
	return texts
}

// Line returns the line of the option's first value.
func (o *Option) Line() int { return o.Values[0].Line }

// A SyntaxError says why libuci would refuse a file.
type SyntaxError struct {
	File   string   // the name given to Parse
	Line   int      // where the statement begins that is wrong
	Reason string   // in libuci's words
	Prior  *Section // that has the name already, where this is the reason

	// Where libuci says that it noticed: the number of complete lines read, and the position in the joined line.
	NoticedLine, NoticedByte int
}

// Error returns FILE:LINE: and the reason.
func (e *SyntaxError) Error() string {
	if e.NoticedLine > e.Line {
		return fmt.Sprintf("%s:%d: %s (noticed in line %d)", e.File, e.Line, e.Reason, e.NoticedLine)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}
