package proxy

import (
	"net/netip"

	"github.com/sniroute/sniroute/pkg/route"
	"github.com/sniroute/sniroute/pkg/sni"
)

// A decision says where a connection goes: to a backend of the plan, or nowhere, with the reason and what to
// send.
type decision struct {
	backend int          // index into the plan's backends; route.NoBackend: refused
	route   *route.Route // the one that decided; nil for a default or named backend
	refused reason
	alert   sni.Alert // of refused TLS
	answer  string    // of refused HTTP
	name    []byte    // that was asked for; nil: none was
	failure error     // of the connect that was tried last; nil: none was
	request []byte    // of HTTP that is forwarded: all that the server gets; nil: what the client sent, and goes on to send
}

func refuse(r reason, a sni.Alert) decision {
	return decision{backend: route.NoBackend, refused: r, alert: a}
}

// decide chooses for a complete hello. A host that is not exposed, or not for this client, is refused as an unknown one
// would be, so that the answer tells strangers nothing; it never falls through to the default backend.
func decide(table *route.Table, l *Listener, hello *sni.ClientHello, client netip.Addr) decision {
	if len(hello.Name) > 0 {
		if r := table.Lookup(l.Name, hello.Name, hello.OnlyALPN()); r != nil {
			switch {
			case !r.Exposed || r.Backend == route.NoBackend:
				return refuse(rejectInternal, sni.UnrecognizedName)
			case !admits(r.Allow, r.Deny, client):
				return refuse(rejectDenied, sni.UnrecognizedName)
			}
			return decision{backend: r.Backend, route: r}
		}
	}
	if backend := table.Default(l.Name); backend != route.NoBackend {
		return decision{backend: backend}
	}
	return refuse(rejectUnrouted, sni.UnrecognizedName)
}

// decideOther chooses for a connection that is not TLS, or whose client waits for the server to speak.
func decideOther(table *route.Table, l *Listener) decision {
	backend := route.NoBackend
	switch l.NonTLS {
	case "", "reject":
	case "default":
		backend = table.Default(l.Name)
	default:
		backend = table.Named(l.NonTLS)
	}
	if backend == route.NoBackend {
		return refuse(rejectNotTLS, 0)
	}
	return decision{backend: backend}
}

// admits says whether client networks let an address in: denied ones never, and where any are allowed only those.
func admits(allow, deny []netip.Prefix, client netip.Addr) bool {
	return !contains(deny, client) && (len(allow) == 0 || contains(allow, client))
}

func contains(networks []netip.Prefix, client netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(client) {
			return true
		}
	}
	return false
}
