package controlplane

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
)

func TestSign(t *testing.T) {
	authority, err := NewAuthority("lab-ca")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewAuthority("lab-ca")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Sign(Subject{Name: "router", Groups: []string{"system:masters"},
		Addresses: []netip.Addr{netip.MustParseAddr("192.168.0.10")}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	options := x509.VerifyOptions{Roots: authority.Pool(), DNSName: "192.168.0.10", KeyUsages: usages}
	if _, err := pair.Leaf.Verify(options); err != nil {
		t.Error(err)
	}
	options.Roots = stranger.Pool()
	if _, err := pair.Leaf.Verify(options); err == nil {
		t.Error("another authority of the same name is trusted")
	}
	if got := pair.Leaf.Subject.String(); got != "CN=router,O=system:masters" {
		t.Errorf("the subject is %s", got)
	}
}

func TestKubeconfig(t *testing.T) {
	objects, err := Objects(string(TokenKubeconfig("https://192.168.0.10:6443", []byte("authority"), "secret")))
	if err != nil || len(objects) != 1 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	text := string(TokenKubeconfig("https://192.168.0.10:6443", []byte("authority"), "secret"))
	for _, want := range []string{"server: https://192.168.0.10:6443\n", "token: secret\n",
		"certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte("authority"))} {
		if !strings.Contains(text, want) {
			t.Errorf("it has no %q", want)
		}
	}
}

func TestObjects(t *testing.T) {
	objects, err := Objects("kind: Ingress\nmetadata: {namespace: blog, name: app1}\n---\n---\nkind: Service\n")
	if err != nil || len(objects) != 2 || objects[0].Name() != "app1" || objects[0].Namespace() != "blog" {
		t.Errorf("got %v, %v", objects, err)
	}
	if _, err := Objects("kind: [\n"); err == nil {
		t.Error("what is no YAML was read")
	}
}
