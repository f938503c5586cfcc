package tracing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sidegate/sidegate/internal/tracing/tracingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTest is a Tracer that sends to a receiver; flush ends it, so that all has been received.
func newTest(t *testing.T, r *tracingtest.Receiver, change func(*Config)) (tracer *Tracer, flush func()) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	c := Config{Endpoint: r.URL + "/v1/traces", Client: client, Ratio: 1, Version: "1.2.3", Host: "here", interval: time.Hour, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	tracer, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	flush = func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := tracer.Close(ctx); err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	}
	return tracer, flush
}

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

func TestTree(t *testing.T) {
	t.Parallel()
	r := tracingtest.New(t)
	tracer, flush := newTest(t, r, func(c *Config) { c.Header = http.Header{"Authorization": {"Bearer t"}} })
	begun := time.Now().Add(-time.Second).UTC()
	root := tracer.Accept([]string{callersParent}, "POST /shell", begun)
	root.Set(Client, "func")
	root.Set(Decision, "")
	root.ChildAt("verify", begun).End()
	decide := root.Child("decide")
	decide.SetBool(Allowed, true)
	decide.Child("analyze").End()
	decide.End()
	own := root.Traceparent()
	root.End()
	root.Set(Code, "too late")
	call := tracer.Resume(own).Call("callback")
	call.SetInt(Attempt, 2)
	call.Set(Outcome, "a\xffb")
	call.Set(Destination, strings.Repeat("x", 1000))
	call.Fail()
	told := call.Traceparent()
	call.End()
	call.End()
	flush()

	if want := "POST /shell\n  verify\n  decide\n    analyze\n  callback\n"; r.Tree(callersTrace) != want {
		t.Errorf("got\n%s", r.Tree(callersTrace))
	}
	got := r.Find(t, callersTrace, "POST /shell")
	if got.Parent != callersSpan || got.Kind != "server" || got.Failed || !got.Began.Equal(begun) || len(got.Says) != 1 || got.Says["sidegate.client"] != "func" ||
		got.Resource["service.name"] != "sidegate" || got.Resource["service.version"] != "1.2.3" || got.Resource["host.name"] != "here" {
		t.Errorf("got %+v", got)
	}
	if own != "00-"+callersTrace+"-"+got.ID+"-01" || root.TraceID() != callersTrace {
		t.Errorf("the span is %s, and says %s", got.ID, own)
	}
	got = r.Find(t, callersTrace, "callback")
	if got.Kind != "client" || !got.Failed || told != "00-"+callersTrace+"-"+got.ID+"-01" || got.Says["sidegate.outcome"] != "a\uFFFDb" || len(got.Says["sidegate.destination"]) != maxText {
		t.Errorf("got %+v", got)
	}
	if s := tracer.Stats(); s != (Stats{Sent: 5}) {
		t.Errorf("got %+v", s)
	}
	if got := r.Headers()[0].Get("Authorization"); got != "Bearer t" {
		t.Errorf("the collector got %q", got)
	}
}

