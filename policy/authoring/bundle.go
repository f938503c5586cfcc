package authoring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/sidegate/sidegate/policy"
)

// BuildOptions configure Build. The zero value is usable.
type BuildOptions struct {
	// Revision is written to the manifest; empty keeps the one that is there.
	Revision string

	AllowBuiltins []string // see policy.Config
}

// Build makes a bundle of directories of policies, as `opa build --bundle`
// does: rules formatted, data merged, tests left out, nothing optimized. The
// roots are those of each directory's .manifest, or sidegate without one, as
// for the gateway. The same files give the same bytes.
//
// A bundle that the gateway would refuse is an error, see policy.Problems; and
// so is a data file that a bundle does not carry, because of its name.
func Build(ctx context.Context, paths []string, o BuildOptions) ([]byte, error) {
	capabilities, err := policy.Capabilities(o.AllowBuiltins...)
	if err != nil {
		return nil, err
	}
	var parts []*bundle.Bundle
	for _, path := range paths {
		part, err := readPart(path, capabilities)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if err := distinct(parts); err != nil {
		return nil, err
	}
	whole, err := bundle.MergeWithRegoVersion(parts, ast.RegoV1, false)
	if err != nil {
		return nil, err
	}
	if o.Revision != "" {
		whole.Manifest.Revision = o.Revision
	}
	var out bytes.Buffer
	err = compile.New().
		WithCapabilities(capabilities).
		WithRegoVersion(ast.RegoV1).
		WithBundle(whole).
		WithOutput(&out).
		Build(ctx)
	if err != nil {
		return nil, err
	}
	return out.Bytes(), tryBundle(ctx, out.Bytes(), o.AllowBuiltins)
}

// readPart reads a directory, or a bundle, whose signature ends here.
func readPart(path string, capabilities *ast.Capabilities) (*bundle.Bundle, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if err := checkDataNames(path); err != nil {
			return nil, err
		}
	}
	part, err := loader.NewFileLoader().
		WithRegoVersion(ast.RegoV1).
		WithProcessAnnotation(true).
		WithCapabilities(capabilities).
		WithSkipBundleVerification(true).
		WithFilter(notInBundle).
		AsBundle(path)
	if err != nil {
		return nil, err
	}
	part.Signatures = bundle.SignaturesConfig{}
	if _, err := os.Stat(filepath.Join(path, bundle.ManifestExt)); errors.Is(err, fs.ErrNotExist) && info.IsDir() {
		part.Manifest.Roots = &[]string{"sidegate"}
	}
	for i := range part.Modules {
		// Where the directory lies is nobody's business, and would make other bytes of the same policies.
		m := &part.Modules[i]
		m.URL = "/" + strings.TrimPrefix(filepath.ToSlash(m.RelativePath), "/")
		m.Path = m.URL
	}
	return part, nil
}

// distinct refuses two files that would have one name in the bundle.
func distinct(parts []*bundle.Bundle) error {
	seen := map[string]bool{}
	for _, part := range parts {
		for _, m := range part.Modules {
			if seen[m.Path] {
				return fmt.Errorf("%s is in more than one of the directories: a bundle holds one file of a name, so rename one", strings.TrimPrefix(m.Path, "/"))
			}
			seen[m.Path] = true
		}
	}
	return nil
}

// notInBundle leaves out tests and, except for the manifest, hidden files.
func notInBundle(path string, info fs.FileInfo, depth int) bool {
	name := filepath.Base(path)
	hidden := strings.HasPrefix(name, ".") && name != bundle.ManifestExt && name != "." && name != ".."
	return hidden || noTests(path, info, depth)
}

// checkDataNames finds the data files that the gateway reads from a directory
// and that OPA leaves out of a bundle without a word.
func checkDataNames(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if strings.HasPrefix(name, ".") && path != dir {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(name) {
		case ".json", ".yaml", ".yml":
			if strings.TrimSuffix(name, filepath.Ext(name)) != "data" && !strings.HasPrefix(name, ".") {
				return fmt.Errorf("%s: a bundle carries data only in files named data.json, data.yaml and data.yml: rename it, or merge it into one", path)
			}
		}
		return nil
	})
}

// tryBundle loads a bundle as the gateway would.
func tryBundle(ctx context.Context, content []byte, allowBuiltins []string) (err error) {
	dir, err := os.MkdirTemp("", "sidegate-bundle-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "bundle.tar.gz")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	return policy.Verify(ctx, policy.Config{Paths: []string{file}, AllowBuiltins: allowBuiltins, Logger: slog.New(slog.DiscardHandler)})
}
