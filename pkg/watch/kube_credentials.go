package watch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxCredential bounds a token, a certificate file or a kubeconfig, in bytes.
const maxCredential = 1 << 20

// credentials say where the API servers are and how to speak to them. They are never changed.
type credentials struct {
	servers     []*url.URL // tried in order; https
	serverName  string     // expected in the certificate in place of the host; empty: the host
	roots       *x509.CertPool
	certificate *tls.Certificate // of the client; nil: none
	token       string           // empty: none
	expiry      time.Time        // of the token or the certificate, whichever ends first; zero: not known
}

// A credentialReader reads the files of credentials and remembers them, so that it can tell when one changed.
type credentialReader struct {
	files map[string]fileID
}

// changed reports whether a file is not what it was when it was read.
func (r *credentialReader) changed() bool {
	for path, id := range r.files {
		if now, _ := contentID(path); now != id {
			return true
		}
	}
	return false
}

// file reads one file. purpose says in an error what it is for, remedy what to do if it is not there.
func (r *credentialReader) file(path, purpose, remedy string) ([]byte, error) {
	if r.files == nil {
		r.files = make(map[string]fileID)
	}
	// The identity is taken first: a change while reading is then seen as one.
	r.files[path], _ = contentID(path)
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s %s does not exist: %s", purpose, path, remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", purpose, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxCredential+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", purpose, err)
	}
	if len(data) > maxCredential {
		return nil, fmt.Errorf("%s %s is larger than %d bytes", purpose, path, maxCredential)
	}
	return data, nil
}

// contentID identifies what a file holds; the zero value where there is none.
func contentID(path string) (fileID, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return fileID{}, err
	}
	return fileID{dev: uint64(stat.Dev), inode: uint64(stat.Ino), size: stat.Size, changed: stat.Mtim}, nil
}

const remedyEnroll = "write it with `sniroute enroll URL`"

// options reads the credentials of the options server, ca_file and token_file.
func (r *credentialReader) options(servers []string, caFile, tokenFile string) (*credentials, error) {
	c := new(credentials)
	for _, server := range servers {
		u, err := serverURL(server)
		if err != nil {
			return nil, err
		}
		c.servers = append(c.servers, u)
	}
	if len(c.servers) == 0 {
		return nil, errors.New("no API server is named: set `server` or `kubeconfig`")
	}
	if caFile != "" {
		data, err := r.file(caFile, "ca_file", remedyEnroll)
		if err != nil {
			return nil, err
		}
		if err := c.trust(data, caFile); err != nil {
			return nil, err
		}
	}
	if tokenFile != "" {
		data, err := r.file(tokenFile, "token_file", remedyEnroll)
		if err != nil {
			return nil, err
		}
		if err := c.setToken(string(data), tokenFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// serverURL returns the URL of an API server if it may be spoken to.
func serverURL(server string) (*url.URL, error) {
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("server %q is no URL", shorten(server))
	case u.Scheme != "https":
		return nil, fmt.Errorf("server %q: only https is spoken, or anyone on the way could read the token: "+
			"name the API server's own address, such as https://192.168.0.10:6443", shorten(server))
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("server %q: want https://ADDRESS:PORT", shorten(server))
	}
	return u, nil
}

// trust adds the authorities of a PEM file to those that may sign the API server's certificate.
func (c *credentials) trust(pem []byte, from string) error {
	if c.roots == nil {
		c.roots = x509.NewCertPool()
	}
	if !c.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate in PEM form", from)
	}
	return nil
}

// setToken takes a bearer token and notes when it ends, if it is a JWT that says so (RFC 7519 4.1.4).
func (c *credentials) setToken(token, from string) error {
	token = strings.TrimSpace(token)
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%s holds no token", from)
	}
	c.token = token
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) == nil && claims.Expiry > 0 {
		c.ends(time.Unix(claims.Expiry, 0))
	}
	return nil
}

// setCertificate takes a client certificate and its key, in PEM form.
func (c *credentials) setCertificate(certificate, key []byte, from string) error {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("client certificate of %s: %w", from, err)
	}
	c.certificate = &pair
	c.ends(pair.Leaf.NotAfter)
	return nil
}

func (c *credentials) ends(when time.Time) {
	if c.expiry.IsZero() || when.Before(c.expiry) {
		c.expiry = when.UTC()
	}
}

// equal reports whether two credentials are the same in all that is sent or checked.
func (c *credentials) equal(d *credentials) bool {
	if c == nil || d == nil || len(c.servers) != len(d.servers) {
		return false
	}
	for i := range c.servers {
		if c.servers[i].String() != d.servers[i].String() {
			return false
		}
	}
	if (c.certificate == nil) != (d.certificate == nil) || (c.roots == nil) != (d.roots == nil) {
		return false
	}
	if c.certificate != nil && !bytes.Equal(c.certificate.Certificate[0], d.certificate.Certificate[0]) {
		return false
	}
	return c.token == d.token && c.serverName == d.serverName && (c.roots == nil || c.roots.Equal(d.roots))
}

// dataOrFile returns what a kubeconfig gives in itself (base64) or names as a file, beside the kubeconfig if the path
// is relative; nil where it does neither.
func (r *credentialReader) dataOrFile(data, path, kubeconfig, what string) ([]byte, error) {
	if data != "" {
		decoded, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %s-data is not base64", kubeconfig, what)
		}
		return decoded, nil
	}
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(kubeconfig), path)
	}
	return r.file(path, what+" of "+kubeconfig, "copy it to the router")
}
