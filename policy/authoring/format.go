package authoring

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Formatted is a Rego file and what `opa fmt` makes of it.
type Formatted struct {
	File          string
	Before, After []byte
}

// Changed reports whether formatting changes the file.
func (f Formatted) Changed() bool { return !bytes.Equal(f.Before, f.After) }

// FormatSource formats one source; name stands for it in errors, which
// policy.Problems takes apart.
func FormatSource(name string, source []byte) ([]byte, error) {
	capabilities := ast.CapabilitiesForThisVersion()
	after, err := format.SourceWithOpts(name, source, format.Opts{
		RegoVersion:   ast.RegoV1,
		Capabilities:  capabilities,
		ParserOptions: &ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities},
	})
	if err != nil {
		return nil, err
	}
	// What is written over somebody's file must be Rego.
	if _, err := ast.ParseModuleWithOpts(name, string(after), ast.ParserOptions{RegoVersion: ast.RegoV1}); err != nil {
		return nil, fmt.Errorf("%s: what formatting makes of it does not parse, so it stays as it is: %w", name, err)
	}
	return after, nil
}

// Format formats every Rego file at and below paths, and calls done with each,
// in the order that `opa fmt` takes them. It writes nothing. The first error
// ends it.
func Format(paths []string, done func(Formatted) error) error {
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".rego" {
				return err
			}
			before, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			after, err := FormatSource(file, before)
			if err != nil {
				return err
			}
			return done(Formatted{file, before, after})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
