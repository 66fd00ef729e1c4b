package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Compact makes the store forget all history, so that a watch from before answers 410 Gone (once the API server, which
// remembers some events itself, has been started anew).
func (p *Plane) Compact(ctx context.Context) error {
	// Every answer of etcd's JSON gateway names the current revision.
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := p.store(ctx, "/v3/kv/range", map[string]any{"key": []byte("none")}, &now); err != nil {
		return err
	}
	revision, err := strconv.ParseInt(now.Header.Revision, 10, 64)
	if err != nil {
		return fmt.Errorf("compacting etcd: revision %q: %w", now.Header.Revision, err)
	}
	return p.store(ctx, "/v3/kv/compaction", map[string]any{"revision": revision, "physical": true}, nil)
}

// Plant writes an object past the API server and its validation, as a broken or conquered cluster would serve it. It
// must hold apiVersion and kind. key is that of the store, for example "ingress/NAMESPACE/NAME" or
// "services/specs/NAMESPACE/NAME".
func (p *Plane) Plant(ctx context.Context, key string, object any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return p.store(ctx, "/v3/kv/put", map[string]any{"key": []byte("/registry/" + key), "value": text}, nil)
}

// Uproot removes what Plant wrote.
func (p *Plane) Uproot(ctx context.Context, key string) error {
	return p.store(ctx, "/v3/kv/deleterange", map[string]any{"key": []byte("/registry/" + key)}, nil)
}

// store asks etcd's JSON gateway.
func (p *Plane) store(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:2379"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: p.options.Host.Dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking etcd %s: %s: %.500s (%v)", path, response.Status, text, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
