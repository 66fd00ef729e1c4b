package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sniroute/sniroute/lab/netns"
)

// Explain says how to use the lab by hand.
func (l *Lab) Explain(out io.Writer) error {
	for name, command := range map[string]string{
		"kubectl":  fmt.Sprintf("ip netns exec master %s --kubeconfig %s", l.Tools.Kubectl, l.Plane.Kubeconfig),
		"sniroute": fmt.Sprintf(`ip netns exec router %s "$@" -c %s; exit`, l.Binary, filepath.Join(l.House.Dir, "config")),
		"wan":      "ip netns exec wan",
		"client":   "ip netns exec client",
		"router":   "ip netns exec router",
	} {
		script := "#!/bin/sh\nexec " + command + ` "$@"` + "\n"
		if strings.HasSuffix(command, "exit") {
			script = "#!/bin/sh\n" + command + "\n"
		}
		if err := os.MkdirAll(filepath.Join(l.House.Dir, "bin"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(l.House.Dir, "bin", name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, `
The lab stays up until Ctrl-C. In another terminal, this opens a shell inside it:

    %[1]s env PATH=%[2]s/bin:$PATH sh

and there:

    kubectl get ingress,service -A                  the real one, as the cluster's administrator
    kubectl -n blog delete ingress app2             ... and the route is gone
    sniroute routes                                 what the router makes of it
    client dig +short @192.168.0.1 %[3]s
    wan curl --cacert %[4]s --resolve %[3]s:443:203.0.113.1 https://%[3]s/
    wan | client | router COMMAND                   on that host; ip netns exec HOST COMMAND on another:
                                                    nas, external, internal, master, external2, outsider
    ls %[2]s/log                             what each program says
`, netns.Enter(), l.House.Dir, app1, l.House.Authority.File)
	return err
}
