package watch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on one file. A file that exceeds one is refused as a whole.
const (
	maxFileSize  = 1 << 20
	maxTokens    = 200_000 // what the YAML parser could make a node of, before it allocates any
	maxNodes     = 200_000 // values of one file, with aliases expanded
	maxDepth     = 64      // of nesting
	maxMapping   = 4_096   // entries of one mapping: the decoder's check for duplicates is quadratic
	maxDocuments = 4_096
	maxObjects   = 8_192 // of one file
	maxErrors    = 10    // reported of one file
)

// A located object is one of a file, and the line where it starts.
type located struct {
	id   string // "KIND NS/NAME"
	line int
	add  func(*Objects)
}

// decodeYAML reads the documents of a YAML or JSON file. Objects of kinds that are not read are skipped. All errors are
// reported with their line; the objects are to be used only if there is none.
func decodeYAML(data []byte) (objects []located, problems []Problem) {
	d := &yamlDecoder{nodes: maxNodes}
	defer func() {
		// A file must not end the daemon, whatever the parser makes of it.
		if r := recover(); r != nil {
			objects, problems = nil, []Problem{{Line: 1, Message: "cannot be parsed: " + shorten(fmt.Sprint(r))}}
		}
	}()
	d.file(data)
	if len(d.problems) > 0 {
		return nil, d.problems
	}
	return d.objects, nil
}

type yamlDecoder struct {
	objects  []located
	problems []Problem
	nodes    int // that may still be visited
}

// fail notes an error and reports whether there is room for more.
func (d *yamlDecoder) fail(line int, format string, args ...any) bool {
	if len(d.problems) < maxErrors {
		message := strings.ToValidUTF8(fmt.Sprintf(format, args...), "?")
		d.problems = append(d.problems, Problem{Line: max(line, 1), Message: message})
	}
	return len(d.problems) < maxErrors
}

func (d *yamlDecoder) file(data []byte) {
	if len(data) > maxFileSize {
		d.fail(1, "is larger than %d bytes; split it", maxFileSize)
		return
	}
	tokens := 0
	for _, c := range data {
		switch c {
		case '\n', ',', ':', '-', '[', '{', '?', '\r':
			tokens++
		}
	}
	if tokens > maxTokens {
		d.fail(1, "has more than %d values; split it", maxTokens)
		return
	}
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) > 0 && start[0] == '{' {
		// JSON may be indented with tabs, which YAML forbids; inside a JSON string they are forbidden anyway.
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	last := 1 // line of the last document that could be parsed
	for documents := 0; ; documents++ {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			d.syntaxError(data, last, err)
			return // the parser does not find its way back
		}
		last = document.Line
		if documents == maxDocuments {
			d.fail(document.Line, "has more than %d documents; split it", maxDocuments)
			return
		}
		if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
			continue
		}
		root := document.Content[0]
		if !d.bounded(root, 0) {
			return
		}
		if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
			continue // only comments
		}
		if !d.object(root, "", "", true) {
			return
		}
	}
}

// bounded walks the values below the node, aliases expanded, and refuses what is more than anyone writes by hand.
func (d *yamlDecoder) bounded(node *yaml.Node, depth int) bool {
	if d.nodes--; d.nodes < 0 {
		d.fail(node.Line, "has more than %d values, aliases expanded", maxNodes)
		return false
	}
	if depth > maxDepth {
		d.fail(node.Line, "is nested deeper than %d levels", maxDepth)
		return false
	}
	if node.Kind == yaml.MappingNode && len(node.Content) > 2*maxMapping {
		d.fail(node.Line, "has a mapping with more than %d entries", maxMapping)
		return false
	}
	if node.Kind == yaml.AliasNode {
		return d.bounded(node.Alias, depth+1)
	}
	for _, child := range node.Content {
		if !d.bounded(child, depth+1) {
			return false
		}
	}
	return true
}

// object reads one object, or the items of a list, and reports whether to go on. The items of an IngressList need not
// repeat what they are: apiVersion and kind stand for what the object itself does not say.
func (d *yamlDecoder) object(node *yaml.Node, apiVersion, kind string, mayBeList bool) bool {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.MappingNode {
		apiVersion = cmp.Or(text(field(node, "apiVersion")), apiVersion)
		kind = cmp.Or(text(field(node, "kind")), kind)
	}
	if node.Kind != yaml.MappingNode || apiVersion == "" || kind == "" {
		return d.fail(node.Line, "want an object with apiVersion and kind")
	}
	if itemKind, list := listOf(apiVersion, kind); list {
		if !mayBeList {
			return d.fail(node.Line, "a List inside a List")
		}
		items := field(node, "items")
		if items != nil && items.Kind != yaml.SequenceNode && items.ShortTag() != "!!null" {
			return d.fail(items.Line, "want a sequence of items")
		}
		if items != nil {
			for _, item := range items.Content {
				if !d.object(item, apiVersion, itemKind, false) {
					return false
				}
			}
		}
		return true
	}
	switch kindOf(apiVersion, kind) {
	case "Ingress":
		return decodeObject(d, node, "Ingress", func(i *Ingress) *Metadata { return &i.Metadata },
			func(o *Objects, i *Ingress) { o.Ingresses = append(o.Ingresses, i) })
	case "IngressClass":
		return decodeObject(d, node, "IngressClass", func(c *IngressClass) *Metadata { return &c.Metadata },
			func(o *Objects, c *IngressClass) { o.IngressClasses = append(o.IngressClasses, c) })
	case "Service":
		return decodeObject(d, node, "Service", func(s *Service) *Metadata { return &s.Metadata },
			func(o *Objects, s *Service) { o.Services = append(o.Services, s) })
	}
	return true // a kind that is not read: files may hold whatever kubectl applies
}

