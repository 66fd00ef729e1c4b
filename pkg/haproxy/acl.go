package haproxy

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A test is what one acl line says, or what stands in braces: a criterion and what it is compared with.
type test struct {
	line     int
	what     expression
	compare  comparison
	method   method // of compareText
	text     patterns
	ranges   []numberRange
	networks []netip.Prefix // masked, of compareAddress
	bytes    []string       // of compareBytes
	isHex    bool           // they were written as such
	problem  string         // what keeps it from being understood: it is undecided then
	never    []string       // patterns that no host name can be like
}

// A comparison is the kind of a test.
type comparison uint8

const (
	compareText    comparison = iota
	compareNumber             // -m int, and what numbers are compared with by default
	compareTruth              // -m bool
	compareFound              // -m found
	compareAddress            // -m ip
	compareBytes              // -m bin, and strings where bytes are looked at
)

// A numberRange has both its ends.
type numberRange struct{ least, most int64 }

// newTest reads a criterion, its flags and its patterns (parse_acl_expr in acl.c).
func (im *importer) newTest(line int, words []string) *test {
	t := &test{line: line}
	if len(words) == 0 {
		t.problem = "there is nothing to compare"
		return t
	}
	criterion, suffix := words[0], ""
	t.what = parseExpression(criterion)
	t.what.name, suffix = cutSuffix(t.what.name)
	chosen := suffix
	var files, literals []string
	rest := words[1:]
flags:
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		flag := rest[0]
		rest = rest[1:]
		switch flag {
		case "--":
			break flags
		case "-i", "-n": // names are compared without regard to case in any case
		case "-M":
			t.problem = "-M, a map as a list,"
		case "-m", "-f", "-u":
			if len(rest) == 0 {
				t.problem = "it ends behind " + flag
				return t
			}
			if flag == "-m" {
				chosen = rest[0]
			} else if flag == "-f" {
				files = append(files, rest[0])
			}
			rest = rest[1:]
		default:
			t.problem = "the flag " + shown(flag)
			return t
		}
	}
	literals = rest
	for _, f := range files {
		lines, err := im.lines(f)
		if err != nil {
			t.problem = err.Error()
			return t
		}
		literals = slices.Concat(literals, lines)
	}
	if !t.choose(chosen) {
		t.problem = "the comparison " + shown(chosen)
		return t
	}
	im.count(len(literals))
	if err := t.take(im, literals); err != nil {
		t.problem = err.Error()
	}
	return t
}

// cutSuffix splits names such as hdr_end, which choose a comparison (manual, section 7.3.6: "ACL derivatives").
func cutSuffix(name string) (fetch, suffix string) {
	for _, fetch := range []string{"req.hdr", "hdr", "path", "url"} {
		if suffix, ok := strings.CutPrefix(name, fetch+"_"); ok {
			switch suffix {
			case "beg", "end", "sub", "dom", "reg", "dir", "len":
				return fetch, suffix
			}
		}
	}
	return name, ""
}

// choose sets how the test compares: what -m or the criterion's name says, or what its type has by default.
func (t *test) choose(name string) bool {
	bytes := t.what.name == "payload" || t.what.name == "req.payload"
	switch name {
	case "":
		switch t.what.name {
		default:
			t.compare = compareText
			if t.counts() != "" {
				t.compare = compareNumber
			}
		case "src":
			t.compare = compareAddress
		case "req.ssl_hello_type", "req_ssl_hello_type", "rep_ssl_hello_type", "res.ssl_hello_type", "req.len", "req_len",
			"dst_port":
			t.compare = compareNumber
		case "always_true", "always_false", "wait_end", "req.proto_http", "req_proto_http", "ssl_fc":
			t.compare = compareTruth
		}
		return true
	case "found":
		t.compare = compareFound
		return true
	case "bool":
		t.compare = compareTruth
		return true
	case "int":
		t.compare = compareNumber
		return true
	case "ip":
		t.compare = compareAddress
		return true
	case "bin":
		t.compare, t.isHex = compareBytes, true
		return bytes
	}
	var ok bool
	t.method, ok = methodOf(name)
	t.compare = compareText
	if bytes {
		t.compare = compareBytes
		return t.method == isEqual || t.method == begins
	}
	return ok
}

// take reads the patterns.
func (t *test) take(im *importer, words []string) error {
	operator := "eq"
	for _, w := range words {
		switch t.compare {
		case compareNumber:
			switch w {
			case "eq", "ge", "gt", "le", "lt":
				operator = w
				continue
			}
			r, err := parseRange(operator, w)
			if err != nil {
				return err
			}
			t.ranges = append(t.ranges, r)
		case compareAddress:
			n, err := parseNetwork(w)
			if err != nil {
				return err
			}
			t.networks = append(t.networks, n)
		case compareBytes:
			b := []byte(w)
			if t.isHex {
				var err error
				if b, err = hex.DecodeString(w); err != nil {
					return fmt.Errorf("the bytes %s", shown(w))
				}
			}
			t.bytes = append(t.bytes, string(b))
		case compareText:
			if t.method == matches {
				im.count(100) // it takes the room of many
			}
			p, err := newPattern(t.method, w)
			if err != nil {
				return err
			}
			if p.never() && t.isOfNames() {
				t.never = append(t.never, w)
			}
			t.text.add(p)
		}
	}
	return nil
}

// isOfNames reports whether host names are compared.
func (t *test) isOfNames() bool {
	switch t.what.name {
	case "req.ssl_sni", "req_ssl_sni", "ssl_fc_sni", "hdr", "req.hdr", "req.fhdr":
		return !slices.ContainsFunc(t.what.converters, call.isMap)
	}
	return false
}

