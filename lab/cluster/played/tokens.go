package played

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/sniroute/sniroute/lab/cluster/api"
)

// Tokens plays kube-controller-manager's token controller: a Secret of type kubernetes.io/service-account-token gets
// the token, the CA and the namespace of the ServiceAccount that it names. A token is good while its Secret exists.
type Tokens struct {
	Client *api.Client
	Key    *rsa.PrivateKey // signs; the API server knows its public half
	CA     []byte          // PEM
	Report func(error)
}

// Run fills Secrets until ctx ends.
func (t *Tokens) Run(ctx context.Context) {
	t.Client.Follow(ctx, api.Path("secrets"), func(e api.Event) {
		if e.Type == "DELETED" || text(e.Object["type"]) != "kubernetes.io/service-account-token" ||
			e.Object.Map("data")["token"] != nil {
			return
		}
		if err := t.fill(ctx, e.Object); err != nil && ctx.Err() == nil && t.Report != nil {
			t.Report(fmt.Errorf("filling Secret %s/%s: %w", e.Object.Namespace(), e.Object.Name(), err))
		}
	})
}

func (t *Tokens) fill(ctx context.Context, secret api.Object) error {
	name := secret.Annotation("kubernetes.io/service-account.name")
	account, err := t.Client.Get(ctx, api.Path("serviceaccounts", secret.Namespace(), name))
	if err != nil {
		return err
	}
	token, err := t.sign(map[string]any{
		"iss":                                    "kubernetes/serviceaccount",
		"sub":                                    "system:serviceaccount:" + secret.Namespace() + ":" + name,
		"kubernetes.io/serviceaccount/namespace": secret.Namespace(),
		"kubernetes.io/serviceaccount/secret.name":          secret.Name(),
		"kubernetes.io/serviceaccount/service-account.name": name,
		"kubernetes.io/serviceaccount/service-account.uid":  account.UID(),
	})
	if err != nil {
		return err
	}
	encode := base64.StdEncoding.EncodeToString
	return t.Client.Merge(ctx, api.PathOf(secret), api.Object{
		"metadata": map[string]any{"annotations": map[string]any{"kubernetes.io/service-account.uid": account.UID()}},
		"data": map[string]any{
			"token":     encode([]byte(token)),
			"ca.crt":    encode(t.CA),
			"namespace": encode([]byte(secret.Namespace())),
		},
	})
}

// sign makes a JSON web token (RFC 7519) out of the claims.
func (t *Tokens) sign(claims map[string]any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(body)
	hash := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.Key, crypto.SHA256, hash[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}