// kindOf returns the kind if it is one that is read, in a version whose fields are known.
func kindOf(apiVersion, kind string) string {
	switch apiVersion + " " + kind {
	case "networking.k8s.io/v1 Ingress", "networking.k8s.io/v1beta1 Ingress", "extensions/v1beta1 Ingress":
		return "Ingress"
	case "networking.k8s.io/v1 IngressClass", "networking.k8s.io/v1beta1 IngressClass":
		return "IngressClass"
	case "v1 Service":
		return "Service"
	}
	return ""
}

// listOf reports whether the object is a list of objects, and the kind of its items: empty for the generic List that
// kubectl prints, whose items say it themselves.
func listOf(apiVersion, kind string) (itemKind string, list bool) {
	if apiVersion == "v1" && kind == "List" {
		return "", true
	}
	itemKind, list = strings.CutSuffix(kind, "List")
	return itemKind, list && kindOf(apiVersion, itemKind) != ""
}

// decodeObject reads the node into a T and notes it.
func decodeObject[T any](d *yamlDecoder, node *yaml.Node, kind string, metadata func(*T) *Metadata,
	add func(*Objects, *T)) bool {
	object := new(T)
	if err := node.Decode(object); err != nil {
		return d.yamlError(node.Line, err)
	}
	m := metadata(object)
	where := node.Line
	if n := field(node, "metadata"); n != nil {
		where = n.Line
	}
	if !validName(m.Name) {
		return d.fail(where, "%s needs a metadata.name of lower-case letters, digits, hyphens and dots", kind)
	}
	if kind == "IngressClass" {
		m.Namespace = ""
	} else if m.Namespace == "" {
		m.Namespace = "default"
	} else if !validName(m.Namespace) {
		return d.fail(where, "%s %s: metadata.namespace is no name", kind, m.Name)
	}
	if len(d.objects) == maxObjects {
		d.fail(node.Line, "has more than %d objects; split it", maxObjects)
		return false
	}
	d.objects = append(d.objects, located{
		id:   kind + " " + m.Namespace + "/" + m.Name,
		line: node.Line,
		add:  func(o *Objects) { add(o, object) },
	})
	return true
}

// validName reports whether the text can be the name of an object: a subdomain of RFC 1123, as the API server asks for.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || (c == '-' || c == '.') && i > 0 && i < len(name)-1) {
			return false
		}
	}
	return true
}

// field returns the value of a key in a mapping, nil where there is none.
func field(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			value := mapping.Content[i+1]
			for value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			return value
		}
	}
	return nil
}

// text returns the value of a scalar, empty where the node is none.
func text(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}

// syntaxError notes why a document cannot be parsed. The YAML package says nothing about where an unknown anchor stands.
func (d *yamlDecoder) syntaxError(data []byte, last int, err error) {
	line, message := splitLine(err.Error())
	if anchor, found := strings.CutPrefix(message, "unknown anchor '"); found {
		anchor, _, _ = strings.Cut(anchor, "'")
		if at := bytes.Index(data, []byte("*"+anchor)); at >= 0 {
			line = 1 + bytes.Count(data[:at], []byte("\n"))
		}
	}
	d.fail(cmp.Or(line, last), "%s", shorten(message))
}

// yamlError notes the errors of the YAML package, which carry their line as "line N: ".
func (d *yamlDecoder) yamlError(line int, err error) bool {
	messages := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		messages = several.Errors
	}
	for _, message := range messages {
		at, message := splitLine(message)
		if at == 0 {
			at = line
		}
		if !d.fail(at, "%s", shorten(message)) {
			return false
		}
	}
	return true
}

// splitLine takes the line off a message of the YAML package; 0 where it has none.
func splitLine(message string) (line int, rest string) {
	rest = strings.TrimPrefix(message, "yaml: ")
	if after, found := strings.CutPrefix(rest, "line "); found {
		number, after, found := strings.Cut(after, ": ")
		if n, err := strconv.Atoi(number); found && err == nil {
			line, rest = n, after
		}
	}
	if strings.HasPrefix(rest, "did not find expected") {
		line++ // from the parser, which counts from zero; the scanner and the decoder count from one
	}
	return line, rest
}
