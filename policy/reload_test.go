package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestBrokenEditKeepsLastGood(t *testing.T) {
	t.Parallel()
	e, changes, dir := openFiles(t, map[string]string{"p.rego": allows("first")})
	first := e.Status()

	write(t, dir, map[string]string{"p.rego": "package sidegate\n\ndecision := {\"allow\": input.request.wait,,}\n"})
	s := await(t, changes, broken)
	if !s.Ready || s.Revision != first.Revision || !s.ActivatedAt.Equal(first.ActivatedAt) ||
		!strings.Contains(s.LastError.Error(), filepath.Join(dir, "p.rego")+":3") {
		t.Fatalf("status %+v", s)
	}
	if d := decide(t, e, oneCommand()); d.Grants[0] != "first" {
		t.Fatalf("decision %+v", d)
	}

	write(t, dir, map[string]string{"p.rego": allows("second")})
	s = await(t, changes, good)
	if s.Revision == first.Revision || !s.LastErrorAt.IsZero() {
		t.Fatalf("status %+v", s)
	}
	if d := decide(t, e, oneCommand()); d.Grants[0] != "second" || d.Revision != s.Revision {
		t.Fatalf("decision %+v", d)
	}

	// Going back to what is active mends, too.
	write(t, dir, map[string]string{"extra.rego": "nonsense"})
	await(t, changes, broken)
	if err := os.Remove(filepath.Join(dir, "extra.rego")); err != nil {
		t.Fatal(err)
	}
	if mended := await(t, changes, good); mended.Revision != s.Revision {
		t.Fatalf("status %+v", mended)
	}
}

func TestDirectoryThatVanishesKeepsLastGood(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "policies")
	write(t, dir, map[string]string{"p.rego": allows("first")})
	e, changes := open(t, Config{Paths: []string{dir}})
	if err := os.Rename(dir, filepath.Join(parent, "aside")); err != nil {
		t.Fatal(err)
	}
	if s := await(t, changes, broken); !s.Ready {
		t.Fatalf("status %+v", s)
	}
	write(t, parent, map[string]string{"new/p.rego": allows("second")})
	if err := os.Rename(filepath.Join(parent, "new"), dir); err != nil {
		t.Fatal(err)
	}
	await(t, changes, good)
	if d := decide(t, e, oneCommand()); d.Grants[0] != "second" {
		t.Fatalf("decision %+v", d)
	}
	// The watch follows to the new directory.
	write(t, dir, map[string]string{"p.rego": allows("third")})
	await(t, changes, func(s Status) bool { return good(s) && decide(t, e, oneCommand()).Grants[0] == "third" })
}

