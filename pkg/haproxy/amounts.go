package haproxy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a time of the file (manual, section 2.5): milliseconds unless a unit stands behind.
func parseTime(s string) (time.Duration, error) {
	digits := strings.TrimRight(s, "usmhd")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the time %s", shown(s))
	}
	unit := time.Millisecond
	switch s[len(digits):] {
	case "us":
		unit = time.Microsecond
	case "", "ms":
	case "s":
		unit = time.Second
	case "m":
		unit = time.Minute
	case "h":
		unit = time.Hour
	case "d":
		unit = 24 * time.Hour
	default:
		return 0, fmt.Errorf("the time %s", shown(s))
	}
	return min(time.Duration(n), longest/unit) * unit, nil
}

// longest bounds times: no option of sniroute takes more.
const longest = 365 * 24 * time.Hour

// timeText writes a time as an option takes it.
func timeText(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// parseSize reads a size of the file: a number with k, m or g for the powers of 1024.
func parseSize(s string) (int, error) {
	digits, shift := s, 0
	if n := len(s) - 1; n > 0 {
		if i := strings.IndexByte("kmg", s[n]|0x20); i >= 0 {
			digits, shift = s[:n], 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the size %s", shown(s))
	}
	return int(min(n<<shift, 1<<31-1)), nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
