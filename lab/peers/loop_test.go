package peers

import (
	"net/netip"
	"testing"
)

// TestLoop: a rule of the firewall leads sniroute's own connections back to it. It finds out at the first that comes back,
// and ends that and the one it belongs to.
func TestLoop(t *testing.T) {
	h := build(t)
	h.must(h.Router.Firewall(`table ip astray {
		chain output {
			type nat hook output priority -100
			ip daddr 203.0.113.77 tcp dport 443 redirect to :8443
		}
	}`))
	h.start(`
config listener 'https'
	list listen ':8443'
	option inspect_delay '1m'
config backend 'astray'
	list server '203.0.113.77:443'
	option check 'none'
config route
	list host 'app.example.com'
	option backend 'astray'
`)
	if got := h.curl(h.WAN, netip.MustParseAddrPort("203.0.113.1:443"), "https://app.example.com/"); got.err == nil {
		t.Errorf("somebody answered: %s", got.body)
	}
	h.until("the loop is found and nothing is left of it", func() bool {
		return h.rejected("https")["loop"] == 1 && h.status().Traffic.Active == 0
	})
	for _, l := range h.status().Traffic.Listeners {
		if l.Accepted != 2 {
			t.Errorf("%d connections were accepted, want the client's and one that came back", l.Accepted)
		}
	}
}
