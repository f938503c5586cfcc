// Package internal_test holds the walls between packages: who may import whom.
package internal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/sidegate/sidegate"

// A wall keeps a module, or a package of the standard library, in a few rooms.
type wall struct {
	what string   // import path, with everything below it
	only []string // rooms that may import it
	why  string
}

var walls = []wall{
	{"github.com/open-policy-agent/opa", []string{"policy"}, "decisions have one engine, and one place to upgrade it"},
	{"github.com/tetratelabs/wazero", []string{"wasm"}, "guests have one host"},
	{"github.com/gorilla/mux", []string{"gateway"}, "HTTP ends at the gateway"},
	{"mvdan.cc/sh", []string{"internal/shell"}, "there is one reading of a command"},
	{"modernc.org/sqlite", []string{"internal/journal"}, "durable state has one owner"},
	{"github.com/prometheus", []string{"internal/metrics"}, "figures have one page"},
	{"go.opentelemetry.io", []string{"internal/tracing"}, "traces have one way out"},
	{"github.com/coreos/go-systemd", []string{"internal/systemd"}, "the service manager is told by one"},
	{"github.com/yaronf/httpsign", []string{"internal/auth"}, "signatures are made and judged in one place"},
	{"github.com/dunglas/httpsfv", []string{"internal/auth"}, "signatures are made and judged in one place"},
	{"C", nil, "everything builds without a C compiler"},
}

// testOnly are modules that only test files may import.
var testOnly = []string{"github.com/rogpeppe/go-internal", "go.uber.org/goleak", "github.com/getkin/kin-openapi", module + "/internal/metrics/metricstest", module + "/internal/tracing/tracingtest"}

// A room is a folder of the module, with everything below it, and the other rooms that
// it may import.
type room struct {
	name  string
	may   []string
	tests []string // what its test files may import in addition
	why   string
}

var (
	leaves = []string{
		"internal/audit", "internal/auth", "internal/callback", "internal/client", "internal/config", "internal/egress", "internal/jobs", "internal/journal", "internal/metrics", "internal/shell", "internal/sidecar", "internal/systemd", "internal/tracing",
		"executor", "policy", "wasm",
	}
	embedded = []string{"policies", "schemas", "sdk"} // files that programs carry
)

const (
	leafWhy    = "a leaf imports no other part: what it needs of one, internal/daemon or gateway passes in"
	commandWhy = "commands reach the gateway through internal/daemon, look back through internal/history, or use a leaf offline"
	daemonWhy  = "it wires what runs below the command line"
	historyWhy = "it asks what a gateway would answer, and whoever calls it says how to ask"
	outsideWhy = "it looks at Sidegate from outside, as a caller does"
	dataWhy    = "it is data"
	guestWhy   = "guests run outside the gateway"
)

var rooms = slices.Concat(
	[]room{
		{"cmd", slices.Concat([]string{"internal/daemon", "internal/history"}, leaves, embedded), []string{"internal/trial"}, commandWhy},
		{"internal/daemon", slices.Concat([]string{"gateway"}, leaves, embedded), []string{"internal/trial"}, daemonWhy},
		{"internal/history", []string{"gateway", "internal/audit", "internal/auth", "internal/config", "policy"}, []string{"internal/daemon", "internal/callback", "executor"}, historyWhy},
		{"gateway", leaves, embedded, "it stands between the daemon and the leaves"},
		{"internal/trial", []string{"internal/auth"}, nil, outsideWhy},
		{"internal/seed", nil, nil, "it is for tests"},
		{"internal/skipped", nil, nil, "it is for tests"},
		{"demo", []string{"internal/auth", "internal/trial"}, nil, outsideWhy},
		{"bench/durability", []string{"internal/audit", "internal/journal", "internal/trial"}, nil, "it looks at what a gateway leaves behind"},
		{"bench/spawn", []string{"executor"}, nil, "it measures the executor alone"},
		{"bench", []string{"internal/auth", "internal/trial"}, nil, outsideWhy},
		{"deploy/release", []string{"internal/config", "policies"}, nil, "it packs what the program ships"},
		{"deploy", nil, nil, outsideWhy},
		{"policies", nil, nil, dataWhy},
		{"schemas", nil, nil, dataWhy},
		{"plugins", []string{"sdk"}, nil, guestWhy},
		{"sdk/python", nil, []string{"internal/trial"}, outsideWhy},
		{"sdk", nil, nil, guestWhy},
	},
	leafRooms(),
)

