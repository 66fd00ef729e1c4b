package sni

import "strconv"

// An Alert is a TLS alert description (RFC 8446 6).
type Alert uint8

// The alerts that a connection is refused with.
const (
	IllegalParameter Alert = 47
	DecodeError      Alert = 50
	InternalError    Alert = 80
	UnrecognizedName Alert = 112
)

// Record returns the record that carries the alert, as fatal. Its version is TLS 1.2, which every client takes before a
// version is agreed (RFC 8446 5.1).
func (a Alert) Record() [7]byte {
	return [7]byte{21, 3, 3, 0, 2, 2, byte(a)}
}

// String returns the name that RFC 8446 gives the alert.
func (a Alert) String() string {
	switch a {
	case IllegalParameter:
		return "illegal_parameter"
	case DecodeError:
		return "decode_error"
	case InternalError:
		return "internal_error"
	case UnrecognizedName:
		return "unrecognized_name"
	}
	return "alert " + strconv.Itoa(int(a))
}
