package policy

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// received makes of a bundle as OPA's reader gives it one that is held to the
// rules of this engine. OPA leaves out several checks when it reads bundles
// lazily, and reads a persisted one in another way than a fresh one; so every
// file is parsed here once more, the same way wherever it came from.
func received(name string, b *bundle.Bundle) (*bundle.Bundle, error) {
	switch {
	case b.Type() != bundle.SnapshotBundleType:
		return nil, errors.New("delta bundles are not supported")
	case len(b.WasmModules) > 0 || len(b.PlanModules) > 0 || len(b.Wasm) > 0 || len(b.Manifest.WasmResolvers) > 0:
		return nil, errors.New("the bundle holds compiled policy; build it for the target rego")
	case b.Manifest.RegoVersion != nil && *b.Manifest.RegoVersion != 1 || len(b.Manifest.FileRegoVersions) > 0:
		return nil, errors.New("only rego_version 1 is supported")
	case b.Manifest.Revision == "":
		return nil, errors.New("the manifest must have a revision")
	}
	roots := *b.Manifest.Roots
	if err := checkRoots(roots); err != nil {
		return nil, err
	}
	clean := &bundle.Bundle{Manifest: b.Manifest.Copy(), Etag: b.Etag}
	for _, m := range b.Modules {
		if isTest(m.Path) {
			continue
		}
		file := sourceFile{name: strings.Trim(m.RelativePath, "/"), content: m.Raw}
		file.path = path.Join(name, file.name)
		if err := addModule(clean, file, roots); err != nil {
			return nil, err
		}
	}
	data := newDataTree()
	for _, raw := range b.Raw {
		if strings.HasSuffix(raw.Path, ".rego") {
			continue
		}
		file := sourceFile{name: strings.Trim(raw.Path, "/"), content: raw.Value}
		file.path = path.Join(name, file.name)
		if err := data.addFile(file, roots); err != nil {
			return nil, err
		}
	}
	clean.Data = data.root
	return clean, nil
}

// readPersisted reads a bundle file that an earlier process has kept, with the
// checks of a download: signature, size, form.
func readPersisted(packed []byte, size int64, signing *bundle.VerificationConfig) (*bundle.Bundle, error) {
	if err := checkPacked(packed, size); err != nil {
		return nil, fmt.Errorf("the persisted bundle: %w", err)
	}
	b, err := bundle.NewCustomReader(bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(packed), "").WithSizeLimitBytes(size)).
		WithBundleVerificationConfig(signing).
		WithSizeLimitBytes(size).
		WithRegoVersion(ast.RegoV1).
		WithLazyLoadingMode(true).
		Read()
	if err != nil {
		return nil, fmt.Errorf("the persisted bundle: %w", err)
	}
	return &b, nil
}
