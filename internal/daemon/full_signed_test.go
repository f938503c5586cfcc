package daemon

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/auth"
)

// TestFullDiskAndSignedRequests: while nonces cannot be kept, what only reads is refused, because a copy of it could be taken after a restart; and who wants a job
// ended gets it ended.
func TestFullDiskAndSignedRequests(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	disk := t.TempDir()
	if err := unix.Mount("sidegate-test", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a tmpfs cannot be mounted here: %v", err)
	}
	defer func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s := newSite(t, filepath.Join(disk, "state"), "")
	const secret = "a secret of thirty-two bytes or more"
	write(t, filepath.Join(s.dir, "deploy.secret"), secret, 0o600)
	s.yaml = strings.Replace(s.yaml, "clients: [", "clients: [{name: deploy, scheme: httpsig, secret_file: deploy.secret, roles: [readonly]}, ", 1)
	_, url, stop := s.start(t)
	defer stop()
	signer, err := auth.NewHMACSigner("deploy", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if err := signer.Sign(req, []byte(body)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		answer := map[string]any{}
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return resp.StatusCode, answer
	}
	status, job := call(http.MethodPost, "/v1/jobs", `{"argv": ["sleep", "600"]}`)
	if status != http.StatusAccepted {
		t.Fatalf("%d %v", status, job)
	}
	path := "/v1/jobs/" + job["job_id"].(string)

	filler := filepath.Join(disk, "filler")
	var room unix.Statfs_t
	if err := unix.Statfs(disk, &room); err != nil {
		t.Fatal(err)
	}
	write(t, filler, strings.Repeat("x", int(room.Bavail)*int(room.Bsize)-(2<<20)), 0o600)
	if status, answer := call(http.MethodGet, path, ""); status != http.StatusInsufficientStorage || answer["reason"] != "journal_unavailable" {
		t.Errorf("a full disk answered %d %v", status, answer)
	}
	if status, answer := call(http.MethodDelete, path, ""); status != http.StatusAccepted {
		t.Errorf("cancelling on a full disk answered %d %v", status, answer)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	status, job = call(http.MethodGet, path, "")
	for status == http.StatusInsufficientStorage || job["status"] == "running" {
		status, job = call(http.MethodGet, path, "")
	}
	if status != http.StatusOK || job["status"] != "killed" {
		t.Errorf("with room again: %d %v", status, job)
	}
	http.DefaultClient.CloseIdleConnections()
}
