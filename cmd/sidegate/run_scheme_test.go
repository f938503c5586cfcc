package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One who names the wrong scheme is told the right one, and not that the gateway may not be running.
func TestRunTellsTheScheme(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("s"), 64), 0o600); err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	open := httptest.NewServer(handler)
	defer open.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for url, want := range map[string]string{
		strings.Replace(open.URL, "http:", "https:", 1):   "speaks plain HTTP, and not TLS: write " + open.URL,
		strings.Replace(secure.URL, "https:", "http:", 1): "speaks TLS: write " + secure.URL,
		secure.URL: "SSL_CERT_FILE",
	} {
		cmd := newRunCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"--url", url, "--secret-file", secret, "--", "true"})
		err := cmd.ExecuteContext(t.Context())
		if !errorHas(err, want) || strings.Contains(err.Error(), "is the gateway running?") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
