package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// A gate is a FIFO that a command of a test waits for.
type gate string

func newGate(t *testing.T) gate {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return gate(name)
}

// open lets one command that reads the gate go on, once it is there.
func (g gate) open(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(string(g), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// plug connects to the gateway as root does, and sends a request as it stands.
func (h *house) plug(t *testing.T, request string) (*net.UnixConn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // only if the test would hang
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn), bufio.NewReader(c)
}

// posted is a request for a job with events, as it stands on the wire.
func posted(body string) string {
	return fmt.Sprintf("POST /v1/jobs HTTP/1.1\r\nHost: g\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// reply reads the head of a reply.
func reply(t *testing.T, in *bufio.Reader, status int) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != status {
		t.Fatalf("got %+v, %v", res, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// Who follows sends nothing, for as long as the command runs: longer than any body may take to come.
func TestFollowOutlastsTheTimeForABody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	h.bodyTime = 50 * time.Millisecond
	h.socket += "2"
	h.serve(t, func(l net.Listener) net.Listener { return l }) // only net/http can tell who has left
	c := h.as(t, 0)
	g := newGate(t)
	id := create(t, c, fmt.Sprintf(`{"argv": ["cat", %q]}`, g))
	go func() {
		time.Sleep(6 * h.bodyTime) // so much time has to pass, at least
		g.open(t, "late\n")
	}()
	events := eventsOf(t, c, "/v1/jobs/"+id+"/output/stdout?follow=true")
	if got := outputOf(t, events, "stdout"); string(got) != "late\n" || events[len(events)-1].name != "end" {
		t.Errorf("got %v", events)
	}
}

// Who has sent all and reads on is no less there than anybody else.
func TestFollowHalfClosed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: strings.Replace(shellAllowing, `"mode"`, `"on_disconnect": "kill", "mode"`, 1), bounds: withShell})
	g, other := newGate(t), newGate(t)
	c, in := h.plug(t, posted(fmt.Sprintf(`{"command": "echo begun; cat %s"}`, g)))
	id := strings.TrimPrefix(reply(t, in, http.StatusOK).Header.Get("Location"), "/v1/jobs/")
	follower, followed := h.plug(t, "GET /v1/jobs/"+id+"/output/stdout?follow=true HTTP/1.1\r\nHost: g\r\n\r\n")
	for _, half := range []*net.UnixConn{c, follower} {
		if err := half.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	// What a half-closed connection brings takes its time to be misunderstood; a whole other job fits into it.
	late := create(t, h.as(t, 0), fmt.Sprintf(`{"command": "sleep 0.3; cat %s"}`, other))
	other.open(t, "")
	ended(t, h.as(t, 0), late)
	g.open(t, "and ended\n")
	text, err := io.ReadAll(reply(t, followed, http.StatusOK).Body)
	if err != nil || !strings.Contains(string(text), "event: end") || !strings.Contains(string(text), `and ended\n`) {
		t.Errorf("the follower got %q, %v", text, err)
	}
	if text := linesUntil(t, in, "event: result"); !strings.Contains(text, `and ended\n`) {
		t.Errorf("its creator got %q", text)
	}
	if strings.Contains(h.log.String(), "superfluous") {
		t.Errorf("the log says %s", h.log)
	}
}

// linesUntil reads lines up to one that begins with something, and the next.
func linesUntil(t *testing.T, in *bufio.Reader, begin string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after %s", err, &all)
		}
		all.WriteString(line)
		if strings.HasPrefix(line, begin) {
			return all.String()
		}
	}
}

// A job that has to end with its caller does so however many there are, whenever they leave.
func TestEventsEndWithTheirCaller(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: ends, concurrency: 16, length: 16})
	var ids []string
	for range 16 {
		c, in := h.plug(t, posted(`{"argv": ["sleep", "600"]}`))
		ids = append(ids, strings.TrimPrefix(reply(t, in, http.StatusOK).Header.Get("Location"), "/v1/jobs/"))
		c.Close()
	}
	for _, id := range ids {
		if job := ended(t, h.as(t, 0), id); job.Status != string(journal.Killed) {
			t.Errorf("it is %s", job.Status)
		}
	}
}

// A caller that takes its events slowly does not keep the place of its job for longer than it may take for any reply.
func TestSlowCallerGivesThePlaceBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{bounds: func(b *Bounds) { b.MaxOutput = 8 << 20 }})
	h.replyTime = time.Second
	file := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789abcde\n"), 8<<16), 0o644); err != nil {
		t.Fatal(err)
	}
	_, in := h.plug(t, posted(fmt.Sprintf(`{"argv": ["cat", %q]}`, file)))
	res := reply(t, in, http.StatusOK)
	buf := make([]byte, 32<<10)
	var last []byte
	for {
		n, err := io.ReadFull(res.Body, buf)
		if n > 0 {
			last = append(last[:0], buf[:n]...)
		}
		if err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond) // 8 MiB take five seconds like this, and each piece is taken in time
	}
	if bytes.Contains(last, []byte("event: result")) {
		t.Error("a caller took five seconds")
	}
}