func leafRooms() []room {
	all := make([]room, len(leaves))
	for i, name := range leaves {
		all[i] = room{name: name, tests: []string{"internal/seed"}, why: leafWhy}
		switch name {
		case "policy":
			all[i].may = []string{"policies", "schemas"} // the library and the schemas belong to it
		case "wasm":
			all[i].tests = []string{"internal/seed", "sdk"} // its templates are built and run
		}
	}
	return all
}

// A source is one Go file: where it is, whether it is a test, what it imports.
type source struct {
	file    string
	imports []string
}

func (s source) isTest() bool { return strings.HasSuffix(s.file, "_test.go") }

// scan reads the imports of every Go file below fsys that belongs to the module,
// whatever its build constraints: a wall that holds on one system only is no wall.
func scan(fsys fs.FS) ([]source, error) {
	var sources []source
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipDir(fsys, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		s := source{file: name}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			s.imports = append(s.imports, imported)
		}
		sources = append(sources, s)
		return nil
	})
	return sources, err
}

// skipDir leaves out what the go command leaves out: hidden folders, testdata, and
// modules of their own.
func skipDir(fsys fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// violations says which import breaks which rule, and why there is that rule.
func violations(sources []source) []string {
	var found []string
	for _, s := range sources {
		in := path.Dir(s.file)
		at := roomOf(in)
		if in == "internal" && s.isTest() {
			continue // this file
		}
		if at == nil {
			found = append(found, fmt.Sprintf("%s: the folder %s is in no room; add it to the table in internal/deps_test.go, with what it may import", s.file, in))
			continue
		}
		for _, imported := range s.imports {
			if problem := violation(s, *at, imported); problem != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", s.file, imported, problem))
			}
		}
	}
	return found
}

// violation returns what is wrong with one import, or "".
func violation(s source, at room, imported string) string {
	for _, w := range walls {
		if within(imported, w.what) && !slices.Contains(w.only, at.name) {
			if len(w.only) == 0 {
				return "nobody may: " + w.why
			}
			return fmt.Sprintf("only %s may: %s", strings.Join(w.only, ", "), w.why)
		}
	}
	if slices.ContainsFunc(testOnly, func(m string) bool { return within(imported, m) }) && !s.isTest() {
		return "only tests may: it is not part of the program"
	}
	if !within(imported, module) {
		return ""
	}
	target := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
	to := roomOf(target)
	switch {
	case to == nil:
		return "it is in no room of the table in internal/deps_test.go"
	case to.name == at.name, slices.Contains(at.may, to.name), s.isTest() && slices.Contains(at.tests, to.name):
		return ""
	case to.name == "cmd":
		return "nobody imports cmd: it is the top"
	}
	return fmt.Sprintf("%s may not import %s: %s", at.name, to.name, at.why)
}

// roomOf returns the room that a folder is in, or nil.
func roomOf(folder string) *room {
	i := slices.IndexFunc(rooms, func(r room) bool { return within(folder, r.name) })
	if i < 0 {
		return nil
	}
	return &rooms[i]
}

// within reports whether the path p is root or below it: mvdan.cc/sh/v3 is within
// mvdan.cc/sh, and mvdan.cc/shx is not.
func within(p, root string) bool {
	return p == root || strings.HasPrefix(p, root+"/")
}

func TestWalls(t *testing.T) {
	t.Parallel()
	sources, err := scan(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"internal/deps_test.go", "internal/config/load.go"} {
		if !slices.ContainsFunc(sources, func(s source) bool { return s.file == must }) {
			t.Errorf("the scan did not see %s", must)
		}
	}
	for _, problem := range violations(sources) {
		t.Error(problem)
	}
}

