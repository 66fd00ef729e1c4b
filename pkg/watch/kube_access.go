package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	secretsWarning = "the credentials may read Secrets, so they are an administrator's: whoever gets hold of the " +
		"router gets the whole cluster"
	secretsRemedy = "make the router's own with `ssh root@ROUTER sniroute manifest | kubectl apply -f -` and `sniroute enroll URL`"
)

const pathOfReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// A Permission is something that the credentials may or may not do.
type Permission struct {
	Verb, Group, Resource string
	Allowed               bool
}

// String returns "list ingresses.networking.k8s.io".
func (p Permission) String() string {
	if p.Group == "" {
		return p.Verb + " " + p.Resource
	}
	return p.Verb + " " + p.Resource + "." + p.Group
}

// review asks the API server whether the credentials may do something in all namespaces (SelfSubjectAccessReview, which
// everybody may ask for). Nothing is stored by it.
func (c *Cluster) review(ctx context.Context, p Permission) (Permission, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var question struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Attributes struct {
				Verb     string `json:"verb"`
				Group    string `json:"group,omitempty"`
				Resource string `json:"resource"`
			} `json:"resourceAttributes"`
		} `json:"spec"`
	}
	question.APIVersion, question.Kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
	attributes := &question.Spec.Attributes
	attributes.Verb, attributes.Group, attributes.Resource = p.Verb, p.Group, p.Resource
	body, err := json.Marshal(question)
	if err != nil {
		return p, err
	}
	gv := schema.GroupVersion{Group: "authorization.k8s.io", Version: "v1"}
	answer, err := newRequest(c.client, http.MethodPost, codec{}, gv, pathOfReviews).
		Body(body).SetHeader("Content-Type", contentTypeJSON).Do(ctx).Raw()
	if err != nil {
		return p, fmt.Errorf("asking whether the credentials may %s: %w", p, err)
	}
	var review struct {
		Status *struct {
			Allowed bool `json:"allowed"`
		} `json:"status"`
	}
	if err := decodeJSON(answer, &review); err != nil {
		return p, err
	}
	if review.Status == nil {
		return p, errors.New("the API server does not say what the credentials may do")
	}
	p.Allowed = review.Status.Allowed
	return p, nil
}

// reviewSecrets finds out whether the credentials may read Secrets, and warns if so. It reports whether it found out.
func (c *Cluster) reviewSecrets(ctx context.Context) bool {
	var may bool
	for _, verb := range []string{"get", "list"} {
		p, err := c.review(ctx, Permission{Verb: verb, Resource: "secrets"})
		if err != nil {
			c.Logger.Debug("not known whether the credentials may read Secrets", "source", c.Name, "error", err)
			return false
		}
		may = may || p.Allowed
	}
	c.mu.Lock()
	c.secrets = may
	c.mu.Unlock()
	if may {
		c.Logger.Warn(secretsWarning, "source", c.Name, "remedy", secretsRemedy)
	}
	return true
}

// Try reaches the API server with the credentials and returns what they may do: read each kind that the Cluster reads,
// and Secrets, which they should not. It is for use without Run.
func (c *Cluster) Try(ctx context.Context) ([]Permission, error) {
	c.prepare()
	c.reload()
	c.mu.Lock()
	err := c.unread
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer c.link.Load().close()
	var questions []Permission
	for _, f := range c.followers {
		for _, verb := range []string{"list", "watch"} {
			questions = append(questions, Permission{Verb: verb, Group: f.group, Resource: f.resource})
		}
	}
	for _, verb := range []string{"get", "list"} {
		questions = append(questions, Permission{Verb: verb, Resource: "secrets"})
	}
	var answers []Permission
	for _, question := range questions {
		answer, err := c.review(ctx, question)
		if err != nil {
			return nil, explainTry(err)
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// A tryError says why it is not known what credentials may do.
type tryError struct{ failure }

func (e *tryError) Error() string {
	if e.remedy != "" {
		return e.message + ": " + e.remedy
	}
	return e.message
}

// disproved reports whether the credentials are no good, in contrast to a server that could not be asked.
func (e *tryError) disproved() bool {
	return e.reason == reasonUnauthorized || e.reason == reasonCertificate
}

// explainTry makes a sentence of an error, as State would.
func explainTry(err error) error {
	reviews := &kind{resource: "selfsubjectaccessreviews", group: "authorization.k8s.io", version: "v1"}
	return &tryError{explain(reviews, err)}
}
