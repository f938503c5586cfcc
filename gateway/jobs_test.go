package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// house is a gateway on a Unix socket, with clients that are known by their users: alice, bob, and root, the operator.
type house struct {
	*theatre
	socket string
}

const (
	alice = 64001
	bob   = 64002
)

func newHouse(t *testing.T, o theatreOptions, plays ...play) *house {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to call as several users")
	}
	o.peers = []auth.Client{
		{Name: "alice", UIDs: []uint32{alice}, Roles: []string{"deployer"}}, {Name: "bob", UIDs: []uint32{bob}},
		{Name: "root", UIDs: []uint32{0}, Roles: []string{auth.RoleOperator}},
	}
	o.concurrency = max(o.concurrency, 4)
	h := &house{theatre: newTheatre(t, o, plays...)}
	dir, err := os.MkdirTemp("", "gateway-test-") // that other users can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.socket = filepath.Join(dir, "socket")
	h.serve(t, Watchable)
	return h
}

// serve serves the gateway on its socket.
func (h *house) serve(t *testing.T, wrap func(net.Listener) net.Listener) {
	t.Helper()
	l, err := net.Listen("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h.Handler())
	server.Listener.Close()
	server.Listener = auth.ListenPeers(wrap(l))
	server.Config.ConnContext = auth.ConnContext
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewJSONHandler(h.log, nil), slog.LevelWarn)
	server.Start()
	t.Cleanup(server.Close)
}

// as returns a client that calls as a user.
func (h *house) as(t *testing.T, uid int) *http.Client {
	c := &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (conn net.Conn, err error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				runtime.LockOSThread() // the thread ends with the goroutine, and its user with it
				if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
					err = e
					return
				}
				conn, err = net.Dial("unix", h.socket)
			}()
			<-done
			return conn, err
		},
	}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// ask sends a request and reads the whole answer.
func ask(t *testing.T, c *http.Client, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://gateway"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v after %q", method, path, err, text)
	}
	return res, string(text)
}

// create creates a job, which is accepted, and returns its ID.
func create(t *testing.T, c *http.Client, body string) string {
	t.Helper()
	res, text := ask(t, c, "POST", "/v1/jobs", body)
	var job struct {
		JobID  string `json:"job_id"`
		Status string `json:"status"`
	}
	if err := json.Unmarshal([]byte(text), &job); err != nil || res.StatusCode != http.StatusAccepted || job.Status != "accepted" {
		t.Fatalf("got %d %s", res.StatusCode, text)
	}
	if at := res.Header.Get("Location"); at != "/v1/jobs/"+job.JobID {
		t.Errorf("Location %q", at)
	}
	return job.JobID
}

// ended waits for the end of a job and returns how it is shown.
func ended(t *testing.T, c *http.Client, id string) jobReply {
	t.Helper()
	for {
		var job jobReply
		res, text := ask(t, c, "GET", "/v1/jobs/"+id, "")
		if err := json.Unmarshal([]byte(text), &job); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s", res.StatusCode, text)
		}
		if job.Status != "accepted" && job.Status != "running" {
			return job
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestJobOverSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	c := h.as(t, alice)
	res, text := ask(t, c, "POST", "/v1/jobs", `{"argv": ["cat"], "stdin": "a ✓ line\n", "env": {"TOKEN": "secret"}, "labels": {"app": "web"}}`, "Prefer", "respond-async, wait=30")
	var job struct {
		JobID    string  `json:"job_id"`
		Status   string  `json:"status"`
		ExitCode *int    `json:"exit_code"`
		Stdout   *string `json:"stdout"`
	}
	if err := json.Unmarshal([]byte(text), &job); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s", res.StatusCode, text)
	}
	if job.Status != "exited" || job.ExitCode == nil || *job.ExitCode != 0 || job.Stdout == nil || *job.Stdout != "a ✓ line\n" {
		t.Errorf("got %s", text)
	}

	shown := ended(t, c, job.JobID)
	if shown.Client != "alice" || !slices.Equal(shown.Argv, []string{"cat"}) || !slices.Equal(shown.Env, []string{"TOKEN"}) || shown.Labels["app"] != "web" {
		t.Errorf("it is shown as %+v", shown)
	}
	if shown.Stdout == nil || shown.Stdout.Bytes != 11 || shown.Stdout.Kept != 11 || shown.Stdout.Truncated || shown.StartedAt == nil {
		t.Errorf("it is shown as %+v", shown)
	}
	if _, text := ask(t, c, "GET", "/v1/jobs/"+job.JobID, ""); strings.Contains(text, "secret") || strings.Contains(text, "a ✓ line") {
		t.Errorf("what may be secret is shown: %s", text)
	}
}

func TestJobAnswersAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	c := h.as(t, alice)
	first, second := newGate(t), newGate(t)
	id := create(t, c, fmt.Sprintf(`{"argv": ["cat", %q]}`, first))
	res, text := ask(t, c, "POST", "/v1/jobs", fmt.Sprintf(`{"argv": ["cat", %q]}`, second), "Prefer", "wait=1")
	if res.StatusCode != http.StatusAccepted || !strings.Contains(text, `"accepted"`) {
		t.Errorf("who waits for a second gets %d %s", res.StatusCode, text)
	}
	first.open(t, "")
	second.open(t, "")
	if job := ended(t, c, id); job.Status != "exited" {
		t.Errorf("it ended as %s", job.Status)
	}
}

// A client sees its own jobs and nobody else's, as if there were no others. An operator sees all.
func TestJobsOfOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	hers, his := create(t, h.as(t, alice), `{"argv": ["echo", "hers"], "labels": {"tier": "web"}}`), create(t, h.as(t, bob), `{"argv": ["echo", "his"]}`)
	ended(t, h.as(t, alice), hers)
	ended(t, h.as(t, bob), his)
	for _, path := range []string{"", "/output/stdout", "/output/stdout?follow=true"} {
		_, unknown := ask(t, h.as(t, bob), "GET", "/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057"+path, "")
		res, text := ask(t, h.as(t, bob), "GET", "/v1/jobs/"+hers+path, "")
		if res.StatusCode != http.StatusNotFound || text != unknown {
			t.Errorf("%s: bob gets %d %s", path, res.StatusCode, text)
		}
		if res, text := ask(t, h.as(t, 0), "GET", "/v1/jobs/"+hers+path, ""); res.StatusCode != http.StatusOK {
			t.Errorf("%s: the operator gets %d %s", path, res.StatusCode, text)
		}
	}
	if res, _ := ask(t, h.as(t, bob), "DELETE", "/v1/jobs/"+hers, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("bob cancels: %d", res.StatusCode)
	}
	for _, tc := range []struct {
		uid   int
		query string
		want  []string
	}{
		{alice, "", []string{hers}}, {bob, "", []string{his}}, {0, "", []string{his, hers}}, {0, "?client=alice", []string{hers}},
		{alice, "?client=alice", []string{hers}}, {0, "?label=tier=web", []string{hers}}, {0, "?label=tier=db", nil},
		{0, "?status=exited", []string{his, hers}}, {0, "?status=running,accepted", nil}, {0, "?limit=1", []string{his}},
		{0, "?since=2000-01-01T00:00:00Z", []string{his, hers}}, {0, "?since=2100-01-01T00:00:00Z", nil},
	} {
		_, text := ask(t, h.as(t, tc.uid), "GET", "/v1/jobs"+tc.query, "")
		var page listReply
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got []string
		for _, job := range page.Jobs {
			got = append(got, job.JobID)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("user %d, %s: got %v, want %v", tc.uid, tc.query, got, tc.want)
		}
		if page.Next != "" {
			if _, text := ask(t, h.as(t, tc.uid), "GET", "/v1/jobs?cursor="+page.Next, ""); !strings.Contains(text, hers) || strings.Contains(text, his) {
				t.Errorf("the next page is %s", text)
			}
		}
	}
}

func TestJobRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{})
	id := create(t, h.as(t, alice), `{"argv": ["echo"]}`)
	ended(t, h.as(t, alice), id)
	for _, tc := range []struct {
		uid                int
		method, path, body string
		status             int
		says               string
	}{
		{alice, "POST", "/v1/jobs", `{"argv": ["echo"], "wait": true}`, 400, "wait"},
		{alice, "POST", "/v1/jobs", `{"argv": []}`, 400, "argv"},
		{alice, "POST", "/v1/jobs", `{"argv": ["a"], "command": "a"}`, 400, "exactly one"},
		{alice, "POST", "/v1/jobs?x=1", `{"argv": ["echo"]}`, 400, "query"},
		{alice, "GET", "/v1/jobs?statu=running", "", 400, "statu"},
		{alice, "GET", "/v1/jobs?status=over", "", 400, "status"},
		{alice, "GET", "/v1/jobs?label=tier", "", 400, "NAME=VALUE"},
		{alice, "GET", "/v1/jobs?limit=0", "", 400, "limit"},
		{alice, "GET", "/v1/jobs?limit=1&limit=2", "", 400, "twice"},
		{alice, "GET", "/v1/jobs?cursor=x", "", 400, "cursor"},
		{alice, "GET", "/v1/jobs?since=yesterday", "", 400, "since"},
		{alice, "GET", "/v1/jobs?client=bob", "", 403, "operator"},
		{alice, "GET", "/v1/jobs/" + id + "?x=1", "", 400, "x"},
		{alice, "GET", "/v1/jobs/" + id + "/output/stdin", "", 404, ""},
		{alice, "GET", "/v1/jobs/" + id + "/output/stdout?follow=yes", "", 400, "follow"},
		{alice, "GET", "/v1/jobs/" + id + "/output/stdout?offset=3", "", 400, "Range"},
		{alice, "GET", "/v1/jobs/" + id + "/output/stdout?follow=true&offset=-3", "", 400, "offset"},
		{alice, "PUT", "/v1/jobs/" + id, "", 405, "DELETE, GET"},
		{64003, "GET", "/v1/jobs", "", 401, "64003"},
		{64003, "POST", "/v1/jobs", `{"argv": ["echo"]}`, 401, "peercred"},
	} {
		res, text := ask(t, h.as(t, tc.uid), tc.method, tc.path, tc.body)
		if res.StatusCode != tc.status || !strings.Contains(text, tc.says) {
			t.Errorf("%s %s %s: got %d %s, want %d with %q", tc.method, tc.path, tc.body, res.StatusCode, text, tc.status, tc.says)
		}
	}
}

// A command that runs as a client's user is not that client.
func TestCommandIsNoClient(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, bounds: withShell})
	if !h.runner.Report().Groups.Available {
		t.Skip("without control groups nothing tells a command from other processes of its user")
	}
	const call = `python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
while (b := s.recv(4096)): sys.stdout.buffer.write(b)
' %s`
	_, text := ask(t, h.as(t, 0), "POST", "/v1/jobs", fmt.Sprintf(`{"command": %q}`, fmt.Sprintf(call, h.socket)), "Prefer", "wait=30")
	if !strings.Contains(text, "401 Unauthorized") || !strings.Contains(text, "cannot call it as the user") {
		t.Errorf("a command gets %s", text)
	}
}