// TestWallsAreSeen feeds the checker imports that break each rule, and their nearest
// neighbours that do not.
func TestWallsAreSeen(t *testing.T) {
	t.Parallel()
	const noRoom = "; add it to the table in internal/deps_test.go, with what it may import"
	for _, test := range []struct{ file, imported, want string }{
		{"policy/a.go", "github.com/open-policy-agent/opa/v1/rego", ""},
		{"policy/authoring/a.go", "github.com/open-policy-agent/opa/v1/tester", ""},
		{"gateway/a.go", "github.com/open-policy-agent/opa/v1/rego", "only policy may: decisions have one engine, and one place to upgrade it"},
		{"cmd/sidegate/a.go", "github.com/open-policy-agent/opa/v1/ast", "only policy may: decisions have one engine, and one place to upgrade it"},
		{"internal/daemon/a_test.go", "github.com/open-policy-agent/opa/v1/ast", "only policy may: decisions have one engine, and one place to upgrade it"},
		{"policy2/a.go", "fmt", "NO ROOM policy2"},
		{"wasm/meter/a.go", "github.com/tetratelabs/wazero/api", ""},
		{"executor/a.go", "github.com/tetratelabs/wazero", "only wasm may: guests have one host"},
		{"gateway/a.go", "github.com/gorilla/mux", ""},
		{"internal/daemon/a.go", "github.com/gorilla/mux", "only gateway may: HTTP ends at the gateway"},
		{"internal/shell/a.go", "mvdan.cc/sh/v3/syntax", ""},
		{"gateway/a_linux.go", "mvdan.cc/sh/v3/syntax", "only internal/shell may: there is one reading of a command"},
		{"gateway/a.go", "mvdan.cc/shx", ""},
		{"internal/journal/a.go", "modernc.org/sqlite", ""},
		{"internal/jobs/a.go", "modernc.org/sqlite/lib", "only internal/journal may: durable state has one owner"},
		{"internal/metrics/metricstest/a.go", "github.com/prometheus/client_golang/prometheus/testutil/promlint", ""},
		{"internal/systemd/a.go", "github.com/coreos/go-systemd/v22/daemon", ""},
		{"internal/daemon/a.go", "github.com/coreos/go-systemd/v22/daemon", "only internal/systemd may: the service manager is told by one"},
		{"internal/tracing/a.go", "go.opentelemetry.io/otel/trace", ""},
		{"gateway/a.go", "go.opentelemetry.io/otel/trace", "only internal/tracing may: traces have one way out"},
		{"internal/daemon/a_test.go", "github.com/prometheus/client_golang/prometheus", "only internal/metrics may: figures have one page"},
		{"internal/auth/a.go", "github.com/yaronf/httpsign", ""},
		{"internal/client/a.go", "github.com/yaronf/httpsign", "only internal/auth may: signatures are made and judged in one place"},
		{"executor/a.go", "C", "nobody may: everything builds without a C compiler"},

		{"cmd/sidegate/a_test.go", "github.com/rogpeppe/go-internal/testscript", ""},
		{"cmd/sidegate/a.go", "github.com/rogpeppe/go-internal/testscript", "only tests may: it is not part of the program"},
		{"gateway/a.go", "go.uber.org/goleak", "only tests may: it is not part of the program"},
		{"internal/daemon/a.go", module + "/internal/metrics/metricstest", "only tests may: it is not part of the program"},
		{"internal/daemon/a_test.go", module + "/internal/metrics/metricstest", ""},

		{"internal/auth/a.go", module + "/internal/shell", "internal/auth may not import internal/shell: " + leafWhy},
		{"internal/auth/a_test.go", module + "/internal/shell", "internal/auth may not import internal/shell: " + leafWhy},
		{"executor/a.go", module + "/executor/internal/spawn", ""},
		{"executor/a.go", module + "/policy", "executor may not import policy: " + leafWhy},
		{"policy/a.go", module + "/executor", "policy may not import executor: " + leafWhy},
		{"policy/a_test.go", module + "/policies", ""},
		{"policy/authoring/a.go", module + "/schemas", ""},
		{"policies/embed.go", module + "/policy", "policies may not import policy: " + dataWhy},
		{"wasm/a.go", module + "/internal/egress", "wasm may not import internal/egress: " + leafWhy},
		{"internal/jobs/a.go", module + "/gateway", "internal/jobs may not import gateway: " + leafWhy},
		{"internal/config/a.go", module + "/internal/daemon", "internal/config may not import internal/daemon: " + leafWhy},

		{"gateway/a.go", module + "/internal/journal", ""},
		{"gateway/a.go", module + "/wasm", ""},
		{"gateway/a_test.go", module + "/policies", ""},
		{"gateway/a.go", module + "/policies", "gateway may not import policies: it stands between the daemon and the leaves"},
		{"gateway/a.go", module + "/internal/daemon", "gateway may not import internal/daemon: it stands between the daemon and the leaves"},
		{"internal/daemon/a.go", module + "/gateway", ""},
		{"internal/daemon/a.go", module + "/internal/history", "internal/daemon may not import internal/history: " + daemonWhy},
		{"internal/history/a.go", module + "/gateway", ""},
		{"internal/history/a.go", module + "/policy/authoring", ""},
		{"internal/history/a.go", module + "/internal/daemon", "internal/history may not import internal/daemon: " + historyWhy},
		{"internal/history/a_test.go", module + "/internal/daemon", ""},
		{"internal/history/a.go", module + "/internal/journal", "internal/history may not import internal/journal: " + historyWhy},
		{"gateway/a.go", module + "/internal/history", "gateway may not import internal/history: it stands between the daemon and the leaves"},
		{"cmd/sidegate/a.go", module + "/internal/history", ""},
		{"internal/daemon/a.go", module + "/cmd/sidegate", "nobody imports cmd: it is the top"},
		{"cmd/sidegate/a.go", module + "/internal/daemon", ""},
		{"cmd/sidegate/a.go", module + "/policy/authoring", ""},
		{"cmd/sidegate/a.go", module + "/gateway", "cmd may not import gateway: " + commandWhy},
		{"cmd/sidegate/a_test.go", module + "/internal/trial", ""},
		{"cmd/sidegate/a.go", module + "/internal/trial", "cmd may not import internal/trial: " + commandWhy},
		{"demo/main.go", module + "/gateway", "demo may not import gateway: " + outsideWhy},
		{"plugins/redact/a.go", module + "/wasm", "plugins may not import wasm: " + guestWhy},
		{"plugins/redact/a.go", module + "/sdk/go/sidegate", ""},
		{"sdk/a.go", module + "/plugins/redact", "sdk may not import plugins: " + guestWhy},
		{"wasm/fixture/a_test.go", module + "/sdk", ""},
		{"wasm/fixture/a.go", module + "/sdk", "wasm may not import sdk: " + leafWhy},
		{"internal/util/a.go", "fmt", "NO ROOM internal/util"},
		{"a.go", "fmt", "NO ROOM ."},
		{"gateway/a.go", module + "/internal/util", "it is in no room of the table in internal/deps_test.go"},
		{"gateway/a.go", module, "it is in no room of the table in internal/deps_test.go"},

		{"gateway/testdata/a.go", module + "/cmd/sidegate", ""},
		{"tools/a.go", "C", ""},
		{".hidden/a.go", "C", ""},
	} {
		sources, err := scan(fstest.MapFS{
			test.file:      {Data: []byte("//go:build never\n\npackage a\n\nimport _ \"" + test.imported + "\"\n")},
			"tools/go.mod": {Data: []byte("module other\n")},
			"README.md":    {},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := test.want
		switch folder, ok := strings.CutPrefix(want, "NO ROOM "); {
		case ok:
			want = test.file + ": the folder " + folder + " is in no room" + noRoom
		case want != "":
			want = test.file + " imports " + test.imported + ": " + want
		}
		if got := strings.Join(violations(sources), "\n"); got != want {
			t.Errorf("%s imports %s:\ngot  %s\nwant %s", test.file, test.imported, got, want)
		}
	}
}

func TestScanRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	if _, err := scan(fstest.MapFS{"gateway/a.go": {Data: []byte("package a\n\nimport (\n")}}); err == nil {
		t.Error("a file whose imports cannot be read was passed over")
	}
}
