package uci

import "fmt"

// Parse reads a configuration file. name stands in errors, usually its path. The error is a *SyntaxError where libuci
// would refuse the file; what was read before the error is returned with it. data is neither changed nor kept.
func Parse(name string, data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, tooLarge(name, len(data))
	}
	p := newParser(name, data)
	return p.file, p.parse()
}

func tooLarge(name string, size int) error {
	return fmt.Errorf("%s: %d bytes are too much for a configuration file, at most %d are read", name, size, MaxSize)
}

func newParser(name string, data []byte) *parser {
	return &parser{
		lines:    lines{data: data},
		file:     &File{Name: name},
		sections: make(map[string]*Section),
		options:  make(map[optionKey]*Option),
	}
}

func (p *parser) parse() error {
	for !p.eof {
		p.pos = 0
		p.getln(0)
		if p.at(0) == 0 {
			continue
		}
		if err := p.line(); err != nil {
			return err
		}
		p.span.line++
	}
	return nil
}

// A parser turns lines into a File. Its methods are those of libuci's file.c, under its names where they do the same.
type parser struct {
	lines
	file      *File
	section   *Section // the one that options belong to
	statement int      // the line where the current statement begins

	// By name, so that a file of many sections or options takes linear time.
	sections map[string]*Section
	options  map[optionKey]*Option

	span     span       // where the current statement stands
	from, to int        // where its last argument stood, quotes and all
	observe  func(span) // nil, or told of every statement that was carried out
}

type optionKey struct {
	section *Section
	name    string
}

func (p *parser) fail(reason string) *SyntaxError {
	return &SyntaxError{
		File: p.file.Name, Line: p.statement, Reason: reason, NoticedLine: p.complete, NoticedByte: p.pos,
	}
}

// line parses a line, with all that its quotes and backslashes join to it (uci_parse_line).
func (p *parser) line() error {
	p.skipSpace()
	for {
		p.statement = p.current
		start, end := p.keyword()
		if start == end {
			return nil
		}
		p.span = span{line: p.span.line, start: p.source(start), keyword: p.source(end), swallowed: -1}
		var err error
		switch string(p.buf[start:end]) {
		case "p", "package":
			err = p.packageStatement()
		case "c", "config":
			err = p.configStatement()
		case "o", "option":
			err = p.optionStatement(false)
		case "l", "list":
			err = p.optionStatement(true)
		default:
			if p.buf[start] == '#' {
				return nil
			}
			err = p.fail("invalid command")
		}
		if err != nil {
			return err
		}
		if p.observe != nil {
			p.span.end = p.source(p.pos)
			p.observe(p.span)
		}
	}
}

// packageStatement checks a `package` statement, which has no effect in a file of its own (uci_parse_package).
func (p *parser) packageStatement() error {
	if !p.skipKeyword() {
		return p.fail("package without name")
	}
	if _, err := p.name(true, isPackageName); err != nil {
		return err
	}
	return p.endOfStatement()
}

// configStatement opens a section (uci_parse_config).
func (p *parser) configStatement() error {
	if !p.skipKeyword() {
		return p.fail("config without name")
	}
	typ, err := p.argument(true)
	if err != nil {
		return err
	}
	if !valid(p.text(typ), isTypeByte) {
		return p.fail("invalid character in type field")
	}
	name, err := p.name(false, isNameByte)
	if err != nil {
		return err
	}
	if err := p.endOfStatement(); err != nil {
		return err
	}
	if err := p.openSection(p.text(typ), p.text(name)); err != nil {
		return err
	}
	p.span.section = p.section
	return nil
}

// openSection makes the section current that a `config` statement names, or makes one.
func (p *parser) openSection(typ, name string) error {
	if known := p.sections[name]; name != "" && known != nil {
		if known.Type != typ {
			err := p.fail("section of different type overwrites prior section with same name")
			err.Prior = known
			return err
		}
		known.Again = p.statement
		p.section = known
		return nil
	}
	s := &Section{Type: typ, Name: name, Line: p.statement}
	if name == "" {
		s.Anonymous = true
		s.Name = anonymousName(len(p.file.Sections)+1, typ)
	}
	p.file.Sections = append(p.file.Sections, s)
	if p.sections[s.Name] == nil { // libuci finds the first of a name
		p.sections[s.Name] = s
	}
	p.section = s
	return nil
}

// optionStatement adds a value (uci_parse_option, uci_set and uci_add_list).
func (p *parser) optionStatement(list bool) error {
	if p.section == nil {
		return p.fail("option/list command found before the first section")
	}
	if !p.skipKeyword() {
		return p.fail("option without name")
	}
	nameAt, err := p.name(true, isNameByte)
	if err != nil {
		return err
	}
	p.span.name = p.to
	valueAt, err := p.argument(false)
	if err != nil {
		return err
	}
	p.span.value, p.span.valueEnd = p.from, p.to
	if err := p.endOfStatement(); err != nil {
		return err
	}
	name, value := p.text(nameAt), Value{Text: p.text(valueAt), Line: p.statement}
	p.span.section, p.span.option, p.span.list = p.section, name, list
	p.span.idle = !list && value.Text == ""
	if !list && value.Text == "" {
		return nil // an earlier value stays
	}
	key := optionKey{p.section, name}
	o := p.options[key]
	if o == nil {
		o = &Option{Name: name}
		p.options[key] = o
		p.section.Options = append(p.section.Options, o)
	}
	if list {
		o.List = true
		o.Values = append(o.Values, value)
	} else {
		o.List = false
		o.Values = []Value{value}
	}
	return nil
}

// name reads an argument whose bytes must all satisfy ok; an optional one may be missing.
func (p *parser) name(required bool, ok func(byte) bool) (int, error) {
	at, err := p.argument(required)
	if err != nil {
		return 0, err
	}
	if p.at(at) != 0 && !valid(p.text(at), ok) {
		return 0, p.fail("invalid character in name field")
	}
	return at, nil
}

// endOfStatement takes the `;` or the end of the line behind a statement (assert_eol).
func (p *parser) endOfStatement() error {
	words := p.span.words
	p.skipSpace()
	at, err := p.argument(false)
	if err != nil {
		return err
	}
	p.span.words = words
	if p.at(at) != 0 {
		return p.fail("too many arguments")
	}
	return nil
}
