package policy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

func TestRefusedSources(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		a, b map[string]string // two directories
		want []string
	}{
		"data given twice in one directory": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"sidegate": {"n": {"x": 1}}}`, "sidegate/n/any.yaml": "x: 1"}, nil,
			[]string{"a/sidegate/n/any.yaml: data.sidegate.n.x is given here and in", "a/data.json"},
		},
		"data given by two directories": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"sidegate": {"n": {"x": 1}}}`},
			map[string]string{"sidegate/data.yaml": "n: {x: 2}"},
			[]string{"b/sidegate/data.yaml: data.sidegate.n.x is given here and in", "a/data.json"},
		},
		"a value where the other has an object": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"sidegate": {"n": 1}}`},
			map[string]string{"data.json": `{"sidegate": {"n": {"x": 2}}}`},
			[]string{"b/data.json: data.sidegate.n is given here and in", "a/data.json"},
		},
		"two default rules": {
			map[string]string{"p.rego": allows("a"), "q.rego": "package sidegate\n\ndefault x := 1\n"},
			map[string]string{"r.rego": "package sidegate\n\ndefault x := 2\n"},
			[]string{"multiple default rules data.sidegate.x", "a/q.rego:3", "b/r.rego:3"},
		},
		"a rule where data is": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"sidegate": {"decision": 1}}`}, nil,
			[]string{"a/p.rego:3", "conflicting rule for data path sidegate/decision"},
		},
		"a package outside of the root": {
			map[string]string{"p.rego": allows("a"), "q.rego": "package other\n"}, nil,
			[]string{"a/q.rego:1", "package other is outside of sidegate"},
		},
		"data outside of the root": {
			map[string]string{"p.rego": allows("a"), "data.yaml": "other: 1"}, nil,
			[]string{"a/data.yaml: data.other is outside of sidegate"},
		},
		"data that is the root, but no object": {
			map[string]string{"p.rego": allows("a"), "data.yaml": "[1]"}, nil,
			[]string{"a/data.yaml: data at the top of a directory must be an object"},
		},
		"OPA's own part of data": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"system": {"bundles": {}}}`}, nil,
			[]string{"data.system is outside of sidegate"},
		},
		"duplicate key in JSON": {
			map[string]string{"p.rego": allows("a"), "data.json": `{"sidegate": {"deny": [1], "deny": []}}`}, nil,
			[]string{"a/data.json", "duplicate", "deny"},
		},
		"duplicate key in YAML": {
			map[string]string{"p.rego": allows("a"), "data.yaml": "sidegate:\n  deny: [1]\n  deny: []\n"}, nil,
			[]string{"a/data.yaml", "data.yaml:3: mapping key", "already defined"},
		},
		"a second YAML document": {
			map[string]string{"p.rego": allows("a"), "data.yaml": "sidegate: {}\n---\nsidegate: {deny: [1]}\n"}, nil,
			[]string{"a/data.yaml", "more than one YAML document"},
		},
		"not YAML": {
			map[string]string{"p.rego": allows("a"), "data.yaml": "sidegate:\n\t- x"}, nil, []string{"a/data.yaml", "data.yaml:2: not valid YAML"},
		},
		"a manifest without roots": {
			map[string]string{"p.rego": allows("a"), ".manifest": "{}"}, nil, []string{"a/.manifest", "must name its roots"},
		},
		"a manifest that claims everything": {
			map[string]string{"p.rego": allows("a"), ".manifest": `{"roots": [""]}`}, nil, []string{"a/.manifest", "must name its roots"},
		},
		"a manifest for old Rego": {
			map[string]string{"p.rego": allows("a"), ".manifest": `{"roots": ["sidegate"], "rego_version": 0}`}, nil,
			[]string{"a/.manifest", "rego_version 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			paths := []string{filepath.Join(dir, "a")}
			write(t, paths[0], test.a)
			if test.b != nil {
				paths = append(paths, filepath.Join(dir, "b"))
				write(t, paths[1], test.b)
			}
			e, _ := open(t, Config{Paths: paths})
			err := e.Status().LastError
			if err == nil || e.Status().Ready {
				t.Fatalf("accepted, want %q", test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestDirectoriesMerge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, map[string]string{
		"p.rego":              answers(`{"allow": true, "grants": [x | some x in data.sidegate.list], "reasons": [], "obligations": {}}`),
		"p_test.rego":         "package sidegate_test\n\nthis is not even Rego",
		".hidden/x.rego":      "nonsense",
		".data.json":          "nonsense",
		"README.md":           "nonsense",
		"sidegate/list/a.yml": "one: first",
	})
	write(t, b, map[string]string{
		".manifest":               `{"roots": ["sidegate", "site/lists"], "revision": "ignored"}`,
		"sidegate/list/data.json": `{"two": "second"}`,
		"site/lists/data.json":    `{"three": 3}`,
		"q.rego":                  "package site.lists.rules\n",
	})
	e, _ := open(t, Config{Paths: []string{a, b}})
	if !e.Status().Ready {
		t.Fatal(e.Status().LastError)
	}
	if d := decide(t, e, oneCommand()); len(d.Grants) != 2 || d.Grants[0] != "first" || d.Grants[1] != "second" {
		t.Errorf("decision %+v", d)
	}
}

func TestRevisionNamesContent(t *testing.T) {
	t.Parallel()
	revision := func(files map[string]string) string {
		e, _, _ := openFiles(t, files)
		if !e.Status().Ready {
			t.Fatal(e.Status().LastError)
		}
		return e.Status().Revision
	}
	base := revision(map[string]string{"p.rego": allows("a")})
	if again := revision(map[string]string{"p.rego": allows("a"), "p_test.rego": "x"}); again != base {
		t.Error("the place on disk or a test changes the revision")
	}
	for name, files := range map[string]map[string]string{
		"content": {"p.rego": allows("b")},
		"name":    {"q.rego": allows("a")},
		"data":    {"p.rego": allows("a"), "sidegate/x.json": `{"x": 1}`},
	} {
		if revision(files) == base {
			t.Errorf("another %s, the same revision", name)
		}
	}
}

func TestUnreadableSources(t *testing.T) {
	t.Parallel()
	t.Run("a pipe", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, map[string]string{"p.rego": allows("a")})
		if err := syscall.Mkfifo(filepath.Join(dir, "q.rego"), 0o600); err != nil {
			t.Skip("no named pipes here:", err)
		}
		e, _ := open(t, Config{Paths: []string{dir}})
		if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a link to a directory around it", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, map[string]string{"p.rego": allows("a"), "sidegate/x.json": `{"x": 1}`})
		if err := os.Symlink("..", filepath.Join(dir, "sidegate", "loop")); err != nil {
			t.Fatal(err)
		}
		e, _ := open(t, Config{Paths: []string{dir}})
		if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "link to a directory around it") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("too much", func(t *testing.T) {
		t.Parallel()
		s := source{path: t.TempDir()}
		write(t, s.path, map[string]string{"a.json": "12345", "b.json": "12345"})
		if err := s.readDir(&budget{bytes: 9, files: 5}, "", nil); err == nil || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("error %v", err)
		}
	})
}

// writeBundle writes a bundle file as `opa build` does.
func writeBundle(t *testing.T, path string, b bundle.Bundle, files map[string]string) {
	t.Helper()
	for name, content := range files {
		module, err := ast.ParseModuleWithOpts(name, content, parserOptions())
		if err != nil {
			t.Fatal(err)
		}
		b.Modules = append(b.Modules, bundle.ModuleFile{URL: name, Path: name, Raw: []byte(content), Parsed: module})
	}
	if b.Data == nil {
		b.Data = map[string]any{}
	}
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).Write(b); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(path), map[string]string{filepath.Base(path): out.String()})
}

func TestBundleFiles(t *testing.T) {
	t.Parallel()
	manifest := func(revision string, roots ...string) bundle.Bundle {
		return bundle.Bundle{Manifest: bundle.Manifest{Revision: revision, Roots: &roots}}
	}
	t.Run("replaced while running", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "policy.tar.gz")
		writeBundle(t, path, manifest("v1", "sidegate"), map[string]string{"/p.rego": allows("a"), "/p_test.rego": "package sidegate.x_test\n"})
		e, changes := open(t, Config{Paths: []string{path}})
		if d := decide(t, e, oneCommand()); !d.Allow || d.Revision != "v1" {
			t.Fatalf("decision %+v", d)
		}
		writeBundle(t, path+".new", manifest("", "sidegate"), map[string]string{"/p.rego": allows("b")})
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		if s := await(t, changes, good); len(s.Revision) != shortRevision {
			t.Fatalf("status %+v", s)
		}
		write(t, filepath.Dir(path), map[string]string{"policy.tar.gz": "torn"})
		if s := await(t, changes, broken); !s.Ready || !strings.Contains(s.LastError.Error(), path) {
			t.Fatalf("status %+v", s)
		}
		if d := decide(t, e, oneCommand()); d.Grants[0] != "b" {
			t.Fatalf("decision %+v", d)
		}
	})
	t.Run("beside a directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "site.tar.gz")
		writeBundle(t, path, manifest("v7", "site"), map[string]string{"/site.rego": "package site\n\nname := \"site\"\n"})
		write(t, dir, map[string]string{"local/p.rego": answers(`{"allow": true, "grants": [data.site.name], "reasons": [], "obligations": {}}`)})
		e, _ := open(t, Config{Paths: []string{filepath.Join(dir, "local"), path}})
		if !e.Status().Ready {
			t.Fatal(e.Status().LastError)
		}
		if d := decide(t, e, oneCommand()); d.Grants[0] != "site" || !strings.Contains(d.Revision, "v7") || !strings.Contains(d.Revision, "+") {
			t.Errorf("decision %+v", d)
		}
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		wasm := manifest("v1", "sidegate")
		wasm.WasmModules = []bundle.WasmModuleFile{{URL: "/policy.wasm", Path: "/policy.wasm", Raw: []byte("\x00asm\x01\x00\x00\x00")}}
		for want, b := range map[string]bundle.Bundle{
			`must name its roots`: manifest("v1", ""),
			"compiled policy":     wasm,
			"do not permit":       manifest("v1", "other"),
		} {
			path := filepath.Join(t.TempDir(), "policy.tar.gz")
			writeBundle(t, path, b, map[string]string{"/p.rego": allows("a")})
			e, _ := open(t, Config{Paths: []string{path}})
			if err := e.Status().LastError; err == nil || e.Status().Ready || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
		}
	})
	t.Run("overlapping a directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "policy.tar.gz")
		writeBundle(t, path, manifest("v1", "sidegate"), map[string]string{"/p.rego": allows("a")})
		write(t, dir, map[string]string{"local/p.rego": allows("b")})
		e, _ := open(t, Config{Paths: []string{filepath.Join(dir, "local"), path}})
		if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "root sidegate is in multiple bundles") {
			t.Errorf("error %v", err)
		}
	})
}
