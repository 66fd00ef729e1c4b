package main

import "testing"

func TestTallyAgrees(t *testing.T) {
	metrics := map[string]float64{
		`sniroute_connections_total{backend="nas",listener="https",result="ok"}`:                       2,
		`sniroute_connections_total{backend="nas",listener="https",result="reset"}`:                    1,
		`sniroute_connections_total{backend="nas",listener="https",result="timeout"}`:                  0,
		`sniroute_connections_total{backend="demo/external/192.168.0.3",listener="https",result="ok"}`: 1,
		`sniroute_rejected_total{listener="https",reason="not_tls"}`:                                   1,
		`sniroute_rejected_total{listener="https",reason="malformed"}`:                                 0,
		`sniroute_bytes_total{backend="nas",direction="to_client"}`:                                    12345,
	}
	var seen tally
	seen.reset()
	if seen.agrees(metrics) == nil {
		t.Error("clients that did nothing agree with metrics that counted")
	}
	for range 3 {
		seen.forwarded(nasName)
	}
	seen.forwarded(app1)
	seen.refused("not_tls")
	if err := seen.agrees(metrics); err != nil {
		t.Error(err)
	}
	metrics[`sniroute_rejected_total{listener="https",reason="malformed"}`] = 1
	if seen.agrees(metrics) == nil {
		t.Error("a refusal that no client saw goes unnoticed")
	}
	seen.reset()
	if err := seen.agrees(nil); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}
