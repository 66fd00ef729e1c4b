package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs a command as main does.
func call(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), invocation{args: args, stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs})
	return code, out.String(), errs.String()
}

// TestManifest: what the command prints is what the repository offers to those without the command.
func TestManifest(t *testing.T) {
	want, err := os.ReadFile("../../deploy/kubernetes/sniroute.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := call(t, "", "manifest"); code != exitOK || out != string(want) || errs != "" {
		t.Errorf("exit %d, %q, prints\n%s", code, errs, out)
	}
}

func TestEnrollSaysWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		stdin, want string
		args        []string
	}{
		{"", "URL is missing", []string{"enroll"}},
		{"{}", "only https", []string{"enroll", "http://192.0.2.1"}},
		{"{}", "kubectl -n sniroute get secret sniroute-token -o json", []string{"enroll", "https://192.0.2.1"}},
	} {
		if code, out, errs := call(t, test.stdin, test.args...); code == exitOK || !strings.Contains(errs, test.want) || out != "" {
			t.Errorf("%v: exit %d, %q, %q", test.args, code, out, errs)
		}
	}
}

// TestCheckKubeconfig: the daemon is not started with a kubeconfig that it would refuse.
func TestCheckKubeconfig(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "sniroute"), "config cluster 'home'\n\toption kubeconfig '"+kubeconfig+"'\n\tlist domain 'k8s.example.com'\n")
	if code, _, errs := call(t, "", "check", "-c", dir); code != exitOK {
		t.Errorf("one that is not there yet: exit %d, %s", code, errs)
	}
	write(kubeconfig, `{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"b","user":"c"}}],
"clusters":[{"name":"b","cluster":{"server":"https://192.0.2.1"}}],"users":[{"name":"c","user":{"exec":{"command":"aws"}}}]}`)
	code, _, errs := call(t, "", "check", "-c", dir)
	if code != exitFailed || !strings.Contains(errs, "cluster 'home': option kubeconfig: ") || !strings.Contains(errs, "exec is refused") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
