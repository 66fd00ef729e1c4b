package uci_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sniroute/sniroute/pkg/uci"
)

// A file is changed; what a person wrote around it stays as it was.
func ExampleUpdate() {
	dir, err := os.MkdirTemp("", "config")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sniroute")
	os.WriteFile(path, []byte("config sniroute main   # the daemon\n    option enabled  0  # not yet\n"), 0o600)

	err = uci.Update(context.Background(), path, func(d *uci.Document) error {
		if err := d.Set("main", "enabled", "1"); err != nil {
			return err
		}
		if _, err := d.AddSection("backend", "nas"); err != nil {
			return err
		}
		return d.SetList("nas", "server", "192.168.0.2:443")
	})
	text, _ := os.ReadFile(path)
	fmt.Printf("%s%v\n", text, err)
	// Output:
	// config sniroute main   # the daemon
	//     option enabled  '1'  # not yet
	//
	// config backend 'nas'
	// 	list server '192.168.0.2:443'
	// <nil>
}
