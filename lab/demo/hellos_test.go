package main

import (
	"bytes"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
)

// The two pieces are records of their own, the name is in neither of them whole, and together they hold the message.
func TestTwoRecords(t *testing.T) {
	record := hello.Bytes(hello.Options{Name: app1})
	pieces := twoRecords(app1)(record)
	if len(pieces) != 2 {
		t.Fatalf("%d pieces", len(pieces))
	}
	var message []byte
	for i, piece := range pieces {
		if piece[0] != 22 || int(piece[3])<<8|int(piece[4]) != len(piece)-5 {
			t.Errorf("piece %d is no handshake record: % x", i, piece[:5])
		}
		if bytes.Contains(piece, []byte(app1)) {
			t.Errorf("piece %d holds the whole name", i)
		}
		message = append(message, piece[5:]...)
	}
	if !bytes.Equal(message, record[5:]) {
		t.Error("the pieces do not add up to the message")
	}
}
