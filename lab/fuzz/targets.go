package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A target is a fuzz target.
type target struct {
	dir  string // of its package, from the root of the module
	name string
}

// String returns PACKAGE.TARGET.
func (t target) String() string { return t.dir + "." + t.name }

// findTargets returns the fuzz targets of the module in a folder, ordered by package.
func findTargets(root string) ([]target, error) {
	var targets []target
	err := walkGo(root, func(dir, path string) error {
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") && f.Type.Params.NumFields() == 1 {
				targets = append(targets, target{dir, f.Name.Name})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for fuzz targets: %w", err)
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("there are no fuzz targets below %s", root)
	}
	return targets, nil
}

// walkGo calls visit for every Go file of the module in root, with its folder from there.
func walkGo(root string, visit func(dir, path string) error) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == root {
				return nil
			}
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if err == nil || strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(dir), path)
	})
}
