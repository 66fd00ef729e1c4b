package uci

// skipSpace goes to the next character that is no space.
func (p *parser) skipSpace() {
	for isSpace(p.at(p.pos)) {
		p.pos++
	}
}

// keyword cuts the next word out of the line and returns where it lies, without moving on: strtok with " \t". Only
// blank and tab end it, so that a keyword at the end of a line is no keyword.
func (p *parser) keyword() (start, end int) {
	start = p.pos
	for p.at(start) == ' ' || p.at(start) == '\t' {
		start++
	}
	end = start
	for c := p.at(end); c != 0 && c != ' ' && c != '\t'; c = p.at(end) {
		end++
	}
	if p.at(end) != 0 {
		p.buf[end] = 0
	}
	return start, end
}

// skipKeyword moves behind the keyword that was cut out and says whether anything can follow (uci_increase_pos).
func (p *parser) skipKeyword() bool {
	next := p.pos + p.length(p.pos) + 1
	if next > p.filled {
		return false
	}
	p.pos = next
	return true
}

// argument reads one word, or the `;` that ends the statement, and returns where its text lies (next_arg). Text is
// decoded in place: it never gets longer.
func (p *parser) argument(required bool) (int, error) {
	p.skipSpace()
	start := p.pos
	p.from = p.source(start)
	if p.at(p.pos) == ';' {
		p.buf[p.pos] = 0
		p.pos++
		p.to = p.source(p.pos)
	} else if err := p.word(); err != nil {
		return 0, err
	}
	if p.to > p.from {
		p.span.words = p.to
	}
	if required && p.at(start) == 0 {
		return 0, p.fail("insufficient arguments")
	}
	return start, nil
}

// word decodes the word at the current position (parse_str).
func (p *parser) word() error {
	target := p.pos
	skip := true
loop:
	for {
		var err error
		switch p.at(p.pos) {
		case '\'':
			target, err = p.singleQuoted(target)
		case '"':
			target, err = p.doubleQuoted(target)
		case '#':
			p.buf[p.pos] = 0
			break loop
		case 0:
			break loop
		case ';':
			skip = false
			break loop
		case '\\':
			if p.backslash() {
				target = p.move(target)
			}
		default:
			target = p.move(target)
		}
		if err != nil {
			return err
		}
		if c := p.at(p.pos); c == 0 || isSpace(c) {
			break
		}
	}
	p.to = p.source(p.pos)
	if !skip && target == p.pos {
		p.span.swallowed = p.to
	}
	if p.at(p.pos) != 0 && skip {
		p.pos++ // the space, where the end of the text may come to lie
	}
	p.set(target, 0)
	return nil
}

func (p *parser) singleQuoted(target int) (int, error) {
	p.pos++
	for {
		switch p.at(p.pos) {
		case '\'':
			p.pos++
			return target, nil
		case 0:
			p.getln(p.pos)
			if p.at(p.pos) == 0 {
				return 0, p.fail("EOF with unterminated '")
			}
		default:
			target = p.move(target)
		}
	}
}

func (p *parser) doubleQuoted(target int) (int, error) {
	p.pos++
	for {
		switch p.at(p.pos) {
		case '"':
			p.pos++
			return target, nil
		case 0:
			p.getln(p.pos)
			if p.at(p.pos) == 0 {
				return 0, p.fail("EOF with unterminated \"")
			}
		case '\\':
			if p.backslash() {
				target = p.move(target)
			}
		default:
			target = p.move(target)
		}
	}
}

// backslash goes behind a backslash and says whether the character there is to be taken as it is. At the end of a line
// it fetches the next one instead (parse_backslash).
func (p *parser) backslash() bool {
	p.pos++
	c := p.at(p.pos)
	if c == 0 || c == '\n' || c == '\r' && p.at(p.pos+1) == '\n' && p.at(p.pos+2) == 0 {
		p.getln(p.pos)
		return false
	}
	return true
}

// move copies the current character to target and returns where the next one goes.
func (p *parser) move(target int) int {
	p.buf[target] = p.buf[p.pos]
	p.pos++
	return target + 1
}

// isSpace is C's isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isNameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isPackageName(c byte) bool { return isNameByte(c) || c == '-' }

func isTypeByte(c byte) bool { return '!' <= c && c <= '~' }

// valid reports whether s is not empty and all its bytes satisfy ok (uci_validate_str).
func valid(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return s != ""
}
