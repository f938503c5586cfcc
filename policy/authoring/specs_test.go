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

func TestCheckFindsMistakesInData(t *testing.T) {
	t.Parallel()
	dir := shipped(t, map[string]string{
		"sidegate/roles/a/data.yaml":   "commands:\n  rsync:\n    flags: [-a]\n", // sound
		"sidegate/roles/b/data.yaml":   "commands:\n  rsync:\n    flgs: [-a]\n",
		"sidegate/roles/c/data.yaml":   "commands:\n  rsync: {operand: path, quiet: true}\n",
		"sidegate/roles/d/data.yaml":   "commands:\n  git:\n    subcommands:\n      pull:\n        require: [--ff-only]\n",
		"sidegate/roles/e/data.yaml":   "commands:\n  pwd:\n",
		"sidegate/roles/f/data.yaml":   "commands:\n  a: {}\n  git: {required: --ff-only}\n",
		"sidegate/roles/g/data.yaml":   "commands:\n  mkfs.ext4: {flag: []}\n", // a dot in a name
		"sidegate/roles/h/data.yaml":   "env:\n  A: lokale\ncommands:\n  head:\n    flags: [-q]\n    values:\n      -n: nubmer\n",
		"sidegate/roles/i/data.yaml":   "commands:\n  head:\n    operands:\n      type: {pattern: '('}\n  tail: {operands: quite-another}\n",
		"sidegate/types/own/data.yaml": "b: a\n",
	})
	problems, err := Check(t.Context(), []string{dir}, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`sidegate.types.own: {"b": "a"} is no regular expression`, // a directory, which has no line
		"b/data.yaml:3: bad_data: sidegate.roles.b.commands.rsync: unknown key flgs, which makes the spec void; is flags meant?",
		"c/data.yaml:2: bad_data: sidegate.roles.c.commands.rsync: unknown key operand, which makes the spec void; is operands meant?",
		"c/data.yaml:2: bad_data: sidegate.roles.c.commands.rsync: unknown key quiet, which makes the spec void; there are apart, env, flags, ",
		"d/data.yaml:5: bad_data: sidegate.roles.d.commands.git.subcommands.pull: unknown key require, which makes the spec void; is required meant?",
		"e/data.yaml:2: bad_data: sidegate.roles.e.commands.pwd must be a mapping; write {} for a command that takes nothing",
		"f/data.yaml:3: bad_data: sidegate.roles.f.commands.git.required must be a list of options",
		"g/data.yaml:2: bad_data: sidegate.roles.g.commands.mkfs.ext4: unknown key flag, which makes the spec void; is flags meant?",
		"h/data.yaml:2: bad_data: sidegate.roles.h.env.A: unknown type lokale; is locale meant?",
		"h/data.yaml:7: bad_data: sidegate.roles.h.commands.head.values.-n: unknown type nubmer; is number meant?",
		"i/data.yaml:4: bad_data: sidegate.roles.i.commands.head.operands.type: ( is no regular expression that RE2 takes; a decision that needs it fails, and so denies",
		"i/data.yaml:5: bad_data: sidegate.roles.i.commands.tail.operands: unknown type quite-another; there are block_size, date_format, ",
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

// A rule of that name that answers something else, or nothing, is told, and ends nothing.
func TestCheckWithAnotherLibrary(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"mistakes := 1":                    "data.sidegate.lib.specs.mistakes has another form than is known",
		"mistakes contains to_number(`a`)": "invalid syntax",
		"mistakes := [] if 1 == 2":         "",
	} {
		dir := writeFiles(t, map[string]string{"p.rego": "package sidegate.lib.specs\n\n" + rule + "\n"})
		problems, err := Check(t.Context(), []string{dir}, CheckOptions{Partial: true})
		if err != nil || len(problems) > 1 || len(problems) == 0 && want != "" || want != "" && !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: problems %v, error %v", rule, problems, err)
		}
	}
}

func TestLintFindsUnreadData(t *testing.T) {
	t.Parallel()
	dir := shipped(t, map[string]string{web: "paths: [/srv]\nworkdir: [/srv]\nown: 1\n", "sidegate/grants/own.rego": "package sidegate.grants\n\nown := data.sidegate.roles.web.own\n"})
	warnings, err := Lint(t.Context(), []string{dir}, nil, false)
	if err != nil || len(warnings) != 1 || !strings.HasSuffix(warnings[0].String(), web+":2: unread_data: no rule reads workdir of role web: is it misspelt?") {
		t.Errorf("warnings %v, error %v", warnings, err)
	}
}

func TestPlaces(t *testing.T) {
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
