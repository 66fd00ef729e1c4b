package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// reference takes the name of a section of one of the types, as string. Whether it exists is known at the end.
func reference(types ...string) Type { return wordOrReference(nil, types...) }

// wordOrReference takes one of the words too.
func wordOrReference(words []string, types ...string) Type {
	bounds := "name of a " + strings.Join(types, " or ") + " section"
	if len(words) > 0 {
		bounds = strings.Join(words, ", ") + ", or " + bounds
	}
	return Type{Name: "name", Bounds: bounds, refers: types, words: words, parse: func(s string) (any, error) {
		return s, nil
	}}
}

func (t Type) isReference(value string) bool {
	return len(t.refers) > 0 && !slices.Contains(t.words, value)
}

// hostPattern takes a host name, or "*." and one, as string in lower case without a trailing dot.
func hostPattern() Type {
	return Type{Name: "host", parse: func(s string) (any, error) {
		name, wildcard := strings.CutPrefix(normal(s), "*.")
		if s == "*" || strings.Contains(name, "*") {
			return nil, errors.New("is neither a host name nor '*.NAME': give one of these;" +
				" what nothing else takes goes to the listener's default_backend")
		}
		if err := hostName(name); err != nil {
			return nil, err
		}
		if wildcard {
			name = "*." + name
		}
		return name, nil
	}}
}

// domain takes 'NAME' or 'NAME ns=NAMESPACE', as Domain.
func domain() Type {
	return Type{Name: "domain", parse: func(s string) (any, error) {
		fields := strings.Fields(s)
		if len(fields) == 0 || len(fields) > 2 {
			return nil, errors.New("is no domain: give 'NAME' or 'NAME ns=NAMESPACE'")
		}
		d := Domain{Name: strings.TrimPrefix(normal(fields[0]), "*.")}
		if d.Name != "*" {
			if strings.Contains(d.Name, "*") {
				return nil, errors.New("has a '*' in it: a domain stands for itself and all names below it," +
					" '*' alone for every name")
			}
			if err := hostName(d.Name); err != nil {
				return nil, err
			}
		}
		if len(fields) == 2 {
			namespace, ok := strings.CutPrefix(fields[1], "ns=")
			if !ok || namespace == "" {
				return nil, fmt.Errorf("has %s behind the name: give 'NAME' or 'NAME ns=NAMESPACE'", quoted(fields[1]))
			}
			d.Namespace = namespace
		}
		return d, nil
	}}
}

// gateway takes NAMESPACE/NAME, as string.
func gateway() Type {
	return Type{Name: "Gateway", parse: func(s string) (any, error) {
		namespace, name, ok := strings.Cut(s, "/")
		if !ok || namespace == "" || name == "" || strings.ContainsAny(name, "/ ") {
			return nil, errors.New("is no Gateway: give 'NAMESPACE/NAME'")
		}
		return s, nil
	}}
}

// normal returns a name in lower case without one trailing dot.
func normal(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// hostName says why s is no host name that a client could ask for.
func hostName(s string) error {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return errors.New("is an address: clients name no address in TLS; what nothing takes goes to the default_backend")
	}
	if s == "" || len(s) > 253 {
		return errors.New("is no host name: those have 1 to 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("is no host name: between two dots there are 1 to 63 characters")
		}
		for _, c := range label {
			switch {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			case c > '~':
				return errors.New("holds characters that are not ASCII: write the name as DNS has it (xn--...)")
			default:
				return fmt.Errorf("holds %q: host names are letters, digits, hyphens and dots, without port or path", c)
			}
		}
	}
	return nil
}
