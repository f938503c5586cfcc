package history

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
)

func TestMain(m *testing.M) {
	executor.RunChild()
	os.Exit(m.Run())
}

// load has a gateway's configuration answer by policies, as the command line does.
func load(ctx context.Context, c config.Config, paths ...string) (*daemon.Explainer, error) {
	return daemon.NewExplainer(ctx, &c, daemon.PolicySources{Paths: paths, NoteCalls: true})
}

// loaded is load for the length of a test.
func loaded(t testing.TB, c config.Config, paths ...string) *daemon.Explainer {
	t.Helper()
	e, err := load(t.Context(), c, paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	return e
}

// policyDir is a directory with one policy.
func policyDir(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.rego"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
