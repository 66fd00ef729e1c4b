package openwrt

import (
	"fmt"
	"strings"
)

// A Service is what procd is told of one: the message of `ubus call service set`, as procd.sh makes it.
type Service struct {
	Name      string              `json:"name"`
	Script    string              `json:"script"`
	Instances map[string]Instance `json:"instances"`
	Triggers  []any               `json:"triggers"`
}

// An Instance is one process of a Service, by the names of its parameters.
type Instance map[string]any

// A scribe makes a Service of the calls that an init script makes. procd.sh does it with jshn: nested containers, one
// of which is open at a time.
type scribe struct {
	service  *Service
	instance Instance
	open     []*container // objects and arrays of the open data
}

// A container is an open JSON object or array.
type container struct {
	name   string // in the one around it
	object map[string]any
	array  []any
}

// take takes one call of procd.sh or jshn, and returns false for a call that it does not know.
func (s *scribe) take(call string, args []string) bool {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch call {
	case "procd_open_service":
		*s = scribe{service: &Service{Name: arg(0), Script: arg(1), Instances: map[string]Instance{}, Triggers: []any{}}}
	case "procd_open_instance":
		s.instance = Instance{}
		name := arg(0)
		if name == "" {
			name = fmt.Sprint("instance", len(s.service.Instances)+1)
		}
		s.service.Instances[name] = s.instance
	case "procd_close_instance":
		s.instance = nil
	case "procd_set_param":
		s.instance[arg(0)] = parameter(arg(0), args[1:])
	case "procd_append_param":
		s.instance[arg(0)] = appended(s.instance[arg(0)], parameter(arg(0), args[1:]))
	case "procd_add_jail":
		jail := map[string]any{"name": arg(0), "mount": map[string]any{}}
		for _, flag := range args[1:] {
			jail[flag] = true
		}
		s.instance["jail"] = jail
	case "procd_add_jail_mount":
		s.mount(args, "0")
	case "procd_add_jail_mount_rw":
		s.mount(args, "1")
	case "procd_add_reload_trigger":
		for _, config := range args {
			s.trigger("config.change", condition("package", config, "/etc/init.d/"+s.service.Name, "reload"), 1000)
		}
	case "procd_add_interface_trigger":
		s.trigger(arg(0), condition("interface", arg(1), args[2:]...), 1000)
	case "procd_add_raw_trigger":
		timeout := 0
		if _, err := fmt.Sscan(arg(1), &timeout); err != nil {
			return false
		}
		s.trigger(arg(0), []any{script(args[2:])}, timeout)
	case "procd_open_trigger", "procd_close_trigger":
	default:
		return s.takeJSON(call, args)
	}
	return true
}

// takeJSON takes the calls that make data of a service.
func (s *scribe) takeJSON(call string, args []string) bool {
	name, value := "", ""
	if len(args) > 0 {
		name = args[0]
	}
	if len(args) > 1 {
		value = args[1]
	}
	switch call {
	case "procd_open_data":
		s.open = []*container{{name: "data", object: map[string]any{}}}
	case "json_add_object":
		s.open = append(s.open, &container{name: name, object: map[string]any{}})
	case "json_add_array":
		s.open = append(s.open, &container{name: name, array: []any{}})
	case "json_add_string":
		s.open[len(s.open)-1].add(name, value)
	case "json_add_boolean":
		s.open[len(s.open)-1].add(name, value == "1")
	case "json_close_object", "json_close_array", "procd_close_data":
		closed := s.open[len(s.open)-1]
		s.open = s.open[:len(s.open)-1]
		var v any = closed.array
		if closed.object != nil {
			v = closed.object
		}
		if len(s.open) == 0 {
			s.instance[closed.name] = v
		} else {
			s.open[len(s.open)-1].add(closed.name, v)
		}
	default:
		return false
	}
	return true
}

func (c *container) add(name string, v any) {
	if c.object != nil {
		c.object[name] = v
	} else {
		c.array = append(c.array, v)
	}
}

func (s *scribe) mount(paths []string, mode string) {
	mounts := s.instance["jail"].(map[string]any)["mount"].(map[string]any)
	for _, path := range paths {
		for word := range strings.FieldsSeq(path) { // the shell splits them
			mounts[word] = mode
		}
	}
}

func (s *scribe) trigger(event string, rules []any, timeout int) {
	trigger := []any{event, rules}
	trigger = append(trigger, timeout)
	s.service.Triggers = append(s.service.Triggers, trigger)
}

// condition is a rule that runs a command where a value of the event is the one.
func condition(key, value string, command ...string) []any {
	return []any{"if", []any{"eq", key, value}, script(command)}
}

func script(command []string) []any {
	run := []any{"run_script"}
	for _, word := range command {
		run = append(run, word)
	}
	return run
}

// parameter makes what procd_set_param makes of its arguments.
func parameter(name string, args []string) any {
	switch name {
	case "env", "data", "limits":
		table := map[string]any{}
		for _, a := range args {
			key, value, _ := strings.Cut(a, "=")
			table[key] = value
		}
		return table
	case "command", "netdev", "file", "respawn", "watch", "watchdog":
		list := []any{}
		for _, a := range args {
			list = append(list, a)
		}
		return list
	case "stdout", "stderr", "no_new_privs":
		return args[0] == "1"
	case "nice", "term_timeout":
		n := 0
		fmt.Sscan(args[0], &n)
		return n
	}
	return args[0]
}

// appended joins two values of one parameter.
func appended(to, v any) any {
	switch old := to.(type) {
	case map[string]any:
		for key, value := range v.(map[string]any) {
			old[key] = value
		}
		return old
	case []any:
		return append(old, v.([]any)...)
	}
	return v
}