// The bytes of an output are exact, whole or in part.
func TestJobOutputBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{bounds: func(b *Bounds) { b.MaxOutput = 1 << 20 }})
	c := h.as(t, alice)
	raw := bytes.Repeat([]byte("\xff\x00\xc3\x28 text ✓\n"), 20_000)
	file := filepath.Join(t.TempDir(), "raw")
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	id := create(t, c, fmt.Sprintf(`{"argv": ["cat", %q]}`, file))
	job := ended(t, c, id)
	if job.Stdout == nil || job.Stdout.Kept != int64(len(raw)) {
		t.Fatalf("it is shown as %+v", job)
	}
	path := "/v1/jobs/" + id + "/output/stdout"
	res, text := ask(t, c, "GET", path, "")
	if text != string(raw) || res.Header.Get("Sidegate-Complete") != "true" || res.Header.Get("Sidegate-Truncated") != "false" || res.Header.Get("Content-Type") != mediaBytes {
		t.Errorf("got %d bytes, %v", len(text), res.Header)
	}
	res, text = ask(t, c, "GET", path, "", "Range", "bytes=100000-100009")
	if res.StatusCode != http.StatusPartialContent || text != string(raw[100_000:100_010]) {
		t.Errorf("a range: got %d %q", res.StatusCode, text)
	}
	if res, _ = ask(t, c, "HEAD", path, ""); res.ContentLength != int64(len(raw)) {
		t.Errorf("HEAD: got %d", res.ContentLength)
	}
	if events := eventsOf(t, c, path+"?follow=true"); string(outputOf(t, events, "stdout")) != string(raw) || events[len(events)-1].name != "end" {
		t.Errorf("following gives %d events and other bytes", len(events))
	}
	if events := eventsOf(t, c, path+"?follow=true&offset=100000"); string(outputOf(t, events, "stdout")) != string(raw[100_000:]) {
		t.Error("following from an offset gives other bytes")
	}
}

// shellAllowing is a policy that gives everything to a shell.
var shellAllowing = strings.Replace(allowing, `"obligations": {}`, `"obligations": {"mode": "shell"}`, 1)

func withShell(b *Bounds) { b.Shell, b.Modes = "/bin/bash", []string{modeShell} }

// event is one event of a stream.
type event struct{ name, id, data string }

// eventsOf reads a stream of events to its end.
func eventsOf(t *testing.T, c *http.Client, path string) []event {
	t.Helper()
	res, text := ask(t, c, "GET", path, "")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != mediaEvents {
		t.Fatalf("got %d %s", res.StatusCode, text)
	}
	var events []event
	in := bufio.NewReader(strings.NewReader(text))
	for {
		e, err := nextEvent(in)
		if err == io.EOF {
			return events
		}
		events = append(events, e)
	}
}

// nextEvent reads one event.
func nextEvent(in *bufio.Reader) (e event, err error) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case name == "event":
			e.name = value
		case name == "id":
			e.id = value
		case name == "data":
			e.data = value
		case line == "\n" && e.name != "":
			return e, nil
		}
	}
}

// outputOf puts together what events say of a stream. There must be no gap.
func outputOf(t *testing.T, events []event, name string) (all []byte) {
	t.Helper()
	at := int64(-1)
	for _, e := range events {
		if e.name != name {
			continue
		}
		var piece struct {
			outputEvent
			Base64 []byte `json:"base64"`
		}
		if err := json.Unmarshal([]byte(e.data), &piece); err != nil {
			t.Fatal(err)
		}
		b := append([]byte(piece.Text), piece.Base64...)
		if at >= 0 && piece.Offset != at+piece.Skipped {
			t.Fatalf("an event begins at %d after %d", piece.Offset, at)
		}
		at = piece.Offset + int64(len(b))
		if e.id != fmt.Sprint(at) {
			t.Fatalf("an event that ends at %d has ID %s", at, e.id)
		}
		all = append(all, b...)
	}
	return all
}

