package uci

import (
	"bytes"
	"slices"
)

// rewrite makes an option what o says, in as few statements as that takes.
func (d *Document) rewrite(section *Section, o *Option) []splice {
	last := 0      // statement of the section
	var live []int // those that its values come from, one each
	var dead []int // those that later ones made void
	idle := -1     // the last one without a value
	for i, s := range d.spans {
		if s.section != section {
			continue
		}
		last = i
		switch {
		case s.option != o.Name:
		case s.idle:
			idle = i
		case s.list:
			live = append(live, i)
		default:
			dead = append(dead, live...)
			live = []int{i}
		}
	}
	values := o.texts()
	switch {
	case len(live) > 0:
	case idle >= 0 && !o.List: // an empty place is there to be filled
		return d.setValue(nil, idle, values[0])
	default:
		return []splice{d.insert(last, o.List, o.Name, values)}
	}

	// What is the same at both ends stays.
	old := section.Option(o.Name).texts()
	head := 0
	for head < min(len(old), len(values)) && old[head] == values[head] {
		head++
	}
	tail := 0
	for tail < min(len(old), len(values))-head && old[len(old)-1-tail] == values[len(values)-1-tail] {
		tail++
	}
	if tail == len(old) { // there must be one before, to add behind
		tail--
	}
	kept := live[:head:head]
	var splices []splice
	between := live[head : len(live)-tail]
	news := values[head : len(values)-tail]
	for len(between) > 0 && len(news) > 0 {
		splices = d.setValue(splices, between[0], news[0])
		kept = append(kept, between[0])
		between, news = between[1:], news[1:]
	}
	if len(news) > 0 {
		splices = append(splices, d.insert(kept[len(kept)-1], true, o.Name, news))
	}
	kept = append(kept, live[len(live)-tail:]...)
	splices = append(splices, d.remove(slices.Sorted(slices.Values(slices.Concat(dead, between))))...)
	// One value of an `option` is no list, and one of a `list` is; only a `list` can say an empty one.
	if d.spans[kept[0]].list != o.List && (len(values) == 1 || values[0] == "") {
		splices = d.setKeyword(splices, kept[0], o.List)
	}
	return splices
}

// setKeyword makes a statement an `option` or a `list`, as long or as short as it is written.
func (d *Document) setKeyword(splices []splice, i int, list bool) []splice {
	s := &d.spans[i]
	keyword := "option"
	if list {
		keyword = "list"
	}
	if s.keyword-s.start == 1 {
		keyword = keyword[:1]
	}
	return append(splices, splice{s.start, s.keyword, keyword})
}

// setValue gives a statement another value.
func (d *Document) setValue(splices []splice, i int, value string) []splice {
	s := &d.spans[i]
	if s.value < s.valueEnd {
		splices = append(splices, splice{s.value, s.valueEnd, string(appendQuoted(nil, value))})
	} else {
		splices = append(splices, splice{s.name, s.name, " " + string(appendQuoted(nil, value))})
	}
	if s.swallowed >= 0 { // behind a quoted word the `;` would count, and what follows would be read
		splices = append(splices, splice{s.swallowed, s.swallowed, " #"})
	}
	return splices
}

// insert puts statements behind statement i.
func (d *Document) insert(i int, list bool, name string, values []string) splice {
	s := &d.spans[i]
	if i+1 < len(d.spans) && d.spans[i+1].line == s.line { // others follow, maybe another section's
		var b []byte
		for _, v := range values {
			b = appendStatement(append(b, " ; "...), list, name, v)
		}
		return splice{s.words, s.words, string(b)}
	}
	at := lineEnd(d.data, s.end)
	if s.end > s.words && d.data[s.end-1] == '\n' {
		at = s.end
	}
	indent := "\t"
	if before := d.data[lineStart(d.data, s.start):s.start]; s.option != "" && blank(before) {
		indent = string(before)
	}
	b, newline := d.openLine(at)
	for _, v := range values {
		b = append(b, indent...)
		b = append(appendStatement(b, list, name, v), newline...)
	}
	return splice{at, at, string(b)}
}

// openLine returns what must stand before a line that is inserted, at the beginning of another or at the end of the
// text, and what ends lines there.
func (d *Document) openLine(at int) (before []byte, newline string) {
	text, ended := bytes.CutSuffix(d.data[:at], []byte("\n"))
	text, carriage := bytes.CutSuffix(text, []byte("\r"))
	newline = "\n"
	if ended && carriage {
		newline = "\r\n"
	}
	joins := bytes.HasSuffix(text, []byte("\\"))
	if at > 0 && !ended {
		if carriage {
			before = append(before, ' ') // a backslash takes the return as it is, but joins lines that end with both
		}
		if n := len(d.spans); n > 0 && (carriage || !joins) && d.spans[n-1].cut(d.data) && blank(d.data[d.spans[n-1].end:]) {
			before = append(before, '#') // behind that, the end of a line is a keyword, the end of the text is not
		}
		before = append(before, newline...)
	}
	if joins { // let it be with an empty line
		before = append(before, '\n')
	}
	return before, newline
}

// remove takes statements out, which are ascending.
func (d *Document) remove(which []int) (splices []splice) {
	for len(which) > 0 {
		n := 1 // of them follow each other in one line
		for n < len(which) && which[n] == which[0]+n && d.spans[which[n]].line == d.spans[which[0]].line {
			n++
		}
		splices = append(splices, d.removeRun(which[0], which[n-1]))
		which = which[n:]
	}
	return splices
}

// removeRun takes the statements from first to last out, which stand in one line.
func (d *Document) removeRun(first, last int) splice {
	f, l := &d.spans[first], &d.spans[last]
	if last+1 < len(d.spans) && d.spans[last+1].line == l.line {
		return splice{f.start, d.spans[last+1].start, ""}
	}
	// What ended the last one goes too, unless it is space.
	end := l.words
	if l.cut(d.data) {
		end = l.end
	}
	ended := d.data[end-1] == '\n'
	if first > 0 && d.spans[first-1].line == f.line {
		instead := ""
		switch {
		case l.swallowed >= 0: // the `;` would count now
			instead = " #"
		case ended:
			instead = "\n"
		}
		return splice{d.spans[first-1].words, end, instead}
	}
	if l.swallowed >= 0 {
		return splice{f.start, end, "#"}
	}
	if !ended {
		if !blank(d.data[end:lineEnd(d.data, end)]) { // a comment
			return splice{f.start, end, ""}
		}
		end = lineEnd(d.data, end)
	}
	start := lineStart(d.data, f.start)
	// The empty line before a section is the section's.
	if before := lineStart(d.data, max(start-1, 0)); f.option == "" && before < start && blank(d.data[before:start]) &&
		(first == 0 || d.spans[first-1].end <= before) {
		start = before
	}
	return splice{start, end, ""}
}
