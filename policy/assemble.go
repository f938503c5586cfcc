package policy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/util"
	"go.yaml.in/yaml/v3"
)

// mergedName is the name of the bundle that all directories become together.
const mergedName = "directories"

// shortRevision is how many hex digits of a fingerprint name a revision.
const shortRevision = 12

// assemble makes bundles of sources: one of all directories, merged as
// `opa run a b` merges them, and one of each bundle file.
func assemble(sources []source) (map[string]*bundle.Bundle, error) {
	bundles := make(map[string]*bundle.Bundle)
	var dirs []source
	for _, s := range sources {
		if s.isDir {
			dirs = append(dirs, s)
		}
	}
	if len(dirs) > 0 {
		b, err := mergeDirs(dirs)
		if err != nil {
			return nil, err
		}
		bundles[mergedName] = b
	}
	for _, s := range sources {
		if s.isDir {
			continue
		}
		b, err := readBundle(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		bundles[s.path] = b
	}
	return bundles, nil
}

func parserOptions() ast.ParserOptions {
	return ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true}
}

func mergeDirs(dirs []source) (*bundle.Bundle, error) {
	sum := fingerprint(dirs)
	merged := &bundle.Bundle{Manifest: bundle.Manifest{Revision: hex.EncodeToString(sum[:])[:shortRevision]}}
	data := newDataTree()
	var roots []string
	for _, dir := range dirs {
		own, err := dirRoots(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range dir.files {
			switch path.Ext(f.name) {
			case ".rego":
				err = addModule(merged, f, own)
			case ".json", ".yaml", ".yml":
				err = data.addFile(f, own)
			}
			if err != nil {
				return nil, err
			}
		}
		for _, root := range own {
			if !within(roots, strings.Split(root, "/")) {
				roots = append(roots, root)
			}
		}
	}
	merged.Manifest.Roots = &roots
	merged.Data = data.root
	return merged, nil
}

// dirRoots are the parts of data that a directory may fill: those of its
// manifest, or else sidegate.
func dirRoots(dir source) ([]string, error) {
	for _, f := range dir.files {
		if f.name != manifestName {
			continue
		}
		var manifest struct {
			Roots       []string       `json:"roots"`
			Revision    string         `json:"revision"` // the content names the revision of a directory
			RegoVersion *int           `json:"rego_version"`
			Metadata    map[string]any `json:"metadata"`
		}
		if err := json.Unmarshal(f.content, &manifest, json.RejectUnknownMembers(true)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		if manifest.RegoVersion != nil && *manifest.RegoVersion != 1 {
			return nil, fmt.Errorf("%s: only rego_version 1 is supported", f.path)
		}
		if err := checkRoots(manifest.Roots); err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		return manifest.Roots, nil
	}
	return []string{"sidegate"}, nil
}

func checkRoots(roots []string) error {
	if len(roots) == 0 || slices.Equal(roots, []string{""}) {
		return errors.New(`the manifest must name its roots, such as "roots": ["sidegate"]`)
	}
	for _, root := range roots {
		// The rest of data.system is OPA's own, what it knows of bundles among it.
		if within([]string{"system"}, strings.Split(root, "/")) && !within([]string{"system/log"}, strings.Split(root, "/")) {
			return fmt.Errorf("root %q of the manifest is OPA's own; system/log is for the rules mask and drop", root)
		}
		if root == "" || strings.Trim(root, "/") != root || path.Clean(root) != root {
			return fmt.Errorf("root %q of the manifest is not a path into data", root)
		}
	}
	return nil
}

func addModule(b *bundle.Bundle, f sourceFile, roots []string) error {
	module, err := ast.ParseModuleWithOpts(f.path, string(f.content), parserOptions())
	if err == nil {
		err = checkNesting(module)
	}
	if err != nil {
		return err
	}
	segments, err := storage.NewPathForRef(module.Package.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if !within(roots, segments) {
		return fmt.Errorf("%v: %v is outside of %s, the only part of data that this directory may fill",
			module.Package.Location, module.Package, strings.Join(roots, ", "))
	}
	b.Modules = append(b.Modules, bundle.ModuleFile{
		URL: f.path, Path: f.path, RelativePath: f.name, Raw: f.content, Parsed: module,
	})
	return nil
}

// ErrSigned means that a bundle file in Config.Paths is signed. Passing over a
// signature that cannot be checked would look like checking it.
var ErrSigned = errors.New("the bundle is signed, and there are no keys for the policy paths: " +
	"whoever owns a file there is trusted with it. Name the bundle as it was before it was signed, " +
	"or have it fetched and verified as a remote one, with policy.opa.bundles and its signing.keyid")

// readBundle reads a bundle file. What OPA would accept and this engine cannot
// hold to its rules is refused: compiled policy, deltas, and claiming all data.
func readBundle(s source) (*bundle.Bundle, error) {
	sum := fingerprint([]source{s})
	if err := checkPacked(s.files[0].content, maxSourceBytes); err != nil {
		return nil, err
	}
	b, err := bundle.NewReader(bytes.NewReader(s.files[0].content)).
		WithProcessAnnotations(true).
		WithRegoVersion(ast.RegoV1).
		WithSizeLimitBytes(maxSourceBytes).
		WithLazyLoadingMode(false).
		WithBaseDir(s.path).
		Read()
	if err != nil {
		if isSigned(s.files[0].content) {
			err = ErrSigned
		}
		return nil, err
	}
	switch {
	case b.Type() != bundle.SnapshotBundleType:
		return nil, errors.New("a delta bundle cannot be loaded from a file")
	case len(b.WasmModules) > 0 || len(b.PlanModules) > 0 || len(b.Wasm) > 0:
		return nil, errors.New("the bundle holds compiled policy; build it for the target rego")
	}
	if err := checkRoots(*b.Manifest.Roots); err != nil {
		return nil, err
	}
	kept := b.Modules[:0]
	for _, m := range b.Modules {
		if isTest(m.Path) {
			continue
		}
		if err := checkNesting(m.Parsed); err != nil {
			return nil, err
		}
		kept = append(kept, m)
	}
	b.Modules = kept
	if b.Manifest.Revision == "" {
		b.Manifest.Revision = hex.EncodeToString(sum[:])[:shortRevision]
	}
	return &b, nil
}

// parseData reads a data file as OPA does, except that it refuses what OPA
// passes over in silence: all but the last of duplicate keys, and all but the
// first of several YAML documents.
func parseData(f sourceFile) (value any, err error) {
	check := checkYAML
	if path.Ext(f.name) == ".json" {
		check = checkJSON
	}
	if err := check(f.content); err != nil {
		if p, found := YAMLProblem(f.path, f.content); found && path.Ext(f.name) != ".json" {
			return nil, problemError{p}
		}
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	if err := util.Unmarshal(f.content, &value); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return value, nil
}

func checkJSON(content []byte) error {
	var raw jsontext.Value
	return json.Unmarshal(content, &raw)
}

func checkYAML(content []byte) error {
	documents := yaml.NewDecoder(bytes.NewReader(content))
	var first, second any
	if err := documents.Decode(&first); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("holds more than one YAML document")
	}
	return nil
}

// within reports whether the path lies in one of roots.
func within(roots, segments []string) bool {
	for _, root := range roots {
		parts := strings.Split(root, "/")
		if len(parts) <= len(segments) && strings.Join(segments[:len(parts)], "\x00") == strings.Join(parts, "\x00") {
			return true
		}
	}
	return false
}