// Whoever creates a job with events sees its output while it runs, in the order of each stream, and then how it ended.
func TestJobEvents(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, bounds: withShell})
	c := h.as(t, alice)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://gateway/v1/jobs",
		strings.NewReader(fmt.Sprintf(`{"command": "echo first; cat %s; echo last >&2; exit 3"}`, fifo)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	next := func() event {
		t.Helper()
		e, err := nextEvent(in)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := next(); e.name != "accepted" {
		t.Fatalf("the first event is %v", e)
	}
	if e := next(); e.name != "stdout" || !strings.Contains(e.data, `"text":"first\n"`) {
		t.Fatalf("while it runs there is %v", e)
	}
	id := strings.TrimPrefix(res.Header.Get("Location"), "/v1/jobs/")
	if res, text := ask(t, c, "GET", "/v1/jobs/"+id+"/output/stdout", ""); text != "first\n" || res.Header.Get("Sidegate-Complete") != "false" {
		t.Errorf("so far there is %q, %v", text, res.Header)
	}
	if _, text := ask(t, c, "GET", "/v1/jobs/"+id, ""); !strings.Contains(text, `"running"`) {
		t.Errorf("it is shown as %s", text)
	}
	if err := os.WriteFile(fifo, []byte("from outside\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var rest []event
	for len(rest) == 0 || rest[len(rest)-1].name != "result" {
		rest = append(rest, next())
	}
	if got := outputOf(t, rest, "stdout"); string(got) != "from outside\n" {
		t.Errorf("then stdout has %q", got)
	}
	if got := outputOf(t, rest, "stderr"); string(got) != "last\n" {
		t.Errorf("stderr has %q", got)
	}
	if e := rest[len(rest)-1]; !strings.Contains(e.data, `"exit_code":3`) {
		t.Errorf("the result is %s", e.data)
	}
}

// What plugins are to see first nobody sees before.
func TestJobEventsAreHeld(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{}, on(wasm.PhaseResponse, "redact", `otaken out`))
	c := h.as(t, alice)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	res, text := ask(t, c, "POST", "/v1/jobs", fmt.Sprintf(`{"argv": ["cat", %q]}`, file), "Accept", "text/event-stream")
	if res.StatusCode != http.StatusOK || strings.Contains(text, "secret") || !strings.Contains(text, "event: held") || !strings.Contains(text, "event: result") {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
	id := strings.TrimPrefix(res.Header.Get("Location"), "/v1/jobs/")
	for _, path := range []string{"", "?follow=true"} {
		if _, text := ask(t, c, "GET", "/v1/jobs/"+id+"/output/stdout"+path, ""); strings.Contains(text, "secret") {
			t.Errorf("%s: got %s", path, text)
		}
	}
}

// A cancelled job ends with all that it has started, and one that waits never starts.
func TestJobCancel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, theatreOptions{rego: shellAllowing, concurrency: 4, length: 8, bounds: withShell})
	c := h.as(t, alice)
	var ids []string
	for range 5 { // the fifth waits
		ids = append(ids, create(t, c, `{"command": "setsid sleep 600 & sleep 600"}`))
	}
	slices.Reverse(ids)
	for i, id := range ids {
		by := c
		if i%2 == 1 {
			by = h.as(t, 0)
		}
		if res, text := ask(t, by, "DELETE", "/v1/jobs/"+id, ""); res.StatusCode != http.StatusAccepted {
			t.Errorf("got %d %s", res.StatusCode, text)
		}
		job := ended(t, c, id)
		if job.Status != "killed" || (i == 0) != (job.StartedAt == nil) {
			t.Errorf("job %d ended as %+v", i, job)
		}
		if res, text := ask(t, c, "DELETE", "/v1/jobs/"+id, ""); res.StatusCode != http.StatusOK || !strings.Contains(text, `"killed"`) {
			t.Errorf("cancelling again: %d %s", res.StatusCode, text)
		}
	}
}

// TestShownExitCode: nobody knows how a command would have ended that was interrupted, and 0 would be taken for success.
func TestShownExitCode(t *testing.T) {
	t.Parallel()
	for status, want := range map[journal.Status]bool{
		journal.Accepted: false, journal.Running: false, journal.Interrupted: false,
		journal.Exited: true, journal.Signaled: true, journal.TimedOut: true, journal.Killed: true, journal.Failed: true,
	} {
		if got := shown(journal.Job{Status: status}).ExitCode != nil; got != want {
			t.Errorf("%s: the exit code is shown: %v, want %v", status, got, want)
		}
	}
}
