package watch

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// An Enrolment gives a router its credentials for a cluster.
type Enrolment struct {
	Server    string // URL of the API server
	CAFile    string // where the cluster's authority is written to
	TokenFile string // where the token is written to
}

// ErrUntried says that credentials were written, but could not be tried.
var ErrUntried = errors.New("they cannot be tried")

// Enroll reads a Secret of type kubernetes.io/service-account-token (`kubectl -n sniroute get secret sniroute-token -o
// json`, or yaml), tries its token and authority, and writes them to files of mode 0600 that belong to the owner of
// their folder. It returns what they may do. What the API server refuses, or an authority that did not sign its
// certificate, is not written: what is there may work. The error wraps ErrUntried if they were written all the same,
// since the API server did not say; it holds nothing of the Secret.
func (e Enrolment) Enroll(ctx context.Context, secret io.Reader, logger *slog.Logger) ([]Permission, error) {
	server, err := serverURL(e.Server)
	if err != nil {
		return nil, err
	}
	given, authority, err := readSecret(secret)
	if err != nil {
		return nil, err
	}
	given.servers = []*url.URL{server}
	c := &Cluster{Name: "enroll", given: given, Sources: Sources(), Logger: logger}
	permissions, untried := c.Try(ctx)
	var bad *tryError
	if untried != nil && (errors.As(untried, &bad) && bad.disproved() || errors.Is(ctx.Err(), context.Canceled)) {
		return nil, fmt.Errorf("nothing was written, and what was there stays: %w", untried)
	}
	for path, data := range map[string][]byte{e.TokenFile: []byte(given.token + "\n"), e.CAFile: authority} {
		if err := writeCredential(path, data); err != nil {
			return nil, fmt.Errorf("writing the credentials: %w", err)
		}
	}
	if untried != nil {
		return nil, fmt.Errorf("%s and %s were written, but %w: %w", e.TokenFile, e.CAFile, ErrUntried, untried)
	}
	return permissions, nil
}

// readSecret returns the credentials that a Secret holds, and the authority among them in PEM form.
func readSecret(from io.Reader) (c *credentials, authority []byte, err error) {
	data, err := io.ReadAll(io.LimitReader(from, maxCredential+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the Secret: %w", err)
	}
	const how = "give what `kubectl -n " + accessNamespace + " get secret " + accessSecret + " -o json` prints"
	secret, ok := decodeSecret(data)
	if len(data) > maxCredential || !ok {
		return nil, nil, errors.New("that is no Secret as JSON or YAML: " + how)
	}
	if secret.Type != "kubernetes.io/service-account-token" {
		return nil, nil, fmt.Errorf("that Secret is of type %q and holds no token of a ServiceAccount: %s",
			shorten(secret.Type), how)
	}
	token, authority := secret.Data["token"], secret.Data["ca.crt"]
	if len(token) == 0 || len(authority) == 0 {
		return nil, nil, errors.New("the cluster has not filled the Secret yet: try again in a moment, and see whether " +
			"its ServiceAccount is there (`ssh root@ROUTER sniroute manifest | kubectl apply -f -`)")
	}
	c = new(credentials)
	if err := c.setToken(string(token), "the Secret's data.token"); err != nil {
		return nil, nil, err
	}
	if err := c.trust(authority, "the Secret's data[ca.crt]"); err != nil {
		return nil, nil, err
	}
	return c, authority, nil
}

// A secret is what is read of one.
type secret struct {
	Kind string            `json:"kind"`
	Type string            `json:"type"`
	Data map[string][]byte `json:"data"` // encoding/json takes the base64 off
}

// decodeSecret reads a Secret as JSON or as YAML. What is wrong with it could hold a piece of it, and is not said.
func decodeSecret(data []byte) (s secret, ok bool) {
	if json.Unmarshal(data, &s) == nil {
		return s, s.Kind == "Secret"
	}
	var text struct {
		Kind string            `yaml:"kind"`
		Type string            `yaml:"type"`
		Data map[string]string `yaml:"data"`
	}
	const most = 64 << 10 // of YAML, which takes a multiple of it in memory
	if len(data) > most || decodeBounded(data, &text) != nil {
		return s, false
	}
	s = secret{Kind: text.Kind, Type: text.Type, Data: make(map[string][]byte)}
	for name, value := range text.Data {
		decoded, err := base64.StdEncoding.DecodeString(value) // it passes over line breaks
		if err != nil {
			return s, false
		}
		s.Data[name] = decoded
	}
	return s, s.Kind == "Secret"
}

// writeCredential writes a file as a whole. The daemon, which is not root, must be able to read it, and nobody else: it
// belongs to the owner of its folder.
func writeCredential(path string, data []byte) error {
	dir := filepath.Dir(path)
	var stat unix.Stat_t
	if err := unix.Stat(dir, &stat); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	own := func(file *os.File) error {
		if os.Geteuid() != 0 {
			return nil
		}
		return file.Chown(int(stat.Uid), int(stat.Gid))
	}
	return replaceFile(path, data, true, own)
}
