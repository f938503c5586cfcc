package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// reference is the page that operators read.
const reference = "../../docs/configuration.md"

var referenceRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| (?:`([^`]*)`|(required)|) ?\\| .+ \\|$")

type documented struct{ key, kind, value string }

// readReference returns the rows of the page's tables that are about a key.
func readReference(t *testing.T) (rows []documented, page string) {
	t.Helper()
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range referenceRow.FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, documented{key: m[1], kind: m[2], value: m[3]})
	}
	return rows, string(text)
}

func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	rows, _ := readReference(t)
	inPage := map[string]string{}
	for _, row := range rows {
		if _, ok := inPage[row.key]; ok {
			t.Errorf("%s is described twice", row.key)
		}
		inPage[row.key] = row.kind
	}
	inSchema := schema(&Config{}).dottedKeys("")
	for _, key := range slices.Sorted(maps.Keys(inSchema)) {
		want := strings.TrimPrefix(strings.TrimPrefix(inSchema[key], "an "), "a ")
		if got, ok := inPage[key]; !ok {
			t.Errorf("%s is not described", key)
		} else if got != want {
			t.Errorf("%s is described as %q and is %q", key, got, want)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(inPage)) {
		if _, ok := inSchema[key]; !ok {
			t.Errorf("%s is described, and there is no such key", key)
		}
	}
}

// TestReferenceDefaults writes a file with every default that the page gives, and
// expects what a file without them gives.
func TestReferenceDefaults(t *testing.T) {
	t.Parallel()
	rows, _ := readReference(t)
	root, written := map[string]any{}, 0
	for _, row := range rows {
		if row.value == "" || strings.Contains(row.key, "[]") {
			continue
		}
		var value any
		if err := yaml.Unmarshal([]byte(row.value), &value); err != nil {
			t.Fatalf("%s: %v", row.key, err)
		}
		at, names := root, strings.Split(row.key, ".")
		for _, name := range names[:len(names)-1] {
			below, ok := at[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[name] = below
			}
			at = below
		}
		at[names[len(names)-1]] = value
		written++
	}
	if written < 30 {
		t.Fatalf("only %d defaults were found in the page", written)
	}
	text, err := yaml.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := newDir(t)
	got, want := values(mustParse(t, dir, string(text)+oneClient)), values(mustParse(t, dir, oneClient))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page's defaults give\n%+v\nand the defaults are\n%+v", got, want)
	}
}

var example = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// TestReferenceExamples parses every example of the page, with a client added where
// it has none.
func TestReferenceExamples(t *testing.T) {
	t.Parallel()
	_, page := readReference(t)
	dir := newDir(t)
	write(t, dir, "func.next.secret", "the next", 0o600)
	write(t, dir, "redact.wasm", "module", 0o644)
	write(t, dir, "callback-token", "token", 0o600)
	for _, name := range []string{"gate.crt", "callers-ca.crt", "gate.key"} {
		write(t, dir, name, "", 0o600)
	}
	_, public := publicPEM(t, "d")
	write(t, dir, "deploy.pub", public, 0o644)
	examples := example.FindAllStringSubmatch(page, -1)
	if len(examples) < 8 {
		t.Fatalf("only %d examples were found", len(examples))
	}
	for _, m := range examples {
		text := strings.ReplaceAll(m[1], "/etc/sidegate/func.secret", "func.secret")
		if !strings.Contains(text, "clients:") {
			text += oneClient
		}
		mustParse(t, dir, text)
	}
}

// TestReferenceErrors holds the messages that the page quotes.
func TestReferenceErrors(t *testing.T) {
	t.Parallel()
	_, page := readReference(t)
	secret := write(t, t.TempDir(), "func.secret", "s", 0o644)
	text := "\n\nstate_dri: x\n\n\n\n\nexecutor:\n  timeout: 60\n\n\nclients:\n  - {name: func, scheme: func,\n     secret_file: " + secret + "}\n"
	_, err := Parse("sidegate.yaml", t.TempDir(), []byte(text))
	if err == nil {
		t.Fatal("no error")
	}
	if quoted := strings.ReplaceAll(err.Error(), secret, "/etc/sidegate/func.secret"); !strings.Contains(page, "\n"+quoted+"\n") {
		t.Errorf("the page does not show the messages as they are:\n%s", quoted)
	}
}
