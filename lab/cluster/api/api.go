// Package api is a small client of the Kubernetes API: enough for the lab to write objects as a person or a controller
// would, and to follow them. It is separate from the code under test on purpose: what the lab knows of a cluster, it
// did not learn through sniroute.
//
// Objects are maps, as JSON has them. A path is what follows the server's address, for example Path("ingresses",
// "blog", "app1"), which knows the few kinds that the lab uses.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Object is one object of the cluster, as JSON has it.
type Object map[string]any

// A Client speaks to one API server. It may be used by any number of goroutines.
type Client struct {
	server string
	token  string
	http   *http.Client
}

// Options say which API server a Client speaks to, and as whom.
type Options struct {
	Server      string // https://ADDR:PORT
	CA          *x509.CertPool
	Token       string            // of the user; empty: none
	Certificate []tls.Certificate // of the user; nil: none
	Dial        func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns a Client. It does not connect yet.
func New(o Options) *Client {
	return &Client{server: o.Server, token: o.Token, http: &http.Client{Transport: &http.Transport{
		DialContext:         o.Dial,
		TLSClientConfig:     &tls.Config{RootCAs: o.CA, Certificates: o.Certificate},
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 64,
	}}}
}

// Close closes connections that wait for a next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A StatusError is what the API server answers to what it will not do.
type StatusError struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s: %s", e.Code, e.Reason, e.Message) }

// IsCode reports whether err is the API server's answer with that HTTP status.
func IsCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// Do sends one request and decodes the answer into out, unless that is nil. in may be nil; it is sent as JSON.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	return c.do(ctx, method, path, "application/json", in, out)
}

func (c *Client) do(ctx context.Context, method, path, kind string, in, out any) error {
	response, err := c.send(ctx, method, path, kind, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	if text, ok := out.(*string); ok {
		all, err := io.ReadAll(response.Body)
		*text = string(all)
		return err
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// send returns the response to a request that succeeded; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path, kind string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if in != nil {
		request.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	status := &StatusError{}
	if json.Unmarshal(text, status) != nil || status.Code == 0 {
		status = &StatusError{Code: response.StatusCode, Message: string(text)}
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, status)
}

// Get reads one object.
func (c *Client) Get(ctx context.Context, path string) (Object, error) {
	var object Object
	err := c.Do(ctx, http.MethodGet, path, nil, &object)
	return object, err
}

// Create makes an object below the path of its kind, as Path(kind, namespace) gives it, and returns what was stored.
func (c *Client) Create(ctx context.Context, path string, object Object) (Object, error) {
	var stored Object
	err := c.Do(ctx, http.MethodPost, path, object, &stored)
	return stored, err
}

// Apply makes each object be as it is written, like `kubectl apply --server-side`.
func (c *Client) Apply(ctx context.Context, objects ...Object) error {
	for _, object := range objects {
		path := PathOf(object) + "?force=true&fieldManager=lab"
		if err := c.do(ctx, http.MethodPatch, path, "application/apply-patch+yaml", object, nil); err != nil {
			return err
		}
	}
	return nil
}

// Merge changes an object by a JSON merge patch (RFC 7386).
func (c *Client) Merge(ctx context.Context, path string, patch Object) error {
	return c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

// Delete removes an object, or all below the path of a kind. That it is not there is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	err := c.Do(ctx, http.MethodDelete, path, nil, nil)
	if IsCode(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// List reads all objects below a path, and the resource version that a Watch goes on from.
func (c *Client) List(ctx context.Context, path string) (objects []Object, version string, err error) {
	var list struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []Object `json:"items"`
	}
	err = c.Do(ctx, http.MethodGet, path, nil, &list)
	for _, object := range list.Items { // the items of a list leave these out
		object["apiVersion"], object["kind"] = list.APIVersion, strings.TrimSuffix(list.Kind, "List")
	}
	return list.Items, list.Metadata.ResourceVersion, err
}

// An Event is one change that a Watch saw.
type Event struct {
	Type   string `json:"type"` // ADDED, MODIFIED, DELETED, ERROR
	Object Object `json:"object"`
}

// Watch calls each for every change below the path since the resource version, until the server or ctx ends it. An
// ERROR event ends it with a StatusError.
func (c *Client) Watch(ctx context.Context, path, version string, each func(Event)) error {
	response, err := c.send(ctx, http.MethodGet, path+"?watch=1&resourceVersion="+url.QueryEscape(version), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var event Event
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("watching %s: %w", path, err)
		}
		if event.Type == "ERROR" {
			status := &StatusError{Code: http.StatusInternalServerError}
			status.Reason, _ = event.Object["reason"].(string)
			status.Message, _ = event.Object["message"].(string)
			if code, ok := event.Object["code"].(float64); ok {
				status.Code = int(code)
			}
			return fmt.Errorf("watching %s: %w", path, status)
		}
		each(event)
	}
}

// Follow calls each for every object below the path, and again for every change, until ctx ends. After a failure it
// lists anew; each must not mind what it has seen before. A deletion while it could not watch is not told.
func (c *Client) Follow(ctx context.Context, path string, each func(Event)) {
	for ctx.Err() == nil {
		objects, version, err := c.List(ctx, path)
		if err == nil {
			for _, object := range objects {
				each(Event{Type: "ADDED", Object: object})
			}
			err = c.Watch(ctx, path, version, each)
		}
		if err != nil {
			select { // the server is away, as happens in a lab that kills it
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}
