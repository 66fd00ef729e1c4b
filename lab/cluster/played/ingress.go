// Package played stands in for the parts of a cluster that the lab does not run, each in a few lines: the ingress
// controller's copying of its Service's address into its Ingresses' status, and the token controller's filling of
// Secrets.
package played

import (
	"context"
	"reflect"
	"sync"

	"github.com/sniroute/sniroute/lab/cluster/api"
)

// writers is how many statuses a Controller writes at a time.
const writers = 8

// A Controller plays an ingress controller, as far as others can see: the load-balancer status of every Ingress of its
// class becomes that of its own Service.
type Controller struct {
	Client    *api.Client
	Class     string // IngressClass
	Namespace string // of its Service
	Service   string
}

// Run keeps the statuses equal until ctx ends. It leaves them as they are then, as a controller does that was killed;
// see Empty for one that stops in an orderly way.
func (c *Controller) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	events := make(chan api.Event)
	tell := func(e api.Event) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	running.Go(func() { c.Client.Follow(ctx, api.Path("ingresses"), tell) })
	running.Go(func() { c.Client.Follow(ctx, api.Path("services", c.Namespace), tell) })
	work := make(chan api.Object)
	for range writers {
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case patch := <-work:
					// It may be gone or changed by now: then another event comes.
					_ = c.Client.Merge(ctx, patch.Annotation("path"), api.Object{"status": patch["status"]})
				}
			}
		})
	}

	ours := map[string]api.Object{}
	var addresses []any
	var pending []api.Object
	for {
		var next api.Object
		var out chan api.Object
		if len(pending) > 0 {
			next, out = pending[0], work
		}
		select {
		case <-ctx.Done():
			return
		case out <- next:
			pending = pending[1:]
		case e := <-events:
			key := e.Object.Namespace() + "/" + e.Object.Name()
			switch {
			case text(e.Object["kind"]) == "Service":
				if e.Object.Name() != c.Service {
					continue
				}
				addresses = loadBalancer(e.Object)
				for _, ingress := range ours {
					pending = c.compare(pending, ingress, addresses)
				}
			case e.Type == "DELETED" || classOf(e.Object) != c.Class:
				delete(ours, key)
			default:
				ours[key] = e.Object
				pending = c.compare(pending, e.Object, addresses)
			}
		}
	}
}

// Empty takes the addresses out of every Ingress of the class, as ingress-nginx does when it stops.
func (c *Controller) Empty(ctx context.Context) error {
	ingresses, _, err := c.Client.List(ctx, api.Path("ingresses"))
	if err != nil {
		return err
	}
	for _, ingress := range ingresses {
		if classOf(ingress) == c.Class {
			if err := SetStatus(ctx, c.Client, ingress); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare appends the change that the Ingress needs to have the addresses in its status.
func (c *Controller) compare(pending []api.Object, ingress api.Object, addresses []any) []api.Object {
	if now := loadBalancer(ingress); len(now) == len(addresses) && (len(now) == 0 || reflect.DeepEqual(now, addresses)) {
		return pending
	}
	path := api.Path("ingresses", ingress.Namespace(), ingress.Name(), "status")
	return append(pending, api.Object{
		"metadata": map[string]any{"annotations": map[string]any{"path": path}},
		"status":   status(addresses),
	})
}

// SetStatus writes addresses (IP addresses, or host names with a letter that is no hexadecimal digit) into the
// load-balancer status of an Ingress or a Service, as a controller that may do so.
func SetStatus(ctx context.Context, client *api.Client, object api.Object, addresses ...string) error {
	return client.Merge(ctx, api.PathOf(object)+"/status", api.Object{"status": Status(addresses...)})
}

// Status returns a status that holds the addresses, as SetStatus writes it.
func Status(addresses ...string) map[string]any {
	entries := []any{}
	for _, address := range addresses {
		if isName(address) {
			entries = append(entries, map[string]any{"hostname": address})
		} else {
			entries = append(entries, map[string]any{"ip": address})
		}
	}
	return status(entries)
}

// status is an object's status that holds the addresses, without the fields that MetalLB adds for a Service alone.
func status(addresses []any) map[string]any {
	entries := []any{}
	for _, address := range addresses {
		entry := map[string]any{}
		for _, field := range []string{"ip", "hostname"} {
			if from, ok := address.(map[string]any); ok && from[field] != nil {
				entry[field] = from[field]
			}
		}
		entries = append(entries, entry)
	}
	return map[string]any{"loadBalancer": map[string]any{"ingress": entries}}
}

// loadBalancer returns the addresses in an object's load-balancer status, without what only a Service's has.
func loadBalancer(object api.Object) []any {
	entries, _ := object.Map("status", "loadBalancer")["ingress"].([]any)
	ingress, _ := status(entries)["loadBalancer"].(map[string]any)["ingress"].([]any)
	return ingress
}

// classOf returns the class that an Ingress names, in the field or, as before Kubernetes 1.18, in the annotation.
func classOf(ingress api.Object) string {
	if class := text(ingress.Map("spec")["ingressClassName"]); class != "" {
		return class
	}
	return ingress.Annotation("kubernetes.io/ingress.class")
}

// isName reports whether a status entry is a host name rather than an address.
func isName(entry string) bool {
	for _, r := range entry {
		if r > 'f' && r <= 'z' {
			return true
		}
	}
	return false
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
