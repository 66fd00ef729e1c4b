package sni

const (
	nameTypeHost = 0
	maxName      = 253 // RFC 1035 2.3.4 without the root's dot
	maxLabel     = 63
)

// hostName returns the host name of a server_name extension (RFC 6066 3), nil if it holds names of other types only, or
// the alert to refuse it with.
func hostName(b []byte) (name []byte, refuse Alert) {
	if len(b) < 5 || int(b[0])<<8|int(b[1]) != len(b)-2 {
		return nil, DecodeError
	}
	for b = b[2:]; len(b) > 0; {
		if len(b) < 3 {
			return nil, DecodeError
		}
		n := int(b[1])<<8 | int(b[2])
		if n > len(b)-3 {
			return nil, DecodeError
		}
		if b[0] == nameTypeHost {
			if name != nil {
				return nil, IllegalParameter
			}
			if n == 0 {
				return nil, DecodeError
			}
			if name = b[3 : 3+n : 3+n]; name[n-1] == '.' {
				name = name[: n-1 : n-1]
			}
			if !validName(name) {
				return nil, IllegalParameter
			}
		}
		b = b[3+n:]
	}
	return name, 0
}

// labelByte holds for each byte 'x' if labels of host names may hold it, and '-' if not. A string, since reading one at
// an index of one byte needs no bounds check.
const labelByte = "" +
	"---------------------------------------------x--xxxxxxxxxx-------" + // '-' and digits
	"xxxxxxxxxxxxxxxxxxxxxxxxxx----x-xxxxxxxxxxxxxxxxxxxxxxxxxx-----" + // upper case, '_', lower case
	"----------------------------------------------------------------" +
	"----------------------------------------------------------------"

// validName reports whether name, without a trailing dot, can be a host's.
func validName(name []byte) bool {
	if len(name) > maxName {
		return false
	}
	label := 0 // where the current one starts
	for i, c := range name {
		if labelByte[c] == 'x' {
			continue
		}
		if n := i - label; c != '.' || n == 0 || n > maxLabel {
			return false
		}
		label = i + 1
	}
	n := len(name) - label
	return 0 < n && n <= maxLabel
}
