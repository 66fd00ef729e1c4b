package haproxy

import "strings"

// An expression says what is looked at: a sample fetch and the converters that it goes through (manual, section 7.1).
type expression struct {
	call
	converters []call
}

// A call is a name with arguments.
type call struct {
	name string
	args []string
}

// arg returns an argument, or nothing.
func (c call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// parseExpression reads "fetch(args),converter(args),...".
func parseExpression(text string) expression {
	var e expression
	rest := text
	e.call, rest = parseCall(rest)
	for strings.HasPrefix(rest, ",") {
		var c call
		c, rest = parseCall(rest[1:])
		e.converters = append(e.converters, c)
	}
	if rest != "" {
		e.name = text // it is not like that
	}
	return e
}

// parseCall reads a name and its arguments in parentheses, which may be quoted.
func parseCall(text string) (c call, rest string) {
	end := strings.IndexAny(text, "(,")
	if end < 0 {
		return call{name: text}, ""
	}
	c.name = text[:end]
	if text[end] == ',' {
		return c, text[end:]
	}
	var arg strings.Builder
	var quote byte
	for i := end + 1; i < len(text); i++ {
		switch b := text[i]; {
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0:
			arg.WriteByte(b)
		case b == '"' || b == '\'':
			quote = b
		case b == '\\' && i+1 < len(text):
			i++
			arg.WriteByte(text[i])
		case b == ',':
			c.args = append(c.args, arg.String())
			arg.Reset()
		case b == ')':
			return call{c.name, append(c.args, arg.String())}, text[i+1:]
		default:
			arg.WriteByte(b)
		}
	}
	return call{name: text}, ""
}

// A value is what an expression gives for a population of connections.
type value struct {
	kind  valueKind
	text  string // of text, in lower case; of unknown: why
	names names
	is    bool // of boolean
	n     int  // of number
}

type valueKind uint8

const (
	unknown        valueKind = iota // it differs within the population, or is not understood
	absent                          // there is none: nothing matches it
	aText                           // one string
	someNames                       // the population's names
	aBoolean                        // one
	aNumber                         // one
	anAddress                       // the client's
	firstBytes                      // what the client sends first
	otherProtocols                  // any but those that rules ask for
	otherPaths                      // of requests: any but those of ACME challenges
)

func unknownValue(why string) value { return value{kind: unknown, text: why} }

// on evaluates the expression.
func (e expression) on(s *subject) value {
	v := e.fetch(s)
	for _, c := range e.converters {
		v = c.convert(s, v)
	}
	return v
}

// fetch evaluates the sample fetch. Names are those of HAProxy 2.6 (manual, section 7.3) and their older forms.
func (e expression) fetch(s *subject) value {
	switch name := e.name; name {
	case "always_true", "wait_end":
		return value{kind: aBoolean, is: true}
	case "always_false":
		return value{kind: aBoolean}
	case "req.ssl_sni", "req_ssl_sni":
		if s.opening != opensTLS {
			return value{kind: absent}
		}
		return nameValue(s.names)
	case "req.ssl_hello_type", "req_ssl_hello_type":
		if s.opening != opensTLS {
			return value{kind: absent}
		}
		return value{kind: aNumber, n: 1}
	case "rep_ssl_hello_type", "res.ssl_hello_type":
		return value{kind: absent}
	case "req.ssl_alpn":
		switch {
		case s.opening != opensTLS:
			return value{kind: absent}
		case s.alpn != "":
			return value{kind: aText, text: s.alpn}
		}
		return value{kind: otherProtocols}
	case "hdr", "req.hdr", "req.fhdr":
		if !strings.EqualFold(e.arg(0), "host") {
			return unknownValue("the header " + shown(e.arg(0)))
		}
		if s.opening != opensHTTP {
			return value{kind: absent}
		}
		return nameValue(s.names)
	case "path", "url", "capture.req.uri", "pathq":
		if s.opening != opensHTTP {
			return value{kind: absent}
		}
		if s.challenge {
			return value{kind: aText, text: challengePath + "token"}
		}
		return value{kind: otherPaths}
	case "src":
		return value{kind: anAddress}
	case "req.proto_http", "req_proto_http":
		return value{kind: aBoolean, is: s.opening == opensHTTP}
	case "req.len", "req_len":
		if s.opening == opensNothing {
			return value{kind: aNumber}
		}
		return unknownValue("how much a client has sent")
	case "payload", "req.payload":
		return value{kind: firstBytes, text: e.arg(0) + "," + e.arg(1)}
	case "ssl_fc":
		return value{kind: aBoolean}
	case "ssl_fc_sni":
		return value{kind: absent}
	case "dst_port":
		if port := s.front.port; port != 0 {
			return value{kind: aNumber, n: int(port)}
		}
		return unknownValue("the port that a client came to")
	case "var":
		if x, ok := s.front.variables[e.arg(0)]; ok {
			return x.on(s)
		}
		return unknownValue("the variable " + shown(e.arg(0)))
	default:
		return unknownValue(shown(name))
	}
}

func nameValue(n names) value {
	switch n.kind {
	case noName:
		return value{kind: absent}
	case oneName:
		return value{kind: aText, text: n.text}
	}
	return value{kind: someNames, names: n}
}

// convert passes a value through a converter (manual, section 7.3.1).
func (c call) convert(s *subject, v value) value {
	if v.kind == absent && !c.isMap() {
		return v
	}
	switch c.name {
	case "lower", "host_only":
		if v.kind == aText || v.kind == someNames {
			return v
		}
	case "field", "word":
		separator := c.arg(1)
		if separator == ":" && c.arg(0) == "1" && (v.kind == aText || v.kind == someNames) {
			return v // a name without its port
		}
		if v.kind == aText && separator != "" {
			return value{kind: aText, text: fieldOf(v.text, c.arg(0), separator, c.name == "word")}
		}
	}
	if c.isMap() {
		m := s.im.maps[mapKey(c)]
		if m == nil {
			return unknownValue("the map " + shown(c.arg(0)))
		}
		s.im.work(1 + len(m.entries))
		return m.lookup(v, c)
	}
	if v.kind == unknown {
		return v
	}
	return unknownValue("the converter " + shown(c.name))
}

// isMap reports whether the converter looks something up: map, map_str, map_dom, map_end, ...
func (c call) isMap() bool { return c.name == "map" || strings.HasPrefix(c.name, "map_") }

// mapMethod is how the converter compares the value with the keys of its file. False: it is not known here.
func (c call) mapMethod() (method, bool) {
	name, _ := strings.CutPrefix(c.name, "map")
	name, _ = strings.CutPrefix(name, "_")
	name = strings.TrimSuffix(name, "_str")
	if name == "" {
		return isEqual, true
	}
	return methodOf(name)
}

// fieldOf cuts a field, or a word, which is a field that is not empty, out of a string. Numbers count from 1, or from
// the end where they are negative.
func fieldOf(text, number, separators string, words bool) string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separators, r) })
	if !words {
		fields = nil
		for {
			i := strings.IndexAny(text, separators)
			if i < 0 {
				fields = append(fields, text)
				break
			}
			fields, text = append(fields, text[:i]), text[i+1:]
		}
	}
	n, err := parseInt(number)
	if n < 0 {
		n += len(fields) + 1
	}
	if err != nil || n < 1 || n > len(fields) {
		return ""
	}
	return fields[n-1]
}
