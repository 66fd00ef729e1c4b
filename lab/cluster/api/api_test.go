package api

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// serve returns a client of a server that answers as an API server would.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	client := New(Options{Server: server.URL, CA: pool, Token: "secret"})
	t.Cleanup(client.Close)
	return client
}

func TestRequests(t *testing.T) {
	var seen []string
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Authorization"),
			r.Header.Get("Content-Type"), body))
		fmt.Fprint(w, `{}`)
	})
	ctx := context.Background()
	ingress := object("Ingress", "blog", "app1")
	if err := errors.Join(
		client.Apply(ctx, ingress),
		client.Merge(ctx, PathOf(ingress)+"/status", Object{"status": 1}),
		client.Delete(ctx, PathOf(ingress)),
	); err != nil {
		t.Fatal(err)
	}
	const path = "/apis/networking.k8s.io/v1/namespaces/blog/ingresses/app1"
	want := []string{
		"PATCH " + path + "?force=true&fieldManager=lab Bearer secret application/apply-patch+yaml " +
			`{"kind":"Ingress","metadata":{"name":"app1","namespace":"blog"}}`,
		"PATCH " + path + `/status Bearer secret application/merge-patch+json {"status":1}`,
		"DELETE " + path + " Bearer secret  ",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}

func TestStatusError(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"kind":"Status","code":409,"reason":"AlreadyExists","message":"it is there"}`)
	})
	_, err := client.Get(context.Background(), "/api")
	if !IsCode(err, http.StatusConflict) || IsCode(err, http.StatusNotFound) {
		t.Errorf("the code is lost: %v", err)
	}
}

// A Follow lists again after the server has ended its watch with an error, and items of lists know their kind.
func TestFollow(t *testing.T) {
	lists := 0
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			lists++
			fmt.Fprintf(w, `{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},
				"items":[{"metadata":{"name":"listed%d"}}]}`, lists, lists)
			return
		}
		encoder := json.NewEncoder(w)
		_ = encoder.Encode(Event{"MODIFIED", object("Secret", "", "watched"+r.URL.Query().Get("resourceVersion"))})
		_ = encoder.Encode(Event{"ERROR", Object{"kind": "Status", "code": 410, "reason": "Expired"}})
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var seen []string
	client.Follow(ctx, Path("secrets"), func(e Event) {
		seen = append(seen, fmt.Sprintf("%s %s %s", e.Type, e.Object["kind"], e.Object.Name()))
		if len(seen) == 4 {
			cancel()
		}
	})
	want := []string{
		"ADDED Secret listed1", "MODIFIED Secret watched1", "ADDED Secret listed2", "MODIFIED Secret watched2"}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
	err := client.Watch(context.Background(), Path("secrets"), "1", func(Event) {})
	if !IsCode(err, http.StatusGone) {
		t.Errorf("the end of the watch is %v, not 410", err)
	}
}
