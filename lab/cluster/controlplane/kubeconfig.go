package controlplane

import (
	"encoding/base64"
	"fmt"
)

// Kubeconfig returns a kubeconfig whose user is described by lines of YAML.
func Kubeconfig(server string, ca []byte, user string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: lab
  user:
    %s
contexts:
- name: lab
  context: {cluster: lab, user: lab}
current-context: lab
`, server, base64.StdEncoding.EncodeToString(ca), user)
}

// CertificateKubeconfig returns a kubeconfig of a user who is known by a certificate of the cluster's authority.
func (p *Plane) CertificateKubeconfig(user string, groups ...string) ([]byte, error) {
	certificate, key, err := p.CA.Sign(Subject{Name: user, Groups: groups})
	if err != nil {
		return nil, err
	}
	encode := base64.StdEncoding.EncodeToString
	return Kubeconfig(p.Server, p.CA.PEM, "client-certificate-data: "+encode(certificate)+
		"\n    client-key-data: "+encode(key)), nil
}
