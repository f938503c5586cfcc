package authoring

import (
	"io/fs"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/sidegate/sidegate/policy"
)

// loaded is what lies at the paths.
type loaded struct {
	modules      map[string]*ast.Module
	store        storage.Store
	capabilities *ast.Capabilities
}

func load(paths, allowBuiltins []string, skip loader.Filter) (loaded, error) {
	capabilities, err := policy.Capabilities(allowBuiltins...)
	if err != nil {
		return loaded{}, err
	}
	found, err := loader.NewFileLoader().
		WithRegoVersion(ast.RegoV1).
		WithProcessAnnotation(true).
		WithCapabilities(capabilities).
		Filtered(paths, skip)
	if err != nil {
		return loaded{}, err
	}
	return loaded{
		modules:      found.ParsedModules(),
		store:        inmem.NewFromObjectWithOpts(found.Documents, inmem.OptRoundTripOnWrite(false)),
		capabilities: capabilities,
	}, nil
}

// noTests leaves tests out, as the gateway does.
func noTests(path string, info fs.FileInfo, _ int) bool {
	return !info.IsDir() && strings.HasSuffix(path, "_test.rego")
}

// isSource reports whether the gateway could take path as one of its policy
// paths: it takes directories and bundles, not single Rego files.
func isSource(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (info.IsDir() || strings.HasSuffix(path, ".tar.gz"))
}
