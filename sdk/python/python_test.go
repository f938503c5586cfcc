// Package python_test runs the tests of the Python connector against a real gateway.
package python_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/trial"
)

// TestConnector starts a gateway that knows a Func client, a client with RFC 9421 signatures, and this user on a Unix socket, and runs the Python tests.
func TestConnector(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("this host has no python3")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "sidegate")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/sidegate").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	gate := filepath.Join(dir, "gate")
	callback := freePort(t)
	const secret = "a secret of the agent, 32 bytes or more"
	g, err := trial.Start(t.Context(), trial.Options{
		Binary: binary, Dir: gate, Callbacks: "http://127.0.0.1:" + strconv.Itoa(callback) + "/*",
		Edit: func(yaml string) (string, error) {
			if err := os.WriteFile(filepath.Join(gate, "agent.secret"), []byte(secret+"\n"), 0o600); err != nil {
				return "", err
			}
			yaml = strings.ReplaceAll(yaml, `roles: ["readonly"]`, "roles: [compat]")
			yaml = strings.Replace(yaml, "roles: [operator]", "roles: [operator, compat]", 1)
			return strings.Replace(yaml, "clients:\n", "clients:\n  - {name: agent, scheme: httpsig, secret_file: agent.secret, roles: [compat]}\n", 1), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(g.URL, "http://"))
	number, _ := strconv.Atoi(port)
	scripts := map[string]string{
		"greet": `printf '%s 中文' "$APP_GREETING"; ls /nowhere`,
		"fail":  "printf out; printf err >&2; exit 3",
		"wait":  "echo begun; exec sleep 60",
		"count": `for i in 1 2 3; do echo $i; done; printf '\377\n' >&2; printf 中`,
		"lines": "for i in $(seq 40); do echo line $i; sleep 0.01; done",
		"show":  `printf '<%s><%s>' "$APP_A" "$APP_B"`,
	}
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := json.Marshal(map[string]any{
		"host": host, "port": number, "secret": string(g.Secret), "socket": filepath.Join(gate, "sidegate.sock"),
		"client": "agent", "clientSecret": secret, "callback": callback, "scripts": dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-B", "-W", "error", "-m", "unittest", "-v", "test_sidegate")
	cmd.Env = append(os.Environ(), "SIDEGATE_TEST="+string(settings), "PYTHONDONTWRITEBYTECODE=1")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\nthe gateway:\n%s", err, said, g.Log())
	}
	if !bytes.Contains(said, []byte("\nOK")) {
		t.Errorf("not all tests ran:\n%s", said)
	}
}

// freePort returns a port of loopback that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
