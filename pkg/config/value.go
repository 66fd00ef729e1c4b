package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// boolean takes the words that OpenWrt's own scripts take (config_get_bool).
func boolean() Type {
	return Type{Name: "boolean", Bounds: "0 or 1", parse: func(s string) (any, error) {
		switch s {
		case "1", "on", "yes", "true", "enabled":
			return true, nil
		case "0", "off", "no", "false", "disabled":
			return false, nil
		}
		return nil, errors.New("is neither 0 nor 1")
	}}
}

// choice takes one of the words.
func choice(words ...string) Type {
	return Type{Name: "word", Bounds: strings.Join(words, ", "), parse: func(s string) (any, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		return nil, fmt.Errorf("is not one of %s", strings.Join(words, ", "))
	}}
}

// number takes a whole number, as int.
func number(least, most int) Type {
	bounds := fmt.Sprintf("%d to %d", least, most)
	return Type{Name: "number", Bounds: bounds, parse: func(s string) (any, error) {
		n, err := strconv.Atoi(s)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, fmt.Errorf("is no whole number: give one from %s", bounds)
		}
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("is out of bounds: give a number from %s", bounds)
		}
		return n, nil
	}}
}

// auto takes the word auto, as 0, and what t takes.
func auto(t Type) Type {
	return Type{Name: t.Name, Bounds: "auto, or " + t.Bounds, parse: func(s string) (any, error) {
		if s == "auto" {
			return 0, nil
		}
		v, err := t.parse(s)
		if err != nil {
			return nil, fmt.Errorf("%w, or auto", err)
		}
		return v, nil
	}}
}

// size takes bytes, with K, M or G behind for the powers of 1024, as int.
func size(least, most int) Type {
	bounds := fmt.Sprintf("%s to %s", sizeText(least), sizeText(most))
	return Type{Name: "size", Bounds: bounds, parse: func(s string) (any, error) {
		digits, shift := s, 0
		if n := len(s) - 1; n > 0 {
			if i := strings.IndexByte("KMG", s[n]&^0x20); i >= 0 {
				digits, shift = s[:n], 10*(i+1)
			}
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, fmt.Errorf("is no size: give bytes, or a number with K, M or G, such as '4M'")
		}
		if err != nil || n<<shift>>shift != n || n<<shift < uint64(least) || n<<shift > uint64(most) {
			return nil, fmt.Errorf("is out of bounds: give %s", bounds)
		}
		return int(n << shift), nil
	}}
}

func sizeText(n int) string {
	for i, unit := range []string{"G", "M", "K"} {
		if shift := 30 - 10*i; n >= 1<<shift && n%(1<<shift) == 0 {
			return strconv.Itoa(n>>shift) + unit
		}
	}
	return strconv.Itoa(n)
}

// duration takes seconds, or numbers with units from ms to d, as time.Duration.
func duration(least, most time.Duration) Type {
	bounds := fmt.Sprintf("%s to %s", durationText(least), durationText(most))
	return Type{Name: "duration", Bounds: bounds, parse: func(s string) (any, error) {
		d, err := parseDuration(s)
		if err != nil {
			return nil, errors.New("is no duration: give seconds, or a number with ms, s, m, h or d, such as '30s'")
		}
		if d < least || d > most {
			return nil, fmt.Errorf("is out of bounds: give a duration from %s", bounds)
		}
		return d, nil
	}}
}

func parseDuration(s string) (time.Duration, error) {
	const mostDays = int64(1<<63-1) / int64(day)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > uint64(mostDays) {
			return 0, errors.New("not a number of days")
		}
		return time.Duration(n) * day, nil
	}
	return time.ParseDuration(s)
}

func durationText(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// file takes an absolute path, as string.
func file() Type {
	return Type{Name: "path", parse: func(s string) (any, error) {
		if !path.IsAbs(s) || strings.ContainsFunc(s, isControl) || len(s) > 1024 {
			return nil, errors.New("is no absolute path: give one that begins with '/'")
		}
		return path.Clean(s), nil
	}}
}

// socket takes an absolute path that a unix socket can have (unix(7): 107 bytes), as string.
func socket() Type {
	const most = 107
	return Type{Name: "path", parse: func(s string) (any, error) {
		v, err := file().parse(s)
		if err == nil && len(v.(string)) > most {
			return nil, fmt.Errorf("is too long for a socket: give a path of at most %d bytes", most)
		}
		return v, err
	}}
}

// word takes a name that other programs gave: a firewall zone, a namespace, a class.
func word() Type {
	return Type{Name: "name", parse: func(s string) (any, error) {
		if s == "" || len(s) > 253 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errors.New("is no name: give one word of at most 253 printable ASCII characters")
		}
		return s, nil
	}}
}

// alpn takes a protocol's name (RFC 7301, section 3.1: 1 to 255 bytes).
func alpn() Type {
	return Type{Name: "protocol", parse: func(s string) (any, error) {
		if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errors.New("is no ALPN protocol: give one name, such as 'acme-tls/1'")
		}
		return s, nil
	}}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
