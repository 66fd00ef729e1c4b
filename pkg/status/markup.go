package status

import (
	"html"
	"strings"
)

// markup is HTML. Text becomes markup only through text, which escapes it, so that whatever a cluster says is shown as
// text. (html/template does this as well, but what it finds by reflection keeps the linker from leaving anything out:
// three megabytes of a router's flash.)
type markup string

// text escapes s for elements and for attributes in double quotes.
func text(s string) markup { return markup(html.EscapeString(s)) }

// clean is text in which nothing is invisible or turns the direction of what follows; safe is ASCII alone.
func clean(s string) markup { return text(cleanText(s)) }
func safe(s string) markup  { return text(safeText(s)) }

func join(parts []markup, between markup) markup {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(string(between))
		}
		b.WriteString(string(p))
	}
	return markup(b.String())
}

// each turns a list into markup, element by element.
func each[T any](list []T, f func(T) markup) []markup {
	parts := make([]markup, len(list))
	for i, v := range list {
		parts[i] = f(v)
	}
	return parts
}

func span(class string, content markup) markup {
	return `<span class="` + markup(class) + `">` + content + `</span>`
}

func tag(kind string, content markup) markup {
	if kind == "" {
		return span("tag", content)
	}
	return span("tag "+kind, content)
}

func small(content markup) markup {
	if content == "" {
		return ""
	}
	return "<small>" + content + "</small>"
}

func section(title, about string, content ...markup) markup {
	head := `<div class="head"><h2>` + text(title) + `</h2>`
	if about != "" {
		head += span("soft", text(about))
	}
	return "<section>\n" + head + "</div>\n" + join(content, "\n") + "\n</section>\n"
}

// A column is the head of one; numbers stand at its right.
type column struct {
	title  string
	number bool
}

func columns(titles ...string) []column {
	list := make([]column, len(titles))
	for i, title := range titles {
		title, number := strings.CutPrefix(title, "#")
		list[i] = column{title, number}
	}
	return list
}

// table lays out rows of cells. On a narrow screen each cell is shown behind its column's title.
func table(head []column, rows [][]cell) markup {
	var b strings.Builder
	b.WriteString("<table>\n<thead><tr>")
	for _, c := range head {
		if c.number {
			b.WriteString(`<th class="number">`)
		} else {
			b.WriteString("<th>")
		}
		b.WriteString(string(text(c.title)) + "</th>")
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range rows {
		b.WriteString("<tr>")
		for i, c := range row {
			b.WriteString(string(c.in(head[i], i == 0)))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table>")
	return markup(b.String())
}

// A cell is what one holds; mono is for addresses.
type cell struct {
	content markup
	mono    bool
	none    bool // nothing, and no title on a narrow screen either
}

var noCell = cell{none: true}

func (c cell) in(head column, first bool) markup {
	label := `" data-label="` + text(head.title) + `">`
	switch {
	case c.none:
		return `<td class="none"></td>`
	case first:
		return `<td class="host">` + c.content + "</td>"
	case head.number:
		return `<td class="number` + label + c.content + "</td>"
	case c.mono:
		return `<td data-label="` + text(head.title) + `"><div class="mono">` + c.content + "</div></td>"
	}
	return `<td data-label="` + text(head.title) + `"><div>` + c.content + "</div></td>"
}
