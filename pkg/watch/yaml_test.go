package watch

import (
	"fmt"
	"strings"
	"testing"
)

func TestDecodeYAMLErrors(t *testing.T) {
	const head = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n" // four lines
	tests := []struct {
		name string
		yaml string
		line int
		want string
	}{
		{"unclosed sequence", head + "spec:\n  rules:\n  - host: [a\n", 7, "did not find expected"},
		{"unclosed string", head + "spec:\n  rules:\n  - host: \"a\n", 7, "unexpected end of stream"},
		{"cut in a key", head + "spec:\n  rules:\n  - ho\n    host: a\n", 8, "mapping values are not allowed"},
		{"bad indentation", head + "spec:\n  rules:\n   - host: a\n  - host: b\n", 6, "did not find expected key"},
		{"syntax on the first line", "a: [}\n", 1, "did not find expected"},
		{"tab", head + "spec:\n\trules: []\n", 6, "cannot start any token"},
		{"in the second document", head + "---\n" + head + "spec: {rules: {host: a}}\n", 10, "cannot unmarshal"},
		{"rules are no list", head + "spec:\n  rules: 5\n", 6, "cannot unmarshal"},
		{"host is a mapping", head + "spec:\n  rules:\n  - host: {a: b}\n", 7, "cannot unmarshal"},
		{"address", head + "status:\n  loadBalancer:\n    ingress:\n    - ip: 192.168.0.300\n", 8, "is not an IP address"},
		{"time", head + "  creationTimestamp: yesterday\n", 5, "is not a timestamp"},
		{"port", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: 70000\n", 6, "cannot unmarshal"},
		{"no name", "apiVersion: v1\nkind: Service\nmetadata:\n  namespace: a\n", 4, "needs a metadata.name"},
		{"bad name", "apiVersion: v1\nkind: Service\nmetadata:\n  name: ../a\n", 4, "needs a metadata.name"},
		{"bad namespace", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: A B\n", 4, "metadata.namespace"},
		{"not an object", "a\n", 1, "want an object"},
		{"no kind", "# a\napiVersion: v1\n", 2, "want an object"},
		{"list in a list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n", 4, "a List inside a List"},
		{"items are no sequence", "apiVersion: v1\nkind: List\nitems: 3\n", 3, "want a sequence"},
		{"the same key twice", head + "spec: {}\nspec: {}\n", 6, "already defined"},
		{"control characters", "a: \x01\n", 1, "control characters"},
		{"invalid UTF-8", "a: \xff\xfe\n", 1, ""},
		{"alias to nothing", head + "spec: *x\n", 5, "unknown anchor"},
		{"alias to itself", head + "spec: &x {rules: [*x]}\n", 5, "nested deeper"},
		{"too large", strings.Repeat("#", maxFileSize+1), 1, "larger than"},
		{"too many values", strings.Repeat("- 1\n", maxTokens), 1, "more than"},
		{"large mapping", "a: 1\n" + func() string {
			var b strings.Builder
			for i := range maxMapping {
				fmt.Fprintf(&b, "k%d: 1\n", i)
			}
			return b.String()
		}(), 1, "mapping with more than"},
		{"many documents", strings.Repeat("---\n", maxDocuments+2), maxDocuments + 1, "documents"},
		{"many objects", "apiVersion: v1\nkind: ServiceList\nitems:\n" +
			strings.Repeat("- {metadata: {name: a}}\n", maxObjects+1), maxObjects + 4, "objects"},
		{"deep", head + "spec: " + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + "\n", 5, "nested deeper"},
		{"bomb", `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a}
a: &a [l, l, l, l, l, l, l, l, l]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]
spec: {rules: *g}
`, 4, "aliases expanded"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects, problems := decodeYAML([]byte(test.yaml))
			if len(problems) == 0 {
				t.Fatal("accepted")
			}
			if objects != nil {
				t.Error("objects in spite of an error")
			}
			if p := problems[0]; p.Line != test.line || !strings.Contains(p.Message, test.want) {
				t.Errorf("line %d %q, want line %d and %q", p.Line, p.Message, test.line, test.want)
			}
		})
	}
}

func TestDecodeYAMLReportsSeveralErrors(t *testing.T) {
	_, problems := decodeYAML([]byte(strings.Repeat("---\nkind: x\n", 3)))
	if len(problems) != 3 || problems[0].Line != 2 || problems[2].Line != 6 {
		t.Errorf("got %v", problems)
	}
	_, problems = decodeYAML([]byte(strings.Repeat("---\nkind: x\n", 100)))
	if len(problems) != maxErrors {
		t.Errorf("got %d problems, want %d", len(problems), maxErrors)
	}
}

// FuzzDecodeYAML looks for files that crash the decoder, take it over its bounds or make claims that no bound covers.
func FuzzDecodeYAML(f *testing.F) {
	f.Add([]byte("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {kubernetes.io/ingress.class: x}}\n" +
		"spec: {rules: [{host: a.example.com}, &h {host: '*.b'}, *h]}\nstatus: {loadBalancer: {ingress: [{ip: '::1'}]}}\n"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n" +
		"  spec: {type: LoadBalancer, ports: [{port: 443}]}\n---\n{\"apiVersion\":\t\"networking.k8s.io/v1\", \"kind\": \"IngressClass\"}"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("%YAML 1.1\n--- !!binary |\n  aGk=\n...\n"))
	f.Add([]byte("<<: {apiVersion: v1}\nkind: Service\nmetadata:\n  creationTimestamp: null\n  labels: {1: 2, acme.cert-manager.io/http01-solver: true}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		located, problems := decodeYAML(data)
		if len(problems) > 0 {
			if located != nil || len(problems) > maxErrors {
				t.Fatalf("%d objects, %d problems", len(located), len(problems))
			}
			lines := strings.Count(strings.ReplaceAll(string(data), "\r", "\n"), "\n") + 2
			for _, p := range problems {
				if p.Line < 1 || len(p.Message) > 1000 {
					t.Fatalf("problem at line %d of %d: %q", p.Line, lines, p.Message)
				}
			}
			return
		}
		var objects Objects
		for _, object := range located {
			if object.line < 1 {
				t.Fatalf("%s at line %d", object.id, object.line)
			}
			object.add(&objects)
		}
		for _, claim := range objects.Claims("s") {
			if claim.Host == "" || len(claim.Host) > maxHostLength || len(claim.Addresses) > maxAddresses ||
				!validName(claim.Object.Name) || !validName(claim.Object.Namespace) {
				t.Fatalf("claim %+v", claim)
			}
		}
	})
}

func BenchmarkDecodeYAML(b *testing.B) {
	var file strings.Builder
	for i := range 100 {
		fmt.Fprintf(&file, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: app%d}\nspec:\n"+
			"  ingressClassName: nginx\n  rules:\n  - host: app%d.example.com\nstatus:\n  loadBalancer:\n    ingress:\n"+
			"    - ip: 192.168.0.3\n", i, i)
	}
	data := []byte(file.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := decodeYAML(data); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
