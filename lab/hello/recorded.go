package hello

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Recorded returns the hellos of real clients that stand in a folder (pkg/sni/testdata), as further valid cases:
// NAME.hello holds the bytes, NAME.txt what they say, a line "KEY: VALUE" for each thing.
func Recorded(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.hello"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no recorded hellos in %s", dir)
	}
	var cases []Case
	for _, file := range files {
		c, err := recorded(file)
		if err != nil {
			return nil, err
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func recorded(file string) (Case, error) {
	base := strings.TrimSuffix(file, ".hello")
	c := Case{Name: filepath.Base(base)}
	var err error
	if c.Bytes, err = os.ReadFile(file); err != nil {
		return c, err
	}
	text, err := os.ReadFile(base + ".txt")
	if err != nil {
		return c, err
	}
	lengthErr := errors.New("no length")
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "bytes":
			c.Len, lengthErr = strconv.Atoi(value)
		case "name":
			c.SNI = value
		case "protocols":
			c.ALPN = strings.Fields(value)
		case "encrypted client hello":
			c.ECH = value == "offered"
		}
	}
	if lengthErr != nil {
		return c, fmt.Errorf("%s.txt: %w", base, lengthErr)
	}
	return c, nil
}
