package config

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const luciHead = `// Made of pkg/config/schema.go by: go test ./pkg/config -update
'use strict';
'require baseclass';

// Every section and option of /etc/config/sniroute, in the order in which a file is best written.
//
// An option's kind is boolean, choice (of values), number (from min to max), size (of min to max bytes), duration (of
// min to max milliseconds), reference (the name of a section of one of types, or one of values), address, network,
// listen, server, url, host, domain, gateway, protocol, file or word. With auto, the word auto is a value too. bounds is
// min to max as a person writes them. The default of a list is a list. secret: the value may be or hold a credential.
// pending: it has no effect yet; pending_values: these have none.
`

// TestLuCI holds the table that LuCI's views are made of against this one.
func TestLuCI(t *testing.T) {
	const file = "../../openwrt/package/luci-app-sniroute/htdocs/luci-static/resources/sniroute/schema.js"
	want := luciSchema(t)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what pkg/config/schema.go says: run go test ./pkg/config -update", file)
	}
}

func luciSchema(t *testing.T) string {
	var b strings.Builder
	b.WriteString(luciHead + "return baseclass.extend({\n\tsections: [\n")
	for _, s := range Schema() {
		fmt.Fprintf(&b, "\t\t{\n\t\t\ttype: %s, only: %s, named: %t, pending: %t,\n\t\t\thelp: _(%s),\n\t\t\toptions: [\n",
			script(s.Type), script(s.Only), s.Named, s.Pending, script(s.Help))
		for _, o := range s.Options {
			b.WriteString(luciOption(t, o))
		}
		b.WriteString("\t\t\t]\n\t\t},\n")
	}
	b.WriteString("\t]\n});\n")
	return b.String()
}

// luciOption is an option as one object.
func luciOption(t *testing.T, o Option) string {
	kind, ok := map[string]string{
		"boolean": "boolean", "word": "choice", "number": "number", "size": "size", "duration": "duration", "name": "word",
		"address": "address", "network": "network", "listen address": "listen", "server": "server", "URL": "url",
		"host": "host", "domain": "domain", "Gateway": "gateway", "protocol": "protocol", "path": "file",
	}[o.Type.Name]
	if !ok {
		t.Errorf("option %s: there is no kind for a %s", o.Name, o.Type.Name)
	}
	bounds, auto := strings.CutPrefix(o.Type.Bounds, "auto, or ")
	extra := ""
	switch {
	case len(o.Type.refers) > 0:
		kind = "reference"
		extra = fmt.Sprintf(", types: %s, values: %s", script(o.Type.refers), script(slices.Concat([]string{}, o.Type.words)))
	case kind == "choice":
		extra = ", values: " + script(strings.Split(bounds, ", "))
	case kind == "number" || kind == "size" || kind == "duration":
		least, most, _ := strings.Cut(bounds, " to ")
		extra = fmt.Sprintf(", min: %d, max: %d, bounds: %s", luciNumber(t, kind, least), luciNumber(t, kind, most), script(bounds))
	}
	if auto {
		extra += ", auto: true"
	}
	if o.Pending {
		extra += ", pending: true"
	}
	if len(o.PendingValues) > 0 {
		extra += ", pending_values: " + script(o.PendingValues)
	}
	var byDefault any = o.Default
	if o.List {
		byDefault = slices.Concat([]string{}, strings.Fields(o.Default))
	}
	return fmt.Sprintf("\t\t\t\t{\n\t\t\t\t\tname: %s, kind: %s%s,\n\t\t\t\t\tlist: %t, required: %t, default: %s, secret: %t,\n"+
		"\t\t\t\t\thelp: _(%s)\n\t\t\t\t},\n",
		script(o.Name), script(kind), extra, o.List, o.Required, script(byDefault), o.Secret, script(o.Help))
}

// luciNumber is a bound as a number, bytes or milliseconds.
func luciNumber(t *testing.T, kind, text string) int64 {
	switch kind {
	case "duration":
		d, err := parseDuration(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		return d.Milliseconds()
	default:
		n, err := size(0, 1<<30).parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return 0
		}
		return int64(n.(int))
	}
}

// script is a string or a list of them as JavaScript has it.
func script(v any) string {
	switch v := v.(type) {
	case []string:
		var list []string
		for _, s := range v {
			list = append(list, script(s))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case string:
		text, _ := json.Marshal(v) // of a string it never fails
		inside := strings.ReplaceAll(string(text[1:len(text)-1]), `\"`, `"`)
		return "'" + strings.ReplaceAll(inside, "'", `\'`) + "'"
	}
	panic(fmt.Sprintf("a %T", v))
}
