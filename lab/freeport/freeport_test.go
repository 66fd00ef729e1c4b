package freeport

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// What is reserved is refused until somebody listens, and can be listened on again and again.
func TestReserve(t *testing.T) {
	at := Reserve(t).String()
	for range 3 {
		if _, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("nobody listens, and a connect ends with %v", err)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := net.Listen("tcp", at); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("a second one listens: %v", err)
		}
		l.Close()
	}
}

// Nobody who asks for any port is given a reserved one.
func TestReservedIsNotGivenAway(t *testing.T) {
	reserved := map[string]bool{}
	for range 200 {
		reserved[Reserve(t).String()] = true
	}
	if len(reserved) != 200 {
		t.Fatalf("%d are reserved, want 200", len(reserved))
	}
	for range 5000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().String()
		l.Close()
		if reserved[at] {
			t.Fatalf("%s is given away", at)
		}
	}
}
