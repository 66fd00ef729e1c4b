// Package watch reads what objects of Kubernetes ask for and hands it on as claims.
//
// A source follows one place where such objects are kept and publishes, whenever they change, all the claims that they
// make together:
//
//   - Manifests follows a directory of YAML files (or one file), without a cluster.
//   - Cluster follows a Kubernetes API server.
//
// Sources judge nothing: which names a source may claim, which addresses, who owns a host and what is exposed is the
// business of package route. They promise to be bounded in what they read and keep, to keep the last good claims when
// a place cannot be read, and to withdraw the claims of what was deleted at once.
//
//	manifests := &watch.Manifests{
//		Name:    "demo",
//		Path:    "/etc/sniroute/manifests",
//		Logger:  logger,
//		Publish: func(claims []route.Claim) { ... },
//	}
//	err := manifests.Run(ctx) // returns when ctx is done
//
// All sources have the same shape: fields that are set before Run, one Run, and a State that may be asked for at any
// time from any goroutine.
//
// FollowFile follows one file that is no source, as the configuration is, by the same means.
package watch

import (
	"net/netip"
	"strconv"
	"time"
)

// A State says how a source is doing.
type State struct {
	Source string // name of the section
	Place  string // what it reads: a path, or the URL of an API server

	Synced    bool   // what is published is a complete and current reading of all that can be read
	FromState bool   // Cluster: it is what was known last, kept over a restart or while the API server is away
	Waiting   string // what the source waits for, empty if nothing: a path that does not exist yet, an API server

	LastSync   time.Time // when the published claims were last known to agree with the place; zero: never
	LastChange time.Time // when claims that differ were last published; zero: never

	Files   int // files read without an error (Manifests)
	Objects int // objects of a kind that is read
	Claims  int // claims published last
	Dropped int // claims that were left out because there were more than MaxClaims

	// Of a Cluster:
	Expiry     time.Time        // when the credentials end; zero: not known
	Secrets    bool             // the credentials may read Secrets, which a router should not
	Requests   uint32           // sent to API servers since the start
	APIServers []netip.AddrPort // where API servers answer: no claim may point there. Publish follows a change.
	APINames   []string         // host names of API servers

	Problems []Problem // what is wrong now, at most maxProblems
}

// A Problem is something that a person should mend. It does not stop the rest.
type Problem struct {
	Place   string // a file's path, or a kind of object
	Line    int    // in the file, from 1; 0 where there is none
	Message string
	Remedy  string // what mends it, where Message does not say it; may be empty
	Since   time.Time
}

// maxProblems bounds what a State lists.
const maxProblems = 100

// String returns "PLACE:LINE: MESSAGE: REMEDY".
func (p Problem) String() string {
	if p.Remedy == "" {
		return p.What()
	}
	return p.What() + ": " + p.Remedy
}

// What returns "PLACE:LINE: MESSAGE".
func (p Problem) What() string {
	if p.Line == 0 {
		return p.Place + ": " + p.Message
	}
	return p.Place + ":" + strconv.Itoa(p.Line) + ": " + p.Message
}
