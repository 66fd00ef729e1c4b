package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sniroute/sniroute/pkg/route"
)

// stateFormat is the version of the state file's format. A file of another version is not read.
const stateFormat = 1

// maxStateSize bounds what is read of a state file, in bytes.
const maxStateSize = 32 << 20

// A stateDocument is the state file, as JSON. Claims that differ in their host alone stand together.
type stateDocument struct {
	Format   int                      `json:"format"`
	Sequence uint64                   `json:"sequence"` // grows with every change: the higher of two files is the newer
	Written  time.Time                `json:"written"`
	Sources  map[string][]stateObject `json:"sources"`
}

// A stateObject is one object, or that part of one whose claims differ in their host alone.
type stateObject struct {
	Kind           string       `json:"kind"`
	Namespace      string       `json:"namespace,omitempty"`
	Name           string       `json:"name"`
	Created        time.Time    `json:"created,omitzero"`
	Hosts          []string     `json:"hosts"`
	OneLabel       []bool       `json:"one_label,omitempty"` // for each host; absent: none takes one label only
	Class          string       `json:"class,omitempty"`
	Gateway        string       `json:"gateway,omitempty"`
	Addresses      []netip.Addr `json:"addresses,omitzero"`
	HTTPSPort      uint16       `json:"https_port,omitempty"`
	HTTPPort       uint16       `json:"http_port,omitempty"`
	Ports          []uint16     `json:"ports,omitzero"`
	Solver         bool         `json:"solver,omitempty"`
	StatusHostname string       `json:"status_hostname,omitempty"`
	NotAccepted    string       `json:"not_accepted,omitempty"`

	OwnClass     *string      `json:"own_class,omitempty"`     // that it names itself, where that is not Class
	ClassUnknown bool         `json:"class_unknown,omitempty"` // its class is the default one, which is not known
	HeldFor      *int64       `json:"held_for,omitempty"`      // seconds for which it has been without addresses
	Stale        []netip.Addr `json:"stale,omitempty"`         // addresses that are those of its earlier class
	StaleClass   *string      `json:"stale_class,omitempty"`   // that class; absent: not known
}

// A savedSource is what is kept of one source.
type savedSource struct {
	claims  []route.Claim
	objects map[route.Object]savedObject
}

func (s *savedSource) encode() []stateObject {
	objects := []stateObject{}
	for i := 0; i < len(s.claims); {
		first := &s.claims[i]
		o := stateObject{
			Kind: first.Object.Kind, Namespace: first.Object.Namespace, Name: first.Object.Name, Created: first.Created,
			Class: first.Class, Gateway: first.Gateway, Addresses: first.Addresses, HTTPSPort: first.HTTPSPort,
			HTTPPort: first.HTTPPort, Ports: first.Ports, Solver: first.Solver, StatusHostname: first.StatusHostname,
			NotAccepted: first.NotAccepted,
		}
		oneLabel := false
		for ; i < len(s.claims) && sameButHost(first, &s.claims[i]); i++ {
			o.Hosts = append(o.Hosts, s.claims[i].Host)
			o.OneLabel = append(o.OneLabel, s.claims[i].OneLabel)
			oneLabel = oneLabel || s.claims[i].OneLabel
		}
		if !oneLabel {
			o.OneLabel = nil
		}
		if saved, unusual := s.objects[first.Object]; unusual {
			if saved.Own != first.Class {
				o.OwnClass = &saved.Own
			}
			o.ClassUnknown = saved.ClassUnknown
			if saved.heldKnown {
				seconds := int64(saved.Held / time.Second)
				o.HeldFor = &seconds
			}
			o.Stale = saved.Stale
			if saved.Writer.known {
				o.StaleClass = &saved.Writer.name
			}
		}
		objects = append(objects, o)
	}
	return objects
}

func sameButHost(a, b *route.Claim) bool {
	x, y := *a, *b
	x.Host, x.OneLabel = y.Host, y.OneLabel
	return equalClaims([]route.Claim{x}, []route.Claim{y})
}

