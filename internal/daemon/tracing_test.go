package daemon

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/metrics/metricstest"
	"github.com/sidegate/sidegate/internal/tracing/tracingtest"
)

// Traces of callers, one for each call of a test.
const (
	traceA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	traceB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	traceC = "cccccccccccccccccccccccccccccccc"
	traceD = "dddddddddddddddddddddddddddddddd"
	traceE = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
)

// inTrace is a call that a traced caller makes.
func inTrace(t *testing.T, url, trace string, body map[string]any) *http.Request {
	t.Helper()
	req, err := signed(t.Context(), url, auth.NewNonce(), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+trace+"-1111111111111111-00")
	req.Header.Set("Tracestate", "vendor=secret-state")
	req.Header.Set("Baggage", "key=secret-baggage")
	return req
}

func callTraced(t *testing.T, url, trace string, body map[string]any) answer {
	t.Helper()
	a, err := send(http.DefaultClient, inTrace(t, url, trace, body))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// eventuallyTree waits until the collector has a trace of this shape.
func eventuallyTree(t *testing.T, r *tracingtest.Receiver, trace, want string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the trace is\n%s", r.Tree(trace))
		}
	}()
	eventually(t, "the trace is\n"+want, func() bool { return once(r.Tree(trace)) == want })
}

// once leaves out that a request was decided a second time, as it is when a reload comes about in between.
func once(tree string) string {
	const deciding = "  decide\n    analyze\n    policy\n    tighten\n"
	for _, round := range []string{deciding, "  request_plugins\n" + deciding} {
		tree = strings.ReplaceAll(tree, round+round, round)
	}
	return tree
}

const (
	decided = "  verify\n  decode\n  decide\n    analyze\n    policy\n    tighten\n"
	ran     = "POST /shell\n" + decided + "  admit\n  run\n  record\n"
)

// TestTraces reads the traces of an allowed, a denied and a waiting call, of one that nobody signed, and of a callback that is delivered after a restart.
func TestTraces(t *testing.T) {
	t.Parallel()
	collector := tracingtest.New(t)
	var up atomic.Bool
	got := make(chan http.Header, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		got <- r.Header
	}))
	defer receiver.Close()
	s := watchedSite(t, `callbacks: {allow: ["`+receiver.URL+`/*"]}
executor: {concurrency: 1, queue: 5}
telemetry: {otlp_endpoint: "`+collector.URL+`"}
`)
	write(t, filepath.Join(s.dir, "policies", "sidegate", "decision.rego"), someDenied, 0o644)
	d, url, stop := s.start(t)

	if a := callTraced(t, url, traceA, map[string]any{"command": "echo secret-word", "envs": []string{"SECRET=secret-value"}}); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	eventuallyTree(t, collector, traceA, ran)
	root := collector.Find(t, traceA, "POST /shell")
	if root.Parent != "1111111111111111" || root.Kind != "server" || root.State != "" || root.Failed {
		t.Errorf("got %+v", root)
	}
	for key, want := range map[string]string{"sidegate.client": "func", "sidegate.code": "ok", "http.route": "/shell", "http.request.method": "POST", "http.response.status_code": "200"} {
		if root.Says[key] != want {
			t.Errorf("%s is %q, want %q", key, root.Says[key], want)
		}
	}
	if run := collector.Find(t, traceA, "run"); run.Says["sidegate.status"] != "exited" || run.Says["sidegate.exit_code"] != "0" || run.Says["sidegate.profile"] != "confined" {
		t.Errorf("got %+v", run)
	}
	decide := collector.Find(t, traceA, "decide")
	if id := root.Says["sidegate.decision_id"]; len(id) != 36 || decide.Says["sidegate.decision_id"] != id || decide.Says["sidegate.allowed"] != "true" || len(root.Says["sidegate.job_id"]) != 36 {
		t.Errorf("got %+v and %+v", root, decide)
	}

	if a := callTraced(t, url, traceB, map[string]any{"command": "denied secret-word"}); a.Status != 403 {
		t.Fatalf("%+v", a)
	}
	eventuallyTree(t, collector, traceB, "POST /shell\n"+decided)
	if root := collector.Find(t, traceB, "POST /shell"); root.Says["sidegate.code"] != "denied" || root.Failed || len(root.Says["sidegate.decision_id"]) != 36 {
		t.Errorf("got %+v", root)
	}

	first := s.background(t, url, map[string]any{"command": s.untilReleased()})
	s.await(t, "begun")
	if a := callTraced(t, url, traceC, map[string]any{"command": "true", "wait": false, "callbackURL": receiver.URL + "/secret-path"}); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	write(t, filepath.Join(s.dir, "out", "release"), "", 0o644)
	<-first
	failed := (<-got).Get("Traceparent")
	queued := "POST /shell\n" + decided + "  admit\n  queue\n  run\n  record\n  callback\n"
	eventuallyTree(t, collector, traceC, queued)
	attempt := collector.Find(t, traceC, "callback")
	if failed != "00-"+traceC+"-"+attempt.ID+"-01" || attempt.Kind != "client" || !attempt.Failed || attempt.Says["http.response.status_code"] != "500" ||
		attempt.Says["sidegate.outcome"] != "rejected" || attempt.Says["sidegate.attempt"] != "1" || attempt.Says["sidegate.destination"] != receiver.URL {
		t.Errorf("the receiver got %s from %+v", failed, attempt)
	}

	if code := unsigned(t, http.MethodPost, url+"/shell"); code != 401 {
		t.Error(code)
	}
	forged := inTrace(t, url, traceD, map[string]any{"command": "true"})
	forged.Header.Set("X-Auth-Signature", strings.Repeat("0", 40))
	repeated := inTrace(t, url, traceE, map[string]any{"command": "true"})
	for i, want := range []int{401, 200, 409} {
		req := forged
		if i > 0 {
			req = repeated.Clone(t.Context())
			req.Body, _ = repeated.GetBody()
		}
		if a, err := send(http.DefaultClient, req); err != nil || a.Status != want {
			t.Errorf("%+v %v", a, err)
		}
	}
	eventuallyTree(t, collector, traceE, ran) // and not twice
	p := metricstest.Scrape(t, page(d))
	p.Want(t, map[string]float64{`sidegate_trace_spans_dropped_total{reason="full"}`: 0, `sidegate_trace_spans_dropped_total{reason="not_sent"}`: 0, "sidegate_trace_send_failures_total": 0})
	if p.Value(t, "sidegate_trace_spans_sent_total") == 0 {
		t.Error("no span was sent")
	}
	stop() // which sends what waits
	if tree := collector.Tree(traceD); tree != "" {
		t.Errorf("a forged call became a part of a trace:\n%s", tree)
	}
	if tree := collector.Tree(traceE); tree != ran {
		t.Errorf("a repeated call became a part of a trace:\n%s", tree)
	}
	strangers := 0
	for _, span := range collector.Spans() {
		if span.Says["sidegate.code"] == "missing_signature" && span.Parent == "" && span.Says["sidegate.client"] == "" {
			strangers++
		}
	}
	if strangers != 1 {
		t.Errorf("the call that nobody signed has %d traces", strangers)
	}

	up.Store(true)
	d, _, stop = s.start(t)
	all, err := d.journal.Deliveries(t.Context(), journal.DeliveryFilter{})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if err := d.delivery.Retry(t.Context(), all[0].ID); err != nil {
		t.Fatal(err)
	}
	again := (<-got).Get("Traceparent")
	eventuallyTree(t, collector, traceC, queued+"  callback\n")
	if !strings.HasPrefix(again, "00-"+traceC+"-") || again == failed {
		t.Errorf("after the restart the receiver got %s, and before %s", again, failed)
	}
	stop()
	for _, own := range []string{"secret", testSecret, receiver.URL + "/"} {
		if collector.Holds(own) {
			t.Errorf("%q was sent to the collector", own)
		}
	}
}

