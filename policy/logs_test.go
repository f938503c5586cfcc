package policy

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector is an HTTP server for decision logs and status reports.
type collector struct {
	*httptest.Server
	events   chan map[string]any
	statuses chan map[string]any
	broken   bool
}

func newCollector(t *testing.T, broken bool) *collector {
	c := &collector{events: make(chan map[string]any, 1000), statuses: make(chan map[string]any, 1000), broken: broken}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.broken {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unpacked
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(content, []byte("hunter2")) {
			t.Errorf("a secret was sent: %s", content)
		}
		if strings.HasPrefix(r.URL.Path, "/status") {
			var report map[string]any
			if err := json.Unmarshal(content, &report); err != nil {
				t.Error(err)
			}
			c.statuses <- report
			return
		}
		var events []map[string]any
		if err := json.Unmarshal(content, &events); err != nil {
			t.Error(err)
		}
		for _, event := range events {
			c.events <- event
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case event := <-c.events:
		return event
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
		return nil
	}
}

func logTo(url string) map[string]any {
	return map[string]any{
		"services": map[string]any{"logs": map[string]any{"url": url}},
		"decision_logs": map[string]any{
			"service":   "logs",
			"reporting": map[string]any{"min_delay_seconds": 1, "max_delay_seconds": 1},
		},
	}
}

// secretive is a request with a secret wherever a caller puts one.
func secretive() Input {
	in := oneCommand()
	in.Request.Env = map[string]string{"TOKEN": "hunter2", "LANG": "C"}
	in.Request.Stdin = &Stdin{Size: 7, SHA256: "ab", Text: ptr("hunter2")}
	in.Request.Callback = &Callback{Scheme: "http", Host: "h", Port: 80, Path: "/p", Query: "token=hunter2"}
	return in
}

const logRules = `package system.log

mask contains "/input/client/key_id"

mask contains {"op": "upsert", "path": "/input/request/env/TOKEN", "value": input.input.request.env.TOKEN}

drop if input.input.request.command == "boring"
`

func TestDecisionLogUpload(t *testing.T) {
	t.Parallel()
	c := newCollector(t, false)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		".manifest":           `{"roots": ["sidegate", "system/log"]}`,
		"sidegate/p.rego":     answers(`{"allow": true, "grants": ["g"], "reasons": [], "obligations": {"env": {"set": {"SECRET": "hunter2"}, "pass": ["TOKEN"]}}}`),
		"system/log/log.rego": logRules,
	})
	options := logTo(c.URL)
	options["status"] = map[string]any{"service": "logs"}
	e, _ := open(t, Config{Paths: []string{dir}, OPA: options})
	if !e.Status().Ready {
		t.Fatal(e.Status().LastError)
	}
	boring := secretive()
	boring.Request.Command = "boring"
	if _, err := e.DecideAs(t.Context(), "boring", boring); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.DecideAs(gone, "gone", secretive()); err != nil {
		t.Fatal(err)
	}
	d, err := e.DecideAs(t.Context(), "decision-1", secretive())
	if err != nil || d.Obligations.Env.Set["SECRET"] != "hunter2" {
		t.Fatalf("the decision itself was masked: %+v, %v", d, err)
	}
	if event := c.next(t); event["decision_id"] != "gone" || event["error"].(map[string]any)["code"] != "policy_fault" {
		t.Errorf("event %v", event)
	}
	event := c.next(t)
	input, result := event["input"].(map[string]any), event["result"].(map[string]any)
	request, client := input["request"].(map[string]any), input["client"].(map[string]any)
	if event["decision_id"] != "decision-1" || event["path"] != "sidegate/decision" || event["requested_by"] != "172.17.0.2" || event["error"] != nil {
		t.Errorf("event %v", event)
	}
	if got := fmt.Sprint(event["bundles"]); !strings.Contains(got, d.Revision) {
		t.Errorf("bundles %s", got)
	}
	if _, ok := client["key_id"]; ok || fmt.Sprint(event["erased"]) != "[/input/client/key_id]" {
		t.Errorf("not erased: %v, %v", client, event["erased"])
	}
	if env := request["env"].(map[string]any); env["TOKEN"] != masked || env["LANG"] != masked {
		t.Errorf("env %v", env)
	}
	if request["stdin"].(map[string]any)["text"] != masked || request["callback"].(map[string]any)["query"] != masked {
		t.Errorf("request %v", request)
	}
	if result["allow"] != true || fmt.Sprint(result["obligations"].(map[string]any)["env"]) != "map[pass:[TOKEN] set:map[SECRET:"+masked+"]]" {
		t.Errorf("result %v", result)
	}
	select {
	case report := <-c.statuses:
		if report["labels"].(map[string]any)["id"] != "sidegate" || report["metrics"] == nil {
			t.Errorf("status report %v", report)
		}
	case <-time.After(20 * time.Second):
		t.Error("no status report came")
	}
	// What is waiting is sent before the engine ends.
	if _, err := e.DecideAs(t.Context(), "last", oneCommand()); err != nil {
		t.Fatal(err)
	}
	e.Close(t.Context())
	if event := c.next(t); event["decision_id"] != "last" {
		t.Errorf("event %v", event)
	}
}

