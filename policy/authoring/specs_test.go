package authoring

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/policies"
)

// shipped writes the shipped policies with some files replaced or added, and returns their directory.
func shipped(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, policies.FS); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const web = "sidegate/roles/web/data.yaml"

func TestCheckFindsUnsoundSpecs(t *testing.T) {
	t.Parallel()
	dir := shipped(t, map[string]string{
		"sidegate/roles/a/data.yaml": "commands:\n  rsync:\n    flags: [-a]\n", // sound
		"sidegate/roles/b/data.yaml": "commands:\n  rsync:\n    flgs: [-a]\n",
		"sidegate/roles/c/data.yaml": "commands:\n  rsync: {flgs: [-a], operand: path}\n",
		"sidegate/roles/d/data.yaml": "commands:\n  git:\n    subcommands:\n      pull:\n        require: [--ff-only]\n",
		"sidegate/roles/e/data.yaml": "commands:\n  pwd:\n",
		"sidegate/roles/f/data.yaml": "commands:\n  a: {}\n  git: {required: --ff-only}\n",
		"sidegate/roles/g/data.yaml": "commands:\n  mkfs.ext4: {flag: []}\n", // a dot in a name
	})
	problems, err := Check(t.Context(), []string{dir}, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"b/data.yaml:3: unsound_spec: sidegate.roles.b.commands.rsync: unknown key flgs, which makes the spec void; the keys are apart, env, flags, ",
		"c/data.yaml:2: unsound_spec: sidegate.roles.c.commands.rsync: unknown key flgs,",
		"c/data.yaml:2: unsound_spec: sidegate.roles.c.commands.rsync: unknown key operand,",
		"d/data.yaml:5: unsound_spec: sidegate.roles.d.commands.git.subcommands.pull: unknown key require,",
		"e/data.yaml:2: unsound_spec: sidegate.roles.e.commands.pwd must be a mapping; write {}",
		"f/data.yaml:3: unsound_spec: sidegate.roles.f.commands.git: a key has a value of the wrong form",
		"g/data.yaml:2: unsound_spec: sidegate.roles.g.commands.mkfs.ext4: unknown key flag,",
	}
	if len(problems) != len(want) {
		t.Fatalf("problems %v", problems)
	}
	for i, p := range problems {
		if !strings.Contains(p.String(), want[i]) {
			t.Errorf("%q does not say %q", p, want[i])
		}
	}
}

func TestLintFindsUnreadData(t *testing.T) {
	t.Parallel()
	dir := shipped(t, map[string]string{web: "paths: [/srv]\nworkdir: [/srv]\nown: 1\n", "sidegate/grants/own.rego": "package sidegate.grants\n\nown := data.sidegate.roles.web.own\n"})
	warnings, err := Lint(t.Context(), []string{dir}, nil)
	if err != nil || len(warnings) != 1 || !strings.HasSuffix(warnings[0].String(), web+":2: unread_data: no rule reads workdir of role web: is it misspelt?") {
		t.Errorf("warnings %v, error %v", warnings, err)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	dir := shipped(t, map[string]string{
		web:                                   "workdirs: [/srv]\ncommands:\n  python3.11: {flags: [-V]}\n  python3: {}\n",
		"sidegate/roles/all/commands/a.json":  "{\"ls\":\n {\"flags\": []}}",
		"sidegate/roles/broken/data.yaml":     "a: [",
		"sidegate/roles/empty/data.yaml":      "",
		"sidegate/roles/readonly/README.md":   "commands: none",
		"sidegate/roles/.hidden/x/data.yaml":  "commands: {}",
		"sidegate/roles/alias/data.yaml":      "b: &b {flags: []}\ncommands:\n  ls: *b\n",
		"sidegate/roles/alias/more/data.yaml": "x: 1\n",
	})
	content, err := Build(t.Context(), []string{shipped(t, nil)}, BuildOptions{Revision: "1"})
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "b.tar.gz")
	if err := os.WriteFile(bundle, content, 0o600); err != nil {
		t.Fatal(err)
	}
	known := FindPlaces([]string{dir, filepath.Join(dir, "none")})
	for key, want := range map[string]Place{
		"sidegate.roles.readonly.commands":             {"", "sidegate/roles/readonly/commands/data.yaml", 0},
		"sidegate.roles.web.commands":                  {"", web, 2},
		"sidegate.roles.web.commands.python3.11.flags": {"", web, 3},
		"sidegate.roles.web.commands.python3.operands": {"", web, 4}, // has to be added there
		"sidegate.roles.web.env":                       {"", web, 0},
		"sidegate.roles.all.commands.ls.flags":         {"", "sidegate/roles/all/commands/a.json", 2},
		"sidegate.roles.alias.commands.ls.flags":       {"", "sidegate/roles/alias/data.yaml", 1},
		"sidegate.roles.web.commands.tar.flags":        {},
		"sidegate.roles.nobody.commands":               {},
		"sidegate.roles.readonlyx.commands":            {},
		"sidegate.roles.broken.commands":               {},
		"sidegate.roles.hidden.x.commands":             {},
	} {
		place, ok := known.Find(key)
		if want.File == "" {
			if ok {
				t.Errorf("%s is found in %v", key, place)
			}
			continue
		}
		if !ok || place.File != filepath.Join(dir, want.File) || place.Line != want.Line || place.Key != key {
			t.Errorf("%s: %v, %v", key, place, ok)
		}
	}
	if place, ok := FindPlaces([]string{bundle}).Find("sidegate.roles.readonly.workdirs"); !ok || place != (Place{"sidegate.roles.readonly.workdirs", bundle, 0}) {
		t.Errorf("in a bundle: %v, %v", place, ok)
	}
	named := known.Named(`has it: add "x" under sidegate.roles.web.workdirs in data.yaml, or see (sidegate.roles.web.commands). sidegate.roles.web.workdirs, not sidegate or data.yaml`)
	if keys := []string{named[0].Key, named[1].Key}; len(named) != 2 || !slices.Equal(keys, []string{"sidegate.roles.web.workdirs", "sidegate.roles.web.commands"}) {
		t.Errorf("named %v", named)
	}
}

func TestProblemsAreToldOnce(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"a := ]":              "expected rule value term",
		"a := {\"b\": 1\n\nc": "non-terminated object",
		"a := [1,,2]":         "expected rule value term",
	} {
		_, err := FormatSource("p.rego", []byte("package p\n\n"+source+"\n"))
		if problems := Problems(err); len(problems) != 1 || !strings.Contains(problems[0].Message, want) {
			t.Errorf("%s: %v", source, problems)
		}
	}
}
