package sdk_test

import (
	"errors"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/sdk"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	for language, want := range map[string][]string{
		"assemblyscript": {".gitignore", "Makefile", "asconfig.json", "assembly/index.ts", "assembly/sidegate.ts", "fixtures/denies.json", "fixtures/labels.json",
			"fixtures/passes-without-configuration.json", "fixtures/refuses-a-configuration.json", "package-lock.json", "package.json"},
		"c": {".gitignore", "Makefile", "fixtures/denies.json", "fixtures/labels.json",
			"fixtures/passes-without-configuration.json", "fixtures/refuses-a-configuration.json", "plugin.c", "sidegate.h"},
		"go": {".gitignore", "Makefile", "fixtures/denies.json", "fixtures/labels.json",
			"fixtures/passes-without-configuration.json", "fixtures/refuses-a-configuration.json", "go.mod", "main.go", "sidegate/sidegate.go"},
	} {
		files, err := sdk.Files(language, "time")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
			checkFile(t, f)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %q, want %q", language, names, want)
		}
	}
}

func checkFile(t *testing.T, f sdk.File) {
	for _, word := range []string{"plugin-name", "github.com/sidegate", `"resolved"`} {
		if strings.Contains(string(f.Data), word) {
			t.Errorf("%s holds %s", f.Name, word)
		}
	}
	if !strings.HasSuffix(f.Name, ".go") {
		return
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), f.Name, f.Data, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		if strings.Contains(spec.Path.Value, ".") && spec.Path.Value != `"example.com/time/sidegate"` {
			t.Errorf("%s imports %s", f.Name, spec.Path.Value)
		}
	}
}

func TestFilesAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "A", "a/b", "..", "a b", "-a", "a-", "a--b", "1a", "a_b", "a.b", "\u00e9", "a\n", strings.Repeat("a", 64)} {
		if _, err := sdk.Files("c", name); !errors.Is(err, sdk.ErrName) {
			t.Errorf("%q: %v, want ErrName", name, err)
		}
	}
	for _, language := range []string{"", "rust", "C", "../sdk"} {
		if _, err := sdk.Files(language, "a"); err == nil || errors.Is(err, sdk.ErrName) {
			t.Errorf("%q: %v", language, err)
		}
	}
}
