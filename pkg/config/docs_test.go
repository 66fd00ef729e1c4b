package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const docsHead = `<!-- Made of pkg/config/schema.go by: go test ./pkg/config -update -->

# Configuration

sniroute reads ` + "`/etc/config/sniroute`" + `, a file in OpenWrt's UCI format. ` + "`sniroute check`" + ` says what is wrong with it, and
` + "`sniroute run -c DIR`" + ` reads another folder's. A change is taken over half a second after the file was written, and at
once on SIGHUP, which ` + "`service sniroute reload`" + ` sends. A bad file is refused as a whole, and what ran before goes on.

    config SECTION 'name'
        option OPTION 'value'       # one value
        list   OPTION 'value'       # a line for each value, where the table says list

Names of sections are letters, digits and underscores, and are used once, whatever the type. Sections and options that are
unknown are warned about and ignored.

- **duration**: seconds, or a number with ms, s, m, h or d: ` + "`30`, `90s`, `1h30m`, `7d`" + `.
- **size**: bytes, or a number with K, M or G for the powers of 1024: ` + "`4M`" + `.
- **network**: ` + "`192.168.0.0/24`, `fd00::/8`" + `, or an address alone.
- **listen address**: ` + "`ADDRESS:PORT`, or `:PORT`" + ` for every address of both families.
- **server**: ` + "`ADDRESS:PORT`, behind it `weight=N`" + ` (1 to 256) and ` + "`backup`" + ` if need be. Host names are not resolved.
- **host**: a host name, or ` + "`*.NAME`" + ` for one or more labels before NAME.
- **domain**: a name that stands for itself and all below it, ` + "`*`" + ` for every name; ` + "`NAME ns=NAMESPACE`" + ` lets that namespace
  alone claim it.
`

// TestDocumentation holds docs/configuration.md against the table.
func TestDocumentation(t *testing.T) {
	const file = "../../docs/configuration.md"
	want := documentation()
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
		t.Error("docs/configuration.md is not what pkg/config/schema.go says: run go test ./pkg/config -update")
	}
}

func documentation() string {
	var b strings.Builder
	b.WriteString(docsHead)
	for _, s := range Schema() {
		name := s.Only
		if name == "" {
			name = "NAME"
		}
		fmt.Fprintf(&b, "\n## config %s '%s'\n\n%s.", s.Type, name, s.Help)
		if s.Only == "" && !s.Named {
			b.WriteString(" It needs no name.")
		}
		if s.Pending {
			b.WriteString(" **Has no effect yet.**")
		}
		b.WriteString("\n\n| Option | Value | Default | |\n|---|---|---|---|\n")
		for _, o := range s.Options {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, valueText(o), defaultText(o), helpText(o))
		}
	}
	return b.String()
}

func valueText(o Option) string {
	text := o.Type.Name
	switch {
	case o.Type.Name == "word" || o.Type.Name == "boolean" || len(o.Type.refers) > 0:
		text = o.Type.Bounds
	case strings.HasPrefix(o.Type.Bounds, "auto, or "):
		text = strings.Replace(o.Type.Bounds, "or ", "or a "+text+", ", 1)
	case o.Type.Bounds != "":
		text += ", " + o.Type.Bounds
	}
	if o.List {
		text = "list: " + text
	}
	return text
}

func defaultText(o Option) string {
	switch {
	case o.Required:
		return "needed"
	case o.Default == "":
		return ""
	}
	return "`" + o.Default + "`"
}

func helpText(o Option) string {
	text := strings.ReplaceAll(o.Help, "|", `\|`)
	switch {
	case o.Pending:
		text += ". **Has no effect yet**"
	case len(o.PendingValues) > 0:
		text += fmt.Sprintf(". **%s: no effect yet**", strings.Join(o.PendingValues, ", "))
	}
	return text
}