// TestParents: what a caller says is a parent, or nothing. It never decides what is recorded.
func TestParents(t *testing.T) {
	t.Parallel()
	r := tracingtest.New(t)
	tracer, flush := newTest(t, r, nil)
	for _, parents := range [][]string{
		nil, {""}, {"00"}, {callersParent, callersParent}, {"00-00000000000000000000000000000000-" + callersSpan + "-01"}, {"00-" + callersTrace + "-0000000000000000-01"},
		{"ff-" + callersTrace + "-" + callersSpan + "-01"}, {strings.ToUpper(callersParent)}, {callersParent + "-more"}, {"00-" + callersTrace + "-" + callersSpan + "-1"},
		{strings.Repeat(callersParent, 1000)},
	} {
		s := tracer.Accept(parents, "none", time.Now())
		s.End()
		if s.TraceID() == callersTrace || len(s.TraceID()) != 32 {
			t.Errorf("%.80q became a part of %s", parents, s.TraceID())
		}
	}
	for _, flags := range []string{"00", "01"} {
		tracer.Accept([]string{callersParent[:len(callersParent)-2] + flags}, "some", time.Now()).End()
	}
	flush()
	if n := len(r.Spans()); n != 13 {
		t.Errorf("%d spans were recorded", n)
	}
	for _, s := range r.Spans() {
		if (s.Name == "some") != (s.Parent == callersSpan) {
			t.Errorf("got %+v", s)
		}
	}

	rare, flush := newTest(t, r, func(c *Config) { c.Ratio = 1e-9 })
	s := rare.Accept([]string{callersParent}, "rare", time.Now())
	child := s.Child("rarer")
	if s.TraceID() != callersTrace || !strings.HasSuffix(s.Traceparent(), "-00") || rare.Resume(s.Traceparent()).Call("callback").Traceparent()[3:35] != callersTrace {
		t.Errorf("it is in the trace %s and says %s", s.TraceID(), s.Traceparent())
	}
	rare.Resume(s.Traceparent()).Call("callback").End()
	child.End()
	s.End()
	flush()
	if n := len(r.Spans()); n != 13 {
		t.Errorf("a caller had its request recorded: %d", n)
	}
}

// TestUnknownAreFew: who is not known cannot make many traces, nor one that is part of another.
func TestUnknownAreFew(t *testing.T) {
	t.Parallel()
	r := tracingtest.New(t)
	tracer, flush := newTest(t, r, nil)
	for range 1000 {
		tracer.Unknown("POST /shell", time.Now()).End()
	}
	flush()
	if n := len(r.Spans()); n < 1 || n > unknownBurst+5 {
		t.Errorf("%d traces of nobody known", n)
	}
}

// TestFullQueue: nobody waits for a collector that does not answer, and what is dropped is counted.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	asked, release := make(chan bool, 10), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- true
		<-release
	}))
	defer server.Close()
	r := &tracingtest.Receiver{URL: server.URL}
	tracer, flush := newTest(t, r, func(c *Config) { c.queue = batchSize })
	end := func(n int) {
		for range n {
			tracer.Accept(nil, "x", time.Now()).End()
		}
	}
	end(batchSize)
	<-asked // the batch has left the queue
	end(batchSize + 100)
	if s := tracer.Stats(); s.Full != 100 || s.Queued != batchSize {
		t.Errorf("got %+v", s)
	}
	close(release)
	flush()
	if s := tracer.Stats(); s != (Stats{Sent: 2 * batchSize, Full: 100}) {
		t.Errorf("got %+v", s)
	}
	end(1)
	if s := tracer.Stats(); s.Full != 101 {
		t.Errorf("what ends late is not counted: %+v", s)
	}
}

// TestRefused: what a collector refuses for good is dropped at once, what it may take later is tried again, and the log says it once.
func TestRefused(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := tracingtest.New(t)
	tracer, flush := newTest(t, r, func(c *Config) { c.Log, c.interval = slog.New(slog.NewTextHandler(&log, nil)), 5*time.Millisecond })
	settled := func(want Stats) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); tracer.Stats() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("got %+v, want %+v", tracer.Stats(), want)
			}
		}
	}
	r.Answer(http.StatusBadRequest, []byte("you sent \x1b[31msecret"))
	for i := range uint64(3) {
		tracer.Accept(nil, "x", time.Now()).End()
		settled(Stats{NotSent: i + 1, Failures: i + 1})
	}
	r.Answer(http.StatusOK, []byte{0x0a, 0x04, 0x08, 0x01, 0x12, 0x00}) // one of them was rejected
	tracer.Accept(nil, "x", time.Now()).End()
	settled(Stats{NotSent: 4, Failures: 3})
	r.Answer(http.StatusServiceUnavailable, nil)
	tracer.Accept(nil, "x", time.Now()).End()
	for tracer.Stats().Failures < 4 {
		time.Sleep(time.Millisecond)
	}
	r.Answer(http.StatusOK, nil)
	settled(Stats{Sent: 1, NotSent: 4, Failures: 4})
	flush()
	if got := strings.Count(log.String(), "cannot be sent"); got != 2 || strings.Count(log.String(), "sent again") != 2 || strings.Contains(log.String(), "secret") {
		t.Errorf("the log says\n%s", log.String())
	}
}

