package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/sniroute/sniroute/pkg/ubus"
)

// maxPost is what uhttpd's ubus plugin takes (UH_UBUS_MAX_POST_SIZE).
const maxPost = 64 << 10

// An rpcd answers the JSON-RPC of uhttpd's ubus plugin.
type rpcd struct {
	sessions map[string]*session
	bus      func() (*ubus.Conn, error) // of the daemon
	services func() any                 // what procd would list
}

// A session is somebody who is logged in.
type session struct {
	rights rights
	stage  stage
}

type request struct {
	ID     any               `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type answer struct {
	Version string  `json:"jsonrpc"`
	ID      any     `json:"id"`
	Result  any     `json:"result,omitempty"`
	Error   *failed `json:"error,omitempty"`
}

type failed struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// What uhttpd says (ubus.c).
var (
	notParsed    = failed{-32700, "Parse error"}
	notFound     = failed{-32000, "Object not found"}
	accessDenied = failed{-32002, "Access denied"}
)

func (r *rpcd) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxPost)).Decode(&raw); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		write(w, answer{Version: "2.0", Error: &notParsed})
		return
	}
	var batch []request
	if json.Unmarshal(raw, &batch) == nil {
		answers := make([]answer, len(batch))
		for i, one := range batch {
			answers[i] = r.answer(req.Context(), one)
		}
		write(w, answers)
		return
	}
	var one request
	if err := json.Unmarshal(raw, &one); err != nil {
		write(w, answer{Version: "2.0", Error: &notParsed})
		return
	}
	write(w, r.answer(req.Context(), one))
}

func write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print("answering: ", err)
	}
}

func (r *rpcd) answer(ctx context.Context, q request) answer {
	a := answer{Version: "2.0", ID: q.ID}
	if q.Method == "list" {
		a.Result = map[string]any{}
		return a
	}
	var sid, object, method string
	args := options{}
	for i, to := range []any{&sid, &object, &method, &args} {
		if i >= len(q.Params) || json.Unmarshal(q.Params[i], to) != nil {
			a.Error = &notParsed
			return a
		}
	}
	s := r.sessions[sid]
	if s == nil || !s.rights.call(object, method) {
		a.Error = &accessDenied
		return a
	}
	result, err := r.call(ctx, s, object, method, args)
	var status ubus.Status
	switch {
	case err == nil:
		a.Result = []any{0, result}
	case errors.Is(err, errNoObject):
		a.Error = &notFound
	case errors.As(err, &status):
		a.Result = []any{uint32(status)}
	default:
		log.Printf("%s.%s: %v", object, method, err)
		a.Result = []any{9}
	}
	return a
}

var errNoObject = errors.New("no such object")

func (r *rpcd) call(ctx context.Context, s *session, object, method string, args options) (any, error) {
	switch object {
	case "session":
		return map[string]any{"access": s.rights.access(args.text("object"), args.text("function"))}, nil
	case "luci":
		return map[string]any{}, nil
	case "file":
		return map[string]any{"entries": []any{}}, nil
	case "service":
		return r.services(), nil
	case "uci":
		s.stage.Lock()
		defer s.stage.Unlock()
		return s.uci(method, args)
	}
	return r.daemon(ctx, object, method, args)
}

// daemon hands the call to the bus.
func (r *rpcd) daemon(ctx context.Context, object, method string, args options) (any, error) {
	text, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	table, err := ubus.ParseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ubus.StatusInvalidArgument, err)
	}
	conn, err := r.bus()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	objects, err := conn.Lookup(ctx, object)
	if err != nil || len(objects) == 0 {
		return nil, errNoObject
	}
	return conn.Invoke(ctx, objects[0].ID, method, table)
}

// uci answers for the one configuration that there is, and for LuCI's own, which is empty.
func (s *session) uci(method string, args options) (any, error) {
	config := args.text("config")
	switch method {
	case "get":
		if !s.rights.access(config, "read") {
			return nil, ubus.StatusPermissionDenied
		}
		if config != configName {
			return map[string]any{"values": map[string]any{}}, nil
		}
		values, err := s.stage.values()
		return map[string]any{"values": values}, err
	case "changes":
		changes := map[string]any{}
		if len(s.stage.changes) > 0 {
			changes[configName] = s.stage.changes
		}
		return map[string]any{"changes": changes}, nil
	}
	if config != configName || !s.rights.access(config, "write") {
		return nil, ubus.StatusPermissionDenied
	}
	values := options{}
	args.decode("values", &values)
	switch method {
	case "add":
		name, err := s.stage.add(args.text("type"), args.text("name"), values)
		return map[string]any{"section": name}, err
	case "set":
		return nil, s.stage.set(args.text("section"), values)
	case "delete":
		var names []string
		args.decode("options", &names)
		return nil, s.stage.delete(args.text("section"), names)
	case "order":
		var names []string
		args.decode("sections", &names)
		return nil, s.stage.order(names)
	}
	return nil, ubus.StatusMethodNotFound
}

// text returns a string; "" if there is none.
func (o options) text(name string) (text string) {
	o.decode(name, &text)
	return text
}

// decode leaves to as it is where the option is missing or something else.
func (o options) decode(name string, to any) {
	if raw, ok := o[name]; ok {
		_ = json.Unmarshal(raw, to)
	}
}
