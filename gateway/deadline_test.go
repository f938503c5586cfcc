package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// served is a gateway with short deadlines on a real listener.
func served(t *testing.T) (*Gateway, string) {
	t.Helper()
	g := newGateway(t)
	g.bodyTime, g.replyTime = 100*time.Millisecond, 200*time.Millisecond
	g.bounds.MaxOutput = 16 << 20
	g.judge.bounds.MaxOutput = g.bounds.MaxOutput
	s := httptest.NewServer(g.Handler())
	t.Cleanup(s.Close)
	return g, s.Listener.Addr().String()
}

// TestBodyThatDoesNotArrive: a caller that sends half a body, and keeps the connection, is answered and hung up on.
func TestBodyThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	_, address := served(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /shell HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n{")
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// TestReplyThatIsNotTaken: a caller that does not read its reply does not keep its slot. And a command that takes longer
// than either deadline is not cut.
func TestReplyThatIsNotTaken(t *testing.T) {
	t.Parallel()
	g, address := served(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"command":"sh -c 'sleep 0.6; head -c 16777216 /dev/zero'"}`)
	nonce, now := auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)
	fmt.Fprintf(conn, "POST /shell HTTP/1.1\r\nHost: g\r\nX-Auth-Nonce: %s\r\nX-Auth-Timestamp: %s\r\nX-Auth-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
		nonce, now, auth.SignFunc([]byte("secret"), "POST", "/shell", nonce, now, body), len(body), body)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		jobs, err := g.journal.Jobs(t.Context(), journal.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(jobs) == 1 && jobs[0].Status.Final() && g.queue.Stats().Running == 0 {
			if jobs[0].Status != "exited" || jobs[0].ExitCode != 0 {
				t.Errorf("the job is %s, exit code %d", jobs[0].Status, jobs[0].ExitCode)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the slot is still held: %+v, %+v", jobs, g.queue.Stats())
		}
	}
}
