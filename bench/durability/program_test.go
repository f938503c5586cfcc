package durability

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// scratch holds the program, once for all trials.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "sidegate-built-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := scratch(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// built is the program as it is shipped: never with the race detector, which makes it another one.
var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("DURABILITY_SIDEGATE"); path != "" {
		return filepath.Abs(path)
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sidegate")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "github.com/sidegate/sidegate/cmd/sidegate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return path, nil
})

func program(t testing.TB) string {
	t.Helper()
	path, err := built()
	must(t, err)
	return path
}

// setting is a number of the environment, or the short form's.
func setting(t testing.TB, name string, short int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number of at least 1", name, text)
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