// on evaluates the test.
func (t *test) on(s *subject) truth {
	if t.problem != "" {
		return maybe
	}
	v := t.what.on(s)
	if v.kind == absent {
		return no
	}
	switch t.compare {
	case compareFound:
		if v.kind != unknown && v.kind != firstBytes {
			return yes
		}
	case compareTruth:
		switch v.kind {
		case aBoolean:
			return truthOf(v.is)
		case aNumber:
			return truthOf(v.n != 0)
		}
	case compareNumber:
		if v.kind == aBoolean && v.is {
			v.n = 1
		}
		if v.kind == aNumber || v.kind == aBoolean {
			return truthOf(slices.ContainsFunc(t.ranges, func(r numberRange) bool {
				return r.least <= int64(v.n) && int64(v.n) <= r.most
			}))
		}
	case compareAddress:
		if of := s.im.clients.of[t]; v.kind == anAddress && s.clients < len(of) {
			return truthOf(of[s.clients])
		}
	case compareBytes:
		if v.kind == firstBytes {
			return t.onBytes(v.text, s.opening)
		}
	case compareText:
		switch v.kind {
		case aText:
			return truthOf(t.text.onText(lower(v.text)))
		case someNames:
			return t.text.onNames(v.names)
		case otherProtocols:
			if len(t.text.others) == 0 && !t.text.oddProtocol() {
				return no
			}
		case otherPaths:
			return t.text.onOtherPaths()
		}
	}
	return maybe
}

// why says what leaves the test undecided for a population.
func (t *test) why(s *subject) string {
	if t.problem != "" {
		return t.problem
	}
	switch v := t.what.on(s); {
	case v.kind == unknown:
		return v.text
	case v.kind == firstBytes:
		return "the first bytes of a connection"
	case v.kind == otherProtocols:
		return "the protocols that a client offers"
	case v.kind == otherPaths:
		return "the path of a request"
	case v.kind == someNames && t.compare == compareText:
		return t.text.undecided(v.names)
	}
	return "how " + shown(t.what.name) + " is compared"
}

// onBytes compares with how a client begins; window is "OFFSET,LENGTH".
func (t *test) onBytes(window string, o opening) truth {
	from, size, _ := strings.Cut(window, ",")
	offset, err1 := parseInt(from)
	length, err2 := parseInt(size)
	if err1 != nil || err2 != nil || offset < 0 || length == 0 && t.method == isEqual {
		return maybe
	}
	if o == opensNothing {
		return no
	}
	result := no
	for _, b := range t.bytes {
		known := o.known()
		switch {
		case t.method == isEqual && length != len(b), length != 0 && length < len(b):
			// the lengths differ
		case known != "" && offset >= len(known):
			return maybe
		case known != "":
			n := min(len(known)-offset, len(b))
			if known[offset:offset+n] == b[:n] {
				result = result.or(max(maybe, truthOf(n == len(b))))
			}
		case offset == 0 && (likeOpening(b, opensTLS) || likeOpening(b, opensSSH)):
			// it is the beginning of another protocol
		default:
			result = result.or(maybe)
		}
	}
	return result
}

// likeOpening reports whether what begins with b, or how b begins, is that protocol.
func likeOpening(b string, o opening) bool {
	known := o.known()[:2]
	return strings.HasPrefix(b, known) || len(b) == 1 && b == known[:1]
}

// undecided says which names keep patterns from being decided for a population.
func (p *patterns) undecided(n names) string {
	var what []string
	for text := range p.equal {
		if e := (pattern{method: isEqual, text: text}); e.onNames(n) == maybe {
			what = append(what, e.others())
		}
	}
	slices.Sort(what)
	for _, o := range p.others {
		if o.onNames(n) == maybe {
			what = append(what, o.others())
		}
	}
	return listed(what)
}

// parseRange reads a number, or a range such as 1:1024, behind an operator.
func parseRange(operator, word string) (numberRange, error) {
	const most = 1 << 31
	low, high, isRange := strings.Cut(word, ":")
	if !isRange {
		high = low
	}
	r := numberRange{-most, most}
	var err error
	if low != "" {
		if r.least, err = strconv.ParseInt(low, 10, 32); err != nil {
			return r, fmt.Errorf("the number %s", shown(word))
		}
	}
	if high != "" {
		if r.most, err = strconv.ParseInt(high, 10, 32); err != nil {
			return r, fmt.Errorf("the number %s", shown(word))
		}
	}
	if isRange {
		return r, nil
	}
	switch operator {
	case "ge":
		r.most = most
	case "gt":
		r.least, r.most = r.least+1, most
	case "le":
		r.least = -most
	case "lt":
		r.least, r.most = -most, r.most-1
	}
	return r, nil
}

// parseInt reads a number of at most 31 bits.
func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int(n), err
}

// parseNetwork reads an address or a network, whose mask may be a length or an address.
func parseNetwork(word string) (netip.Prefix, error) {
	problem := fmt.Errorf("the network %s", shown(word))
	address, mask, masked := strings.Cut(word, "/")
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, problem
	}
	a = a.Unmap()
	bits := a.BitLen()
	if masked {
		if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && a.Is4() {
			if bits = prefixLength(m.As4()); bits < 0 {
				return netip.Prefix{}, problem
			}
		} else if bits, err = parseInt(mask); err != nil || bits < 0 || bits > a.BitLen() {
			return netip.Prefix{}, problem
		}
	}
	return netip.PrefixFrom(a, bits).Masked(), nil
}

// prefixLength returns the length of a mask, or -1 where it has holes.
func prefixLength(mask [4]byte) int {
	n, bits := uint32(mask[0])<<24|uint32(mask[1])<<16|uint32(mask[2])<<8|uint32(mask[3]), 0
	for ; n&(1<<31) != 0; n <<= 1 {
		bits++
	}
	if n != 0 {
		return -1
	}
	return bits
}