// A rule for masking that fails keeps the event in, and the decision stands.
func TestDecisionLogBrokenMask(t *testing.T) {
	t.Parallel()
	c := newCollector(t, false)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		".manifest":           `{"roots": ["sidegate", "system/log"]}`,
		"sidegate/p.rego":     allows("a"),
		"system/log/log.rego": "package system.log\n\nmask := {\"/input\"} if input.input.request.command == \"x\"\n\nmask := 7 if input.input.request.command == \"x\"\n",
	})
	e, _ := open(t, Config{Paths: []string{dir}, OPA: logTo(c.URL)})
	in := oneCommand()
	in.Request.Command = "x"
	if d, err := e.DecideAs(t.Context(), "hidden", in); err != nil || !d.Allow {
		t.Fatalf("decision %+v, %v", d, err)
	}
	if _, err := e.DecideAs(t.Context(), "shown", oneCommand()); err != nil {
		t.Fatal(err)
	}
	if event := c.next(t); event["decision_id"] != "shown" {
		t.Errorf("event %v", event)
	}
}

func TestDecisionLogDrops(t *testing.T) {
	t.Parallel()
	c := newCollector(t, true)
	options := logTo(c.URL)
	options["decision_logs"].(map[string]any)["reporting"] = map[string]any{"buffer_size_limit_events": 2}
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": allows("a")})
	e, _ := open(t, Config{Paths: []string{dir}, OPA: options})
	for range 5 {
		decide(t, e, oneCommand())
	}
	if s := e.Status().DecisionLogs; s.DroppedFull < 1 || s.Waiting > 2 {
		t.Errorf("status %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	e.Close(ctx) // although the collector takes nothing
}

func TestDecisionLogConsole(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": allows("a")})
	e, _ := open(t, Config{
		Paths:  []string{dir},
		OPA:    map[string]any{"decision_logs": map[string]any{"console": true}, "status": map[string]any{"console": true}},
		Logger: slog.New(slog.NewJSONHandler(&out, nil)),
	})
	if _, err := e.DecideAs(t.Context(), "on-console", secretive()); err != nil {
		t.Fatal(err)
	}
	e.Close(t.Context())
	text := out.String()
	if !strings.Contains(text, `"decision_id":"on-console"`) || strings.Contains(text, "hunter2") {
		t.Errorf("log %s", text)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func BenchmarkDecideLogged(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	e, _ := open(b, Config{Paths: []string{"testdata/small"}, OPA: logTo(server.URL)})
	in := oneCommand()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.DecideAs(b.Context(), "id", in); err != nil {
			b.Fatal(err)
		}
	}
}