func TestEditsAreSeen(t *testing.T) {
	t.Parallel()
	granted := func(e *Engine, t *testing.T, want string) func(Status) bool {
		return func(s Status) bool { return good(s) && decide(t, e, oneCommand()).Grants[0] == want }
	}
	fromData := answers(`{"allow": true, "grants": [data.sidegate.name], "reasons": [], "obligations": {}}`)

	t.Run("renamed over", func(t *testing.T) {
		t.Parallel()
		e, changes, dir := openFiles(t, map[string]string{"p.rego": allows("a")})
		write(t, dir, map[string]string{".p.rego.swp": allows("b")})
		if err := os.Rename(filepath.Join(dir, ".p.rego.swp"), filepath.Join(dir, "p.rego")); err != nil {
			t.Fatal(err)
		}
		await(t, changes, granted(e, t, "b"))
	})
	t.Run("in a new subdirectory", func(t *testing.T) {
		t.Parallel()
		e, changes, dir := openFiles(t, map[string]string{"p.rego": fromData, "data.json": `{"sidegate": {"name": "a"}}`})
		if err := os.Remove(filepath.Join(dir, "data.json")); err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{"sidegate/deep/x.rego": "package sidegate.deep\n", "sidegate/data.yaml": "name: b\n"})
		await(t, changes, granted(e, t, "b"))
		write(t, dir, map[string]string{"sidegate/data.yaml": "name: c\n"})
		await(t, changes, granted(e, t, "c"))
	})
	t.Run("like a ConfigMap", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir, map[string]string{
			"..1/p.rego": fromData, "..1/sidegate/data.json": `{"name": "a"}`,
			"..2/p.rego": fromData, "..2/sidegate/data.json": `{"name": "b"}`,
		})
		for link, target := range map[string]string{"..data": "..1", "p.rego": "..data/p.rego", "sidegate": "..data/sidegate"} {
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		e, changes := open(t, Config{Paths: []string{dir}})
		if d := decide(t, e, oneCommand()); d.Grants[0] != "a" {
			t.Fatalf("decision %+v", d)
		}
		if err := os.Symlink("..2", filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
			t.Fatal(err)
		}
		await(t, changes, granted(e, t, "b"))
		write(t, dir, map[string]string{"..2/sidegate/data.json": `{"name": "c"}`})
		await(t, changes, granted(e, t, "c"))
	})
	t.Run("at the end of a link", func(t *testing.T) {
		t.Parallel()
		parent := t.TempDir()
		write(t, parent, map[string]string{"elsewhere/real.rego": allows("a")})
		dir := filepath.Join(parent, "policies")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../elsewhere/real.rego", filepath.Join(dir, "p.rego")); err != nil {
			t.Fatal(err)
		}
		e, changes := open(t, Config{Paths: []string{dir}})
		write(t, parent, map[string]string{"elsewhere/real.rego": allows("b")})
		await(t, changes, granted(e, t, "b"))
	})
}

// While policies are exchanged under load, every decision is by one revision
// whole, rules and data, and none fails.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	version := func(n int) map[string]string {
		return map[string]string{
			"p.rego": answers(fmt.Sprintf(`{"allow": true, "grants": ["rule %d", data.sidegate.name], "reasons": [], "obligations": {}}`, n)),
			// Enough data that a commit takes its time.
			"data.json": fmt.Sprintf(`{"sidegate": {"name": "rule %d", "filler": [%s0]}}`, n, strings.Repeat("0,", 20_000)),
		}
	}
	// One link names the version in force, so that each exchange is atomic.
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	point := func(n int) {
		write(t, filepath.Join(dir, fmt.Sprint(n)), version(n))
		if err := os.Symlink(fmt.Sprint(n), link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	point(0)
	e, _ := open(t, Config{Paths: []string{link}})
	done := make(chan struct{})
	var deciders sync.WaitGroup
	revisions := make([]map[string]string, 4)
	for i := range revisions {
		revisions[i] = make(map[string]string)
		deciders.Go(func() {
			in := oneCommand()
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := e.Decide(t.Context(), in)
				if err != nil || !d.Allow || d.Grants[0] != d.Grants[1] {
					t.Errorf("decision %+v, error %v", d, err)
					return
				}
				if before, ok := revisions[i][d.Revision]; ok && before != d.Grants[0] {
					t.Errorf("revision %s answered %q and %q", d.Revision, before, d.Grants[0])
					return
				}
				revisions[i][d.Revision] = d.Grants[0]
			}
		})
	}
	for n := range 20 {
		point(n + 1)
		if err := e.Reload(t.Context()); err != nil {
			t.Errorf("reload %d: %v", n, err)
		}
	}
	close(done)
	deciders.Wait()
	if d := decide(t, e, oneCommand()); d.Grants[0] != "rule 20" {
		t.Errorf("decision %+v", d)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": "package sidegate\n\ndecision := a\n\nother := b\n"})
	problems := Problems(e.Status().LastError)
	if len(problems) != 2 || !strings.Contains(problems[0].String(), "p.rego:3: rego_unsafe_var_error: ") || problems[1].Line != 5 {
		t.Errorf("problems %q", problems)
	}
	if Problems(nil) != nil || len(Problems(ast.Errors{})) != 0 {
		t.Error("problems where there are none")
	}
}
