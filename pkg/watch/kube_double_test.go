package watch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A double stands in for an API server: it keeps objects, lists them page by page, streams lists, watches with
// bookmarks and forgets history, as far as sniroute asks for it. Faults are scripted through its fields.
type double struct {
	t      testing.TB
	server *httptest.Server
	ca     string // file

	mu          sync.Mutex
	certificate tls.Certificate
	changed     *sync.Cond
	version     int
	objects     map[string]map[string]map[string]any // by resource, then "NS/NAME"
	history     map[string][]event
	compacted   int
	tokens      map[string]bool
	rights      map[string]bool // "VERB RESOURCE" that reviews allow besides what is served
	forbidden   map[string]bool // resources
	missing     map[string]bool
	streams     bool                                              // lists are streamed
	fault       func(w http.ResponseWriter, r *http.Request) bool // takes the request if it returns true
	requests    []string                                          // path and query of each
	restored    int                                               // how often restore was called
	closing     bool
}

type event struct {
	version int
	kind    string
	object  map[string]any
}

func newDouble(t testing.TB) *double {
	d := &double{t: t, version: 100, objects: map[string]map[string]map[string]any{}, history: map[string][]event{},
		tokens: map[string]bool{"good": true}, rights: map[string]bool{}, forbidden: map[string]bool{},
		missing: map[string]bool{}, streams: true}
	d.changed = sync.NewCond(&d.mu)
	d.server = httptest.NewUnstartedServer(d)
	d.server.EnableHTTP2 = true
	d.certificate = selfSigned(t, time.Now().Add(-time.Hour))
	d.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	d.server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{d.certificate}, NextProtos: []string{"h2", "http/1.1"},
			ClientAuth: tls.RequestClientCert}, nil
	}
	d.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	d.server.StartTLS()
	d.ca = filepath.Join(t.TempDir(), "ca.crt")
	d.writeCA()
	t.Cleanup(d.stop)
	return d
}

// writeCA makes the file ca hold the authority of the certificate that is served.
func (d *double) writeCA() {
	d.mu.Lock()
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.certificate.Leaf.Raw})
	d.mu.Unlock()
	if err := replaceFile(d.ca, data, false, nil); err != nil {
		d.t.Fatal(err)
	}
}

func (d *double) stop() {
	d.mu.Lock()
	d.closing = true
	d.changed.Broadcast()
	d.mu.Unlock()
	d.server.CloseClientConnections()
	d.server.Close()
}

// set changes the double's fields.
func (d *double) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
	d.changed.Broadcast()
}

// put creates or changes an object, given as YAML.
func (d *double) put(resource, yaml string) {
	d.t.Helper()
	var object map[string]any
	if err := decodeBounded([]byte(yaml), &object); err != nil {
		d.t.Fatal(err)
	}
	d.set(func() {
		d.version++
		metadata := object["metadata"].(map[string]any)
		metadata["resourceVersion"] = strconv.Itoa(d.version)
		if metadata["namespace"] == nil && resource != "ingressclasses" {
			metadata["namespace"] = "default"
		}
		key := fmt.Sprint(metadata["namespace"], "/", metadata["name"])
		if d.objects[resource] == nil {
			d.objects[resource] = map[string]map[string]any{}
		}
		kind := "ADDED"
		if d.objects[resource][key] != nil {
			kind = "MODIFIED"
		}
		d.objects[resource][key] = object
		d.history[resource] = append(d.history[resource], event{d.version, kind, object})
	})
}

func (d *double) delete(resource, key string) {
	d.set(func() {
		d.version++
		object := maps.Clone(d.objects[resource][key])
		object["metadata"] = maps.Clone(object["metadata"].(map[string]any))
		object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(d.version)
		delete(d.objects[resource], key)
		d.history[resource] = append(d.history[resource], event{d.version, "DELETED", object})
	})
}

// compact forgets history.
func (d *double) compact() {
	d.set(func() {
		d.version++
		d.compacted = d.version
		d.history = map[string][]event{}
	})
}

// restore is etcd brought back from a backup: versions go on from a smaller one, an object is not in it, and the API
// server starts again, so that no watch lives to see what comes after.
func (d *double) restore(version int, resource, lost string) {
	d.set(func() {
		d.version, d.history = version, map[string][]event{}
		delete(d.objects[resource], lost)
		d.restored++
	})
	d.server.CloseClientConnections()
}