// An offset counts bytes as they were written. Where not all of them are kept, what follows one cannot be told.
func TestOffsetInWhatIsNotKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, bounds: func(b *Bounds) { withShell(b); b.MaxOutput = 1000 }})
	c := h.as(t, 0)
	id := create(t, c, `{"command": "seq 1000; seq 10 >&2"}`)
	ended(t, c, id)
	path := "/v1/jobs/" + id + "/output/"
	if res, text := ask(t, c, "GET", path+"stdout?follow=true", "", "Last-Event-ID", "600"); res.StatusCode != http.StatusConflict || !strings.Contains(text, `"output_cut"`) {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
	if events := eventsOf(t, c, path+"stdout?follow=true&offset=0"); !strings.Contains(string(outputOf(t, events, "stdout")), "bytes left out") {
		t.Errorf("got %v", events)
	}
	if events := eventsOf(t, c, path+"stderr?follow=true&offset=4"); string(outputOf(t, events, "stderr")) != "3\n4\n5\n6\n7\n8\n9\n10\n" {
		t.Errorf("got %v", events)
	}
	if res, text := ask(t, c, "HEAD", path+"stdout?follow=true", ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("HEAD: got %d %s", res.StatusCode, text)
	}
}

// What there is so far of an output has an end, also where the command never stops writing, and says when it has a gap.
func TestOutputSoFar(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, bounds: func(b *Bounds) { withShell(b); b.MaxOutput = 100_000 }})
	c := h.as(t, 0)
	g := newGate(t)
	endless := create(t, c, `{"command": "yes"}`)
	pausing := create(t, c, fmt.Sprintf(`{"command": "seq 1000000; cat %s; echo"}`, g))
	for _, job := range []struct{ id, cut string }{{pausing, "true"}, {endless, ""}} {
		var res *http.Response
		var text string
		for !strings.Contains(text, "1000000\n") && !strings.Contains(text, "y\n") {
			res, text = ask(t, c, "GET", "/v1/jobs/"+job.id+"/output/stdout", "")
		}
		if res.Header.Get("Sidegate-Complete") != "false" || len(text) > 100_000 {
			t.Errorf("got %d bytes, %v", len(text), res.Header)
		}
		if cut := res.Trailer.Get("Sidegate-Truncated"); job.cut != "" && cut != job.cut {
			t.Errorf("truncated: %q of %d bytes", cut, len(text))
		}
	}
	g.open(t, "")
	ended(t, c, pausing)
	ask(t, c, "DELETE", "/v1/jobs/"+endless, "")
	ended(t, c, endless)
}

// Digests of what plugins took out of an output are for operators: who knows the rest of the output can guess at what it was.
func TestRecordHidesDigests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{}, on(wasm.PhaseResponse, "redact", `otaken out`))
	c := h.as(t, alice)
	id := create(t, c, `{"argv": ["echo", "pin 1234"]}`)
	job := ended(t, c, id)
	if text := string(job.Record); !strings.Contains(text, `"redact"`) || !strings.Contains(text, `"stdout"`) || strings.Contains(text, "before") || strings.Contains(text, "after") {
		t.Errorf("alice sees %s", text)
	}
	if text := string(ended(t, h.as(t, 0), id).Record); !strings.Contains(text, `"before":"`) {
		t.Errorf("the operator sees %s", text)
	}
}

// What cannot be read is in the log, as the caller is told.
func TestUnreadIsLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	c := h.as(t, 0)
	if err := h.journal.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/jobs", "/v1/jobs/x", "/v1/jobs/x/output/stdout", "/v1/callbacks"} {
		before := strings.Count(h.log.String(), "a caller did not get what it asked for")
		res, text := ask(t, c, "GET", path, "")
		if res.StatusCode != http.StatusInternalServerError || strings.Contains(text, "sql") {
			t.Errorf("%s: %d %s", path, res.StatusCode, text)
		}
		if strings.Count(h.log.String(), "a caller did not get what it asked for") != before+1 {
			t.Errorf("%s: the log says %s", path, h.log)
		}
	}
}

// A cancel is on record also when whoever asked for it is gone before the answer.
func TestCancelOfWhoLeaves(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	c := h.as(t, 0)
	for range 8 {
		id := create(t, c, `{"argv": ["sleep", "600"]}`)
		conn, _ := h.plug(t, "DELETE /v1/jobs/"+id+" HTTP/1.1\r\nHost: g\r\n\r\n")
		conn.Close()
		ended(t, c, id)
		if n := h.leavesOf(t, "cancelled", id); n != 1 {
			t.Errorf("the audit has %d leaves of it", n)
		}
	}
}

// leavesOf counts the leaves of a type about a job.
func (h *house) leavesOf(t *testing.T, kind, job string) (n int) {
	t.Helper()
	ctx := context.Background()
	size, err := h.journal.AuditSize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from < size; {
		leaves, err := h.journal.AuditLeaves(ctx, from, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leaves {
			if text := string(l.Data); strings.Contains(text, `"type":"`+kind+`"`) && strings.Contains(text, job) {
				n++
			}
		}
		from += int64(len(leaves))
	}
	return n
}

// Whoever gets the last event of an output finds that the job has ended, also where the output had ended long before.
func TestEndComesAfterTheJob(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, bounds: withShell})
	c := h.as(t, 0)
	id := create(t, c, `{"command": "echo x; exec >&- 2>&-; sleep 0.5"}`)
	events := eventsOf(t, c, "/v1/jobs/"+id+"/output/stdout?follow=true")
	_, text := ask(t, c, "GET", "/v1/jobs/"+id, "")
	if string(outputOf(t, events, "stdout")) != "x\n" || events[len(events)-1].name != "end" || !strings.Contains(text, `"status":"exited"`) {
		t.Errorf("after %v it is %s", events, text)
	}
}