// TestTracesOfPlugins: a call that a plugin answers, and one that it rewrites and whose callback it changes.
func TestTracesOfPlugins(t *testing.T) {
	t.Parallel()
	collector := tracingtest.New(t)
	h := newHouse(t, "")
	h.yaml += "\ntelemetry: {otlp_endpoint: \"" + collector.URL + "\"}\n"
	h.configure(t, "p.wasm", "")
	d, url, _ := h.open(t)
	if a := callTraced(t, url, traceA, map[string]any{"command": "true"}); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	eventuallyTree(t, collector, traceA, strings.Replace(ran, "  decide", "  request_plugins\n  decide", 1))
	h.configure(t, "p.wasm", "ahello")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := callTraced(t, url, traceB, map[string]any{"command": "true"}); a.Status != 200 || a.Data.Status != "answered" {
		t.Fatalf("%+v", a)
	}
	eventuallyTree(t, collector, traceB, "POST /shell\n  verify\n  decode\n  request_plugins\n")
	h.configure(t, "p.wasm", "t")
	if err := d.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := callTraced(t, url, traceD, map[string]any{"command": "true"}); a.Status == 200 {
		t.Fatalf("%+v", a)
	}
	eventuallyTree(t, collector, traceD, "POST /shell\n  verify\n  decode\n  request_plugins\n")
	if log := h.log.String(); !strings.Contains(log, "trace_id="+traceA) || !strings.Contains(log, "trace_id="+traceD) {
		t.Errorf("the log is\n%s", log)
	}
}

// TestCollectorAway: a collector that is not there costs no request anything.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	s := watchedSite(t, "telemetry: {otlp_endpoint: \""+away.URL+"\"}\n")
	d, url, stop := s.start(t)
	if a := s.call(t, url, map[string]any{"command": "true"}); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	eventually(t, "the failure is counted", func() bool {
		return metricstest.Scrape(t, page(d)).Value(t, "sidegate_trace_send_failures_total") > 0
	})
	stop()
}
