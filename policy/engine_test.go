package policy

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

// answers makes a policy whose decision is the given Rego expression.
func answers(expression string) string {
	return "package sidegate\n\ndecision := " + expression + "\n"
}

// allows is a policy that allows everything and names itself in a grant.
func allows(grant string) string {
	return answers(`{"allow": true, "grants": ["` + grant + `"], "reasons": [], "obligations": {}}`)
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// open starts an engine that ends with the test. The channel gets
// the changes of status after New.
func open(t testing.TB, config Config) (*Engine, <-chan Status) {
	t.Helper()
	changes := make(chan Status, 1000)
	config.OnChange = func(s Status) { changes <- s }
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.AnyOwner = true // a checkout may be anybody's; TestExposedPolicies and its kin do without
	e, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	for len(changes) > 0 {
		<-changes // of New itself
	}
	return e, changes
}

func openFiles(t testing.TB, files map[string]string) (*Engine, <-chan Status, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	e, changes := open(t, Config{Paths: []string{dir}})
	return e, changes, dir
}

// await returns the first status that satisfies ok.
func await(t testing.TB, changes <-chan Status, ok func(Status) bool) Status {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case s := <-changes:
			if ok(s) {
				return s
			}
		case <-timeout:
			t.Fatal("the status that was waited for did not come")
		}
	}
}

func broken(s Status) bool { return s.LastError != nil }
func good(s Status) bool   { return s.Ready && s.LastError == nil }

func decide(t testing.TB, e *Engine, in Input) Decision {
	t.Helper()
	d, err := e.Decide(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if d.Allow && (len(d.Reasons) > 0 || d.Fault != "") || !d.Allow && len(d.Reasons) == 0 {
		t.Fatalf("contradictory decision: %+v", d)
	}
	return d
}

func TestDecide(t *testing.T) {
	t.Parallel()
	e, _ := open(t, Config{Paths: []string{"testdata/small"}})
	if s := e.Status(); !good(s) || len(s.Revision) != shortRevision || s.ActivatedAt.IsZero() {
		t.Fatalf("status %+v", s)
	}
	allowed := decide(t, e, oneCommand())
	if !allowed.Allow || allowed.Grants[0] != "files.list" || allowed.Obligations.Timeout != 30*time.Second ||
		allowed.Obligations.MaxOutput != 1<<20 || allowed.Revision != e.Status().Revision {
		t.Errorf("decision %+v", allowed)
	}
	six := decide(t, e, sixCommands())
	if !six.Allow || len(six.Grants) != 5 {
		t.Errorf("decision %+v", six)
	}
	in := oneCommand()
	in.Client.Roles = nil
	denied := decide(t, e, in)
	if denied.Allow || denied.Fault != "" || denied.Reasons[0] != "command 0: ls is not granted" {
		t.Errorf("decision %+v", denied)
	}
}

func TestNotLoaded(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"broken":        {"p.rego": "package sidegate\n\ndecision :="},
		"no entrypoint": {"p.rego": "package sidegate\n\nverdict := true"},
		"empty":         {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, changes, dir := openFiles(t, files)
			if s := e.Status(); s.Ready || s.LastError == nil || s.LastErrorAt.IsZero() {
				t.Fatalf("status %+v", s)
			}
			d, err := e.Decide(t.Context(), oneCommand())
			if err != ErrNotLoaded || d.Allow {
				t.Fatalf("decision %+v, error %v", d, err)
			}
			write(t, dir, map[string]string{"p.rego": allows("mended")})
			await(t, changes, good)
			if d := decide(t, e, oneCommand()); !d.Allow {
				t.Fatalf("decision %+v", d)
			}
		})
	}
}

func TestMissingPathIsAwaited(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "yet")
	e, changes := open(t, Config{Paths: []string{dir}})
	if s := e.Status(); s.Ready || !os.IsNotExist(s.LastError) {
		t.Fatalf("status %+v", s)
	}
	write(t, dir, map[string]string{"p.rego": allows("late")})
	await(t, changes, good)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": allows("a")})
	e.Close(t.Context())
	e.Close(t.Context())
	if _, err := e.Decide(t.Context(), oneCommand()); err != ErrNotLoaded {
		t.Errorf("Decide after Close: %v", err)
	}
	if err := e.Reload(t.Context()); err != ErrNotLoaded {
		t.Errorf("Reload after Close: %v", err)
	}
	if e.Status().Ready {
		t.Error("ready after Close")
	}
}

// A load that does not end cannot keep the engine from closing, nor undo it.
func TestCloseWhileLoading(t *testing.T) {
	t.Parallel()
	e, _, dir := openFiles(t, map[string]string{"p.rego": allows("a")})
	e.loading.Lock() // a load is going on
	write(t, dir, map[string]string{"p.rego": allows("b")})
	waiting := make(chan error)
	go func() { waiting <- e.Reload(t.Context()) }()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(over)
	if _, err := e.Decide(t.Context(), oneCommand()); err != ErrNotLoaded {
		t.Errorf("Decide after Close: %v", err)
	}
	if err := e.loadLocal(t.Context()); err != nil { // it ends after all
		t.Error(err)
	}
	e.loading.Unlock()
	if err := <-waiting; err != ErrNotLoaded {
		t.Errorf("Reload: %v", err)
	}
	if _, err := e.Decide(t.Context(), oneCommand()); err != ErrNotLoaded || e.Status().Ready {
		t.Errorf("the load has undone Close: %v", err)
	}
	<-e.stopped
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]Config{
		"no paths":    {},
		"negative":    {Paths: []string{"testdata/small"}, Deadline: -1},
		`"http.sned"`: {Paths: []string{"testdata/small"}, AllowBuiltins: []string{"http.sned"}},
	} {
		if _, err := New(t.Context(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestPrintGoesToTheLog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": "package sidegate\n\ndecision := d if {\n\tprint(\"seen\", input.request.command)\n" +
		"\td := {\"allow\": true, \"grants\": [], \"reasons\": [], \"obligations\": {}}\n}\n"})
	e, _ := open(t, Config{
		Paths:  []string{dir},
		Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	decide(t, e, oneCommand())
	e.Close(t.Context())
	if !strings.Contains(out.String(), "seen ls -l /var/log") || !strings.Contains(out.String(), "p.rego:4") {
		t.Errorf("log: %s", out.String())
	}
}