// asked returns the requests since the start.
func (d *double) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.requests = append(d.requests, r.URL.RequestURI())
	fault := d.fault
	authorized := d.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] ||
		r.TLS != nil && len(r.TLS.PeerCertificates) > 0
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	forbidden, missing := d.forbidden[resource], d.missing[resource]
	d.mu.Unlock()
	switch {
	case fault != nil && fault(w, r):
	case !authorized:
		refuse(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
	case resource == "selfsubjectaccessreviews":
		d.review(w, r)
	case forbidden:
		refuse(w, http.StatusForbidden, "Forbidden", resource+" is forbidden: User \"router\" cannot list resource")
	case missing:
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, "404 page not found")
	case r.URL.Query().Get("watch") == "true":
		d.watch(w, r, resource)
	default:
		d.list(w, r, resource)
	}
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(statusOf(code, reason, message))
}

func statusOf(code int, reason, message string) map[string]any {
	return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
}

func (d *double) review(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Spec struct {
			ResourceAttributes struct{ Verb, Resource string }
		}
	}
	_ = json.NewDecoder(r.Body).Decode(&question)
	a := question.Spec.ResourceAttributes
	d.mu.Lock()
	allowed := d.rights[a.Verb+" "+a.Resource] || a.Resource != "secrets" && !d.forbidden[a.Resource]
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "SelfSubjectAccessReview", "status": map[string]any{"allowed": allowed}})
}

func (d *double) list(w http.ResponseWriter, r *http.Request, resource string) {
	d.mu.Lock()
	keys := slices.Sorted(maps.Keys(d.objects[resource]))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	from := r.URL.Query().Get("continue")
	metadata := map[string]any{"resourceVersion": strconv.Itoa(d.version)}
	items := []any{}
	for _, key := range keys {
		if key <= from {
			continue
		}
		if limit > 0 && len(items) == limit {
			break
		}
		items = append(items, d.objects[resource][key])
		if limit > 0 && len(items) == limit && key != keys[len(keys)-1] {
			metadata["continue"] = key
		}
	}
	data, _ := json.Marshal(map[string]any{"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items})
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}

func (d *double) watch(w http.ResponseWriter, r *http.Request, resource string) {
	query := r.URL.Query()
	d.mu.Lock()
	defer d.mu.Unlock()
	last, _ := strconv.Atoi(query.Get("resourceVersion"))
	streamed := query.Get("sendInitialEvents") == "true"
	switch {
	case streamed && !d.streams:
		refuse(w, http.StatusUnprocessableEntity, "Invalid", "sendInitialEvents is forbidden for watch unless WatchList is enabled")
		return
	case last > d.version:
		refuse(w, http.StatusGatewayTimeout, "Timeout", "Too large resource version")
		return
	case !streamed && last < d.compacted || streamed && last > 0 && last < d.compacted:
		refuse(w, http.StatusGone, "Expired", "too old resource version")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	encoder := json.NewEncoder(w)
	send := func(kind string, object any) {
		_ = encoder.Encode(map[string]any{"type": kind, "object": object})
	}
	if streamed {
		for _, key := range slices.Sorted(maps.Keys(d.objects[resource])) {
			send("ADDED", d.objects[resource][key])
		}
		send("BOOKMARK", map[string]any{"metadata": map[string]any{"resourceVersion": strconv.Itoa(d.version),
			"annotations": map[string]any{"k8s.io/initial-events-end": "true"}}})
		last = d.version
	}
	flusher := w.(http.Flusher)
	flusher.Flush()
	done := r.Context().Done()
	stop := make(chan struct{})
	defer close(stop)
	go func() { // wakes the loop when the client has gone
		select {
		case <-done:
		case <-stop:
		}
		d.mu.Lock()
		d.changed.Broadcast()
		d.mu.Unlock()
	}()
	for restored := d.restored; !d.closing && d.restored == restored && r.Context().Err() == nil; {
		for _, e := range d.history[resource] {
			if e.version > last {
				send(e.kind, e.object)
			}
		}
		if d.compacted > last && d.history[resource] == nil {
			send("ERROR", statusOf(http.StatusGone, "Expired", "too old resource version"))
			return
		}
		last = d.version
		flusher.Flush()
		d.changed.Wait()
	}
}

// tokenFile writes a token and returns the file.
func tokenFile(t testing.TB, token string) string {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certify makes the double serve a certificate that is valid from a time on, signed by itself.
func (d *double) certify(from time.Time) {
	certificate := selfSigned(d.t, from)
	d.set(func() { d.certificate = certificate })
	d.server.CloseClientConnections()
}

func selfSigned(t testing.TB, from time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), NotBefore: from, NotAfter: from.Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		Subject:  pkix.Name{CommonName: "double"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
