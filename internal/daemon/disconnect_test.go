package daemon

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// TestCommandEndsWithItsCaller: on every kind of listener, a command that is to end with its caller does, also when the caller
// sends something more before it hangs up.
func TestCommandEndsWithItsCaller(t *testing.T) {
	dir := t.TempDir()
	s := newSite(t, filepath.Join(dir, "state"), "")
	socket := filepath.Join(dir, "gate.sock")
	s.yaml = strings.Replace(s.yaml, `["127.0.0.1:0"]`, `["127.0.0.1:0", "unix:`+socket+`"]`, 1)
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"),
		strings.Replace(allowAll, `"obligations": {`, `"obligations": {"on_disconnect": "kill", `, 1), 0o644)
	d, url, _ := s.start(t)
	for i, address := range []net.Addr{d.addresses()[0], &net.UnixAddr{Name: socket, Net: "unix"}} {
		begun := fmt.Sprintf("begun%d", i)
		req, err := signed(t.Context(), url, auth.NewNonce(), map[string]string{"command": fmt.Sprintf("sh -c 'touch %s; sleep 3600'", filepath.Join(s.dir, "out", begun))})
		if err != nil {
			t.Fatal(err)
		}
		var call bytes.Buffer
		if err := req.Write(&call); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial(address.Network(), address.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call.WriteTo(conn); err != nil {
			t.Fatal(err)
		}
		s.await(t, begun)
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the command has ended with its caller on "+address.Network(), func() bool {
			jobs, err := d.journal.Jobs(t.Context(), journal.Filter{})
			if err != nil || len(jobs) != i+1 {
				t.Fatal(jobs, err)
			}
			killed := 0
			for _, job := range jobs {
				if job.Status == journal.Killed {
					killed++
				}
			}
			return killed == len(jobs)
		})
	}
}
