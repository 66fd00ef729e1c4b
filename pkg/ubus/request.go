package ubus

import (
	"context"
	"fmt"
)

// An ObjectInfo is what the bus says of an object. Methods that the caller may not call are left out.
type ObjectInfo struct {
	Path    string
	ID      uint32
	Methods []MethodInfo
}

// A MethodInfo is the signature of a method.
type MethodInfo struct {
	Name string
	Args []Arg
}

// Lookup returns the objects at path, which may end in "*"; all objects if it is empty. Where there is none it returns
// StatusNotFound (an empty bus has none and is no error).
func (c *Conn) Lookup(ctx context.Context, path string) ([]ObjectInfo, error) {
	var body []byte
	if path != "" {
		body = appendString(nil, attrObjPath, path)
	}
	data, err := c.request(ctx, messageLookup, 0, body)
	if err != nil {
		return nil, fmt.Errorf("looking up %q: %w", path, err)
	}
	var objects []ObjectInfo
	for _, a := range data {
		if !a.with(attrObjPath, attrObjID) {
			continue
		}
		methods, err := parseSignature(a.signature)
		if err != nil {
			return nil, fmt.Errorf("looking up %q: signature of %s: %w", path, a.path, err)
		}
		objects = append(objects, ObjectInfo{Path: a.path, ID: a.object, Methods: methods})
	}
	return objects, nil
}

// parseSignature reads a table of methods, each a table of arguments and their types.
func parseSignature(b []byte) ([]MethodInfo, error) {
	t, err := parseTable(b)
	if err != nil {
		return nil, err
	}
	methods := make([]MethodInfo, 0, len(t))
	for _, f := range t {
		m := MethodInfo{Name: f.Name}
		args, _ := f.Value.(Table)
		for _, a := range args {
			kind, _ := a.Value.(int32)
			m.Args = append(m.Args, Arg{Name: a.Name, Type: Type(kind)})
		}
		methods = append(methods, m)
	}
	return methods, nil
}

// Invoke calls a method of the object with that id and returns its answer, empty where it gives none.
func (c *Conn) Invoke(ctx context.Context, id uint32, method string, args Table) (Table, error) {
	body := appendUint32(nil, attrObjID, id)
	body = appendString(body, attrMethod, method)
	body, err := appendData(body, args)
	if err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", method, err)
	}
	data, err := c.request(ctx, messageInvoke, id, body)
	if err != nil {
		return nil, err
	}
	for _, a := range data {
		if a.with(attrData) {
			return parseTable(a.data)
		}
	}
	return Table{}, nil
}

// Call looks the object at path up and calls one of its methods.
func (c *Conn) Call(ctx context.Context, path, method string, args Table) (Table, error) {
	objects, err := c.Lookup(ctx, path)
	if err == nil && len(objects) == 0 {
		err = StatusPermissionDenied // ubusd leaves out objects of which no method may be called
	}
	if err != nil {
		return nil, fmt.Errorf("calling %s %s: %w", path, method, err)
	}
	answer, err := c.Invoke(ctx, objects[0].ID, method, args)
	if err != nil {
		return nil, fmt.Errorf("calling %s %s: %w", path, method, err)
	}
	return answer, nil
}

// Send sends an event to all that listen for it. A process that is not root needs an entry under "send" in
// /usr/share/acl.d. Names that begin with "ubus." are the bus's own.
func (c *Conn) Send(ctx context.Context, event string, data Table) error {
	if data == nil {
		data = Table{}
	}
	_, err := c.Invoke(ctx, eventObject, "send", Table{{"id", event}, {"data", data}})
	if err != nil {
		return fmt.Errorf("sending event %s: %w", event, err)
	}
	return nil
}

// Listen has handle called for every event that matches the pattern: a name, or the start of one and "*". A process
// that is not root needs an entry under "listen" in /usr/share/acl.d. Events of this connection itself are not heard.
func (c *Conn) Listen(ctx context.Context, pattern string,
	handle func(ctx context.Context, event string, data Table)) error {

	id, err := c.addObject(ctx, nil, &handlers{invoke: toHandler(handle)})
	if err == nil {
		_, err = c.Invoke(ctx, eventObject, "register", Table{{"object", int32(id)}, {"pattern", pattern}})
	}
	if err != nil {
		return fmt.Errorf("listening for %s: %w", pattern, err)
	}
	return nil
}

// Subscribe has handle called for every notification of the object at path, and gone (which may be nil) once when that
// object disappears. A process that is not root needs an entry under "subscribe" in /usr/share/acl.d; without, the
// object is not found.
func (c *Conn) Subscribe(ctx context.Context, path string,
	handle func(ctx context.Context, notification string, data Table), gone func(ctx context.Context)) error {

	id, err := c.addObject(ctx, nil, &handlers{invoke: toHandler(handle), gone: gone})
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", path, err)
	}
	objects, err := c.Lookup(ctx, path)
	if err == nil && len(objects) == 0 {
		err = StatusPermissionDenied
	}
	if err == nil {
		body := appendUint32(appendUint32(nil, attrObjID, id), attrTarget, objects[0].ID)
		_, err = c.request(ctx, messageSubscribe, 0, body)
	}
	if err != nil {
		c.removeObject(ctx, id)
		return fmt.Errorf("subscribing to %s: %w", path, err)
	}
	return nil
}

// toHandler makes a function that takes an event or a notification one that takes a call.
func toHandler(handle func(ctx context.Context, name string, data Table)) invokeFunc {
	return func(ctx context.Context, a attributes) (Table, error) {
		data, err := parseTable(a.data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", StatusInvalidArgument, err)
		}
		handle(ctx, a.method, data)
		return nil, nil
	}
}
