package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sniroute/sniroute/lab/cluster/api"
)

// Ensure creates those objects of a manifest (YAML documents) that do not exist. Those that do are left as they are.
func (p *Plane) Ensure(ctx context.Context, manifest string) error {
	objects, err := Objects(manifest)
	if err != nil {
		return err
	}
	for _, object := range objects {
		path := api.PathOf(object)
		if _, err := p.Admin.Get(ctx, path); err == nil {
			continue
		} else if !api.IsCode(err, http.StatusNotFound) {
			return err
		}
		if _, err := p.Admin.Create(ctx, path[:strings.LastIndex(path, "/")], object); err != nil {
			return err
		}
	}
	return nil
}

// Objects returns the objects of a manifest.
func Objects(manifest string) ([]api.Object, error) {
	var objects []api.Object
	decoder := yaml.NewDecoder(strings.NewReader(manifest))
	for {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if object != nil {
			objects = append(objects, object)
		}
	}
}
