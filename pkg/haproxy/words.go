package haproxy

import "strings"

// split cuts a line into words as HAProxy does (parse_line in tools.c; manual, section 2.2). It says what keeps the
// words from being known: an environment variable, a quote that is not closed. The words are returned nevertheless.
func split(line string) (words []string, problem string) {
	var word []byte
	open := false // a word has begun
	var quote byte
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '#' && quote == 0:
			i = len(line)
			continue
		case (c == '"' || c == '\'') && quote == 0:
			quote, open = c, true
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'':
			decoded, n := unescape(line[i+1:], quote)
			word, open = append(word, decoded), true
			i += n
		case c == '$' && quote == '"':
			name := variable(line[i+1:])
			problem = "the environment variable " + shown(name) + " is not known here"
			word, open = append(word, c), true
		case isSpace(c) && quote == 0:
			if open {
				words = append(words, string(word))
				word, open = word[:0], false
			}
		default:
			word, open = append(word, c), true
		}
	}
	if quote != 0 {
		problem = "a quote is not closed"
	}
	if open {
		words = append(words, string(word))
	}
	return words, problem
}

// unescape decodes what stands behind a backslash, and returns how many bytes of it belong to that. A backslash that
// escapes nothing stands for itself.
func unescape(rest string, quote byte) (decoded byte, n int) {
	if rest == "" {
		return '\\', 0
	}
	switch c := rest[0]; c {
	case ' ', '\\', '#', '\'', '"':
		return c, 1
	case '$':
		if quote == '"' {
			return c, 1
		}
	case 't':
		return '\t', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 'x':
		if len(rest) >= 3 {
			high, low := hexDigit(rest[1]), hexDigit(rest[2])
			if high >= 0 && low >= 0 {
				return byte(high<<4 | low), 3
			}
		}
	}
	return '\\', 0
}

func hexDigit(c byte) int {
	if isLetter(c) {
		c |= 0x20
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// variable returns the name of an environment variable, of which $ or ${ stood in front.
func variable(rest string) string {
	rest = strings.TrimPrefix(rest, "{")
	for i := range len(rest) {
		if c := rest[i]; c != '_' && c != '.' && !isLetter(c) && !isDigit(c) {
			return rest[:i]
		}
	}
	return rest
}

func isSpace(c byte) bool  { return c == ' ' || '\t' <= c && c <= '\r' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
