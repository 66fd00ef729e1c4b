package watch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A failure is why a kind cannot be read.
type failure struct {
	reason  string // one word of a fixed set: it is logged when it changes
	message string // for a person
	remedy  string // what mends it, where message does not say it
	refused bool   // a person has to mend it in the cluster: waiting less does not help
	partial bool   // it concerns this kind alone: the others go on, and are what counts
	// answered says that there is an API server, which understood the question.
	answered bool
}

// Reasons that are asked for.
const (
	reasonBroken       = "broken" // a watch ended before its time
	reasonCertificate  = "certificate"
	reasonUnauthorized = "unauthorized"
)

var errBroken = errors.New("the watch broke off")

// explain says why a request for a kind failed and what mends it.
func explain(k *kind, err error) failure {
	var noURL *url.Error
	if errors.As(err, &noURL) {
		err = noURL.Err // its URL is not the one that was asked
	}
	text := clip(err.Error(), 400)
	var unknownAuthority x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verification), errors.As(err, &unknownAuthority):
		return failure{reason: reasonCertificate, message: text + ": if the cluster has a new authority, enroll again " +
			"(`sniroute enroll URL`) or replace ca_file"}
	case apierrors.IsUnauthorized(err):
		return failure{reason: reasonUnauthorized, answered: true,
			message: "the API server refuses the credentials (401 Unauthorized): the token was revoked or has expired; " +
				"make another and enroll again (`sniroute enroll URL`)"}
	case apierrors.IsForbidden(err):
		return failure{reason: "forbidden", refused: true, partial: true, answered: true,
			message: k.resource + " may not be read (403): " + text,
			remedy:  "`ssh root@ROUTER sniroute manifest | kubectl apply -f -` grants it"}
	case apierrors.IsNotFound(err):
		return failure{reason: "missing", refused: true, partial: true, answered: true,
			message: "the cluster does not serve " + k.resource + " of " + k.group + "/" + k.version + " (404)"}
	case errors.Is(err, errTooLarge), errors.Is(err, errTooMuch):
		return failure{reason: "too large", message: k.resource + ": " + text}
	case errors.Is(err, errBroken):
		return failure{reason: reasonBroken, message: k.resource + ": " + text}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{reason: "timeout", message: text}
	}
	var unreachable *unreachable
	if errors.As(err, &unreachable) {
		return failure{reason: "unreachable", message: text}
	}
	return failure{reason: "error", message: k.resource + ": " + text}
}

// isExpired reports whether the server no longer knows the version that a watch is to go on from.
func isExpired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }
