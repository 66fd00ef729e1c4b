package main

import "testing"

// What `make reload` does, in small; under the race detector it looks into the daemon too.
func TestReload(t *testing.T) {
	seen, err := run(t.Context(), options{reloads: 20, rate: 40, chunk: 16 << 10, race: raceDetector})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", seen)
	if seen.failed() {
		t.Error("a reload disturbed somebody")
	}
	if seen.connections < 20 || seen.transfers != 20 || seen.bytes.Load() == 0 {
		t.Error("there was hardly anybody to disturb")
	}
}
