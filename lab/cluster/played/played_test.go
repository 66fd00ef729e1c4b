package played

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sniroute/sniroute/lab/cluster/api"
)

func TestStatus(t *testing.T) {
	got, err := json.Marshal(Status("192.168.0.3", "fd00::3", "lb.example.com"))
	const want = `{"loadBalancer":{"ingress":[{"ip":"192.168.0.3"},{"ip":"fd00::3"},{"hostname":"lb.example.com"}]}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// A Service's status has fields that an Ingress's may not have.
func TestOnlyWhatAnIngressMayHave(t *testing.T) {
	service := api.Object{"status": map[string]any{"loadBalancer": map[string]any{"ingress": []any{
		map[string]any{"ip": "192.168.0.3", "ipMode": "VIP"}}}}}
	if got := fmt.Sprint(loadBalancer(service)); got != "[map[ip:192.168.0.3]]" {
		t.Errorf("got %s", got)
	}
	c := &Controller{}
	ingress := api.Object{"kind": "Ingress", "metadata": map[string]any{"namespace": "blog", "name": "app1"}}
	pending := c.compare(nil, ingress, loadBalancer(service))
	if len(pending) != 1 {
		t.Fatalf("%d changes, not 1", len(pending))
	}
	ingress["status"] = pending[0]["status"]
	if more := c.compare(nil, ingress, loadBalancer(service)); len(more) != 0 {
		t.Errorf("what was done is done again: %v", more)
	}
}

func TestClass(t *testing.T) {
	byField := api.Object{"spec": map[string]any{"ingressClassName": "a"}}
	annotations := map[string]any{"kubernetes.io/ingress.class": "b"}
	byAnnotation := api.Object{"metadata": map[string]any{"annotations": annotations}}
	got := []string{classOf(byField), classOf(byAnnotation), classOf(api.Object{})}
	if !slices.Equal(got, []string{"a", "b", ""}) {
		t.Errorf("got %q", got)
	}
}

func TestToken(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	token, err := (&Tokens{Key: key}).sign(map[string]any{"sub": "someone"})
	if err != nil {
		t.Fatal(err)
	}
	signed := token[:strings.LastIndexByte(token, '.')]
	signature, err := base64.RawURLEncoding.DecodeString(token[len(signed)+1:])
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, hash[:], signature); err != nil {
		t.Error(err)
	}
}
