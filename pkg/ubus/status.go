package ubus

import "fmt"

// A Status is an answer of the bus or of an object that is not success. It is an error; compare with errors.Is.
type Status uint32

// The statuses of ubusmsg.h.
const (
	statusOK               Status = iota
	StatusInvalidCommand          // ubusd does not know the request
	StatusInvalidArgument         // also: publishing an object that exists, or without permission
	StatusMethodNotFound          // the object has no such method
	StatusNotFound                // no such object
	StatusNoData                  // the object has no answer
	StatusPermissionDenied        // the ACL does not allow it
	StatusTimeout                 // the object did not answer in time
	StatusNotSupported            // the object cannot do it
	StatusUnknownError            // something failed
	StatusConnectionFailed        // there is no bus
	StatusNoMemory                // too much at once
	StatusParseError              // an argument could not be read
	StatusSystemError             // a system call failed
)

// Error returns the words that libubus has for the status.
func (s Status) Error() string {
	words := [...]string{"Success", "Invalid command", "Invalid argument", "Method not found", "Not found", "No response",
		"Permission denied", "Request timed out", "Operation not supported", "Unknown error", "Connection failed",
		"Out of memory", "Parsing message data failed", "System error"}
	if int(s) < len(words) {
		return "ubus: " + words[s]
	}
	return fmt.Sprintf("ubus: unknown error %d", uint32(s))
}