// TestRejectedMoreThanSent: figures stay figures, whatever a collector says that it has rejected.
func TestRejectedMoreThanSent(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"\x02", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		r := tracingtest.New(t)
		tracer, flush := newTest(t, r, nil)
		r.Answer(http.StatusOK, []byte("\x0a"+string(rune(1+len(said)))+"\x08"+said))
		tracer.Accept(nil, "x", time.Now()).End()
		flush()
		if s := tracer.Stats(); s != (Stats{NotSent: 1}) {
			t.Errorf("%x: got %+v", said, s)
		}
	}
}

// TestCloseIsBounded: a collector that hangs does not hold up the end of the gateway.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees that somebody left only then
		asked <- true
		<-r.Context().Done()
	}))
	defer server.Close()
	tracer, err := New(Config{Endpoint: server.URL, Client: server.Client(), Ratio: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Accept(nil, "x", time.Now()).End()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	if err := tracer.Close(ctx); err == nil {
		t.Error("it claims to have sent all")
	}
	if s := tracer.Stats(); s.NotSent != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	good := Config{Endpoint: "http://a", Client: http.DefaultClient, Ratio: 1}
	for want, change := range map[string]func(*Config){
		"tracing: Endpoint and Client are required":               func(c *Config) { c.Client = nil },
		"tracing: Ratio must be above 0 and at most 1, it is 0":   func(c *Config) { c.Ratio = 0 },
		"tracing: Ratio must be above 0 and at most 1, it is 1.5": func(c *Config) { c.Ratio = 1.5 },
	} {
		c := good
		change(&c)
		if _, err := New(c); fmt.Sprint(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// nothing is what a request does where nothing is traced.
func nothing(t *Tracer) {
	s := t.Accept(nil, "POST /shell", time.Time{})
	c := s.Child("decide")
	c.Set(Decision, "id")
	c.SetInt(ExitCode, 1)
	c.SetBool(Allowed, true)
	c.Fail()
	c.End()
	_, _ = s.Traceparent(), s.TraceID()
	t.Resume("").Call("callback").End()
	t.Unknown("x", time.Time{}).End()
	s.End()
}

func TestOffCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { nothing(nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var off *Tracer
	if off.Close(t.Context()) != nil || off.Stats() != (Stats{}) {
		t.Error("a Tracer that is not there does something")
	}
}

func BenchmarkOff(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		nothing(nil)
	}
}

// BenchmarkRequest is a request of nine spans.
func BenchmarkRequest(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	tracer, err := New(Config{Endpoint: server.URL, Client: server.Client(), Ratio: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := tracer.Accept(nil, "POST /shell", time.Now())
		for range 8 {
			c := s.Child("stage")
			c.Set(Decision, "0198a6e5-0000-7000-8000-000000000000")
			c.End()
		}
		s.End()
	}
	_ = tracer.Close(context.Background())
}

// FuzzRejected: whatever a collector answers is read without harm.
func FuzzRejected(f *testing.F) {
	f.Add([]byte{0x0a, 0x04, 0x08, 0x05, 0x12, 0x00})
	f.Add([]byte{0x12, 0x01, 0x00, 0x0a, 0x02, 0x08, 0x80})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(_ *testing.T, answer []byte) { rejected(answer) })
}

// FuzzParse: whatever a caller sends as traceparent becomes a part of a trace with IDs of its form, or of none.
func FuzzParse(f *testing.F) {
	f.Add(callersParent)
	f.Add("00-" + callersTrace + "-" + callersSpan + "-zz")
	f.Add("01-" + callersTrace + "-" + callersSpan + "-01-future")
	f.Fuzz(func(t *testing.T, header string) {
		if c := parse(header); c.IsValid() && !strings.Contains(header, c.TraceID().String()+"-"+c.SpanID().String()) {
			t.Errorf("%q became %s", header, c.TraceID())
		}
	})
}