// decodeSource reads the objects of one source. It refuses what encode never writes, and more claims than there may be.
func decodeSource(source string, objects []stateObject, maxClaims int) (*savedSource, error) {
	s := &savedSource{objects: make(map[route.Object]savedObject)}
	for _, o := range objects {
		claim := route.Claim{
			Source: source, Object: route.Object{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name},
			Created: o.Created.UTC(), Class: o.Class, Gateway: o.Gateway, Addresses: o.Addresses,
			HTTPSPort: o.HTTPSPort, HTTPPort: o.HTTPPort, Ports: o.Ports, Solver: o.Solver,
			StatusHostname: cut(o.StatusHostname), NotAccepted: o.NotAccepted,
		}
		if o.Created.IsZero() {
			claim.Created = time.Time{}
		}
		switch {
		case o.Kind == "" || !validName(o.Name) || o.Namespace != "" && !validName(o.Namespace):
			return nil, fmt.Errorf("%q of source %s is no object", shorten(claim.Object.String()), source)
		case len(o.OneLabel) != 0 && len(o.OneLabel) != len(o.Hosts):
			return nil, fmt.Errorf("%s of source %s has %d hosts and %d marks", claim.Object, source, len(o.Hosts),
				len(o.OneLabel))
		case len(o.Addresses) > maxAddresses || len(o.Stale) > maxAddresses || len(o.Ports) > maxPorts:
			return nil, fmt.Errorf("%s of source %s has too many addresses or ports", claim.Object, source)
		case len(s.claims)+len(o.Hosts) > maxClaims:
			return nil, fmt.Errorf("source %s has more than %d claims", source, maxClaims)
		}
		for i, host := range o.Hosts {
			claim.Host, claim.OneLabel = cut(host), len(o.OneLabel) > 0 && o.OneLabel[i]
			s.claims = append(s.claims, claim)
		}
		if o.OwnClass != nil || o.ClassUnknown || o.HeldFor != nil || len(o.Stale) > 0 {
			saved := savedObject{Own: o.Class, ClassUnknown: o.ClassUnknown, Stale: o.Stale}
			if o.OwnClass != nil {
				saved.Own = *o.OwnClass
			}
			if o.StaleClass != nil {
				saved.Writer = knownClass{*o.StaleClass, true}
			}
			if o.HeldFor != nil {
				saved.Held, saved.heldKnown = time.Duration(min(max(*o.HeldFor, 0), 1<<30))*time.Second, true
			}
			s.objects[claim.Object] = saved
		}
	}
	return s, nil
}

func encodeState(sequence uint64, written time.Time, sources map[string]*savedSource) ([]byte, error) {
	document := stateDocument{Format: stateFormat, Sequence: sequence, Written: written.UTC(),
		Sources: make(map[string][]stateObject, len(sources))}
	for name, source := range sources {
		document.Sources[name] = source.encode()
	}
	data, err := json.Marshal(document)
	return append(data, '\n'), err
}

// decodeState reads a state file. All of it is good, or an error says what is not.
func decodeState(data []byte) (*stateDocument, map[string]*savedSource, error) {
	var document stateDocument
	if err := json.Unmarshal(bytes.TrimSpace(data), &document); err != nil {
		return nil, nil, err
	}
	if document.Format != stateFormat {
		return nil, nil, fmt.Errorf("it has format %d, not %d", document.Format, stateFormat)
	}
	if document.Sources == nil {
		return nil, nil, errors.New("it has no sources")
	}
	sources := make(map[string]*savedSource, len(document.Sources))
	for name, objects := range document.Sources {
		source, err := decodeSource(name, objects, maxClaimsOfState)
		if err != nil {
			return nil, nil, err
		}
		sources[name] = source
	}
	return &document, sources, nil
}

// maxClaimsOfState bounds the claims of one source in a state file.
const maxClaimsOfState = 1 << 17

// A difference says how claims differ from those that were written.
type difference uint8

const (
	nothing  difference = iota
	addition            // something is new, or an address was exchanged for another
	withdrawal
)

// compareSources returns the graver of the differences. A claim that is gone, lost its addresses or changed its class
// is a withdrawal: after a power cut the old one would expose what should be exposed no longer.
func compareSources(written, current map[string]*savedSource) difference {
	result := nothing
	for name, old := range written {
		now := current[name]
		if now == nil {
			if len(old.claims) > 0 {
				return withdrawal
			}
			continue
		}
		result = max(result, compareToWritten(old.claims, now.claims))
	}
	for name, now := range current {
		if written[name] == nil && len(now.claims) > 0 {
			result = max(result, addition)
		}
	}
	return result
}

type claimKey struct {
	object route.Object
	host   string
}

func compareToWritten(written, current []route.Claim) difference {
	if equalClaims(written, current) {
		return nothing
	}
	now := make(map[claimKey]*route.Claim, len(current))
	for i := range current {
		now[claimKey{current[i].Object, current[i].Host}] = &current[i]
	}
	for i := range written {
		old := &written[i]
		c := now[claimKey{old.Object, old.Host}]
		if c == nil || len(old.Addresses) > 0 && len(c.Addresses) == 0 || c.Class != old.Class ||
			c.Gateway != old.Gateway || c.Solver != old.Solver || c.NotAccepted != old.NotAccepted {
			return withdrawal
		}
	}
	return addition
}
