package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/auth"
)

// TestFullDisk: while the journal's disk has no room nothing runs and every call answers 507; when room returns, the very
// same call is taken.
func TestFullDisk(t *testing.T) {
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
	_, url, stop := s.start(t)
	defer stop()

	filler := filepath.Join(disk, "filler")
	var room unix.Statfs_t
	if err := unix.Statfs(disk, &room); err != nil {
		t.Fatal(err)
	}
	write(t, filler, strings.Repeat("x", int(room.Bavail)*int(room.Bsize)-(2<<20)), 0o600)
	ran := filepath.Join(s.dir, "out", "ran")
	order := map[string]string{"command": "touch " + ran}
	nonce := auth.NewNonce()
	call := func() answer {
		t.Helper()
		req, err := signed(t.Context(), url, nonce, order)
		if err != nil {
			t.Fatal(err)
		}
		a, err := send(http.DefaultClient, req)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := call(); a.Status != http.StatusInsufficientStorage || a.Reason != "journal_unavailable" {
		t.Errorf("a full disk answered %+v", a)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command ran although nothing could be recorded")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if a := call(); a.Status != http.StatusOK {
		t.Errorf("with room again: %+v", a)
	}
	if _, err := os.Stat(ran); err != nil {
		t.Error("the command did not run")
	}
	if a := call(); a.Status != http.StatusConflict {
		t.Errorf("the third time: %+v", a)
	}
	http.DefaultClient.CloseIdleConnections()
}
