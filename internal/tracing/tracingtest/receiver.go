// Package tracingtest is a collector of OpenTelemetry for tests: it takes what a gateway sends, decodes it, and shows it as trees.
package tracingtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Span is one that was received. IDs are in hexadecimal, and values as text.
type Span struct {
	Trace, ID, Parent, State string
	Name, Kind               string
	Failed                   bool
	Began, Ended             time.Time
	Says                     map[string]string
	Resource                 map[string]string
	Flags                    uint32
}

// A Receiver takes spans over HTTP. Its methods are safe for concurrent use.
type Receiver struct {
	URL string

	mu      sync.Mutex
	spans   []Span
	raw     []byte // all bodies
	headers []http.Header
	status  int // of answers; 0 means 200
	answer  []byte
}

// New starts a Receiver that ends with the test.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := new(Receiver)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// Answer has all that comes answered so.
func (r *Receiver) Answer(status int, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.answer = status, body
}

// ServeHTTP takes spans as OTLP has it. What is no such request is answered 400 or 404, and not received.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var data tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(body, &data)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case req.Method != http.MethodPost || req.URL.Path != "/v1/traces":
		w.WriteHeader(http.StatusNotFound)
		return
	case err != nil || req.Header.Get("Content-Type") != "application/x-protobuf":
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.headers = append(r.headers, req.Header)
	if r.status != 0 && r.status != http.StatusOK {
		w.WriteHeader(r.status)
		_, _ = w.Write(r.answer)
		return
	}
	r.raw = append(r.raw, body...)
	for _, resource := range data.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, spanOf(s, textOf(resource.GetResource().GetAttributes())))
			}
		}
	}
	_, _ = w.Write(r.answer)
}

func spanOf(s *tracepb.Span, resource map[string]string) Span {
	return Span{
		Trace: fmt.Sprintf("%x", s.TraceId), ID: fmt.Sprintf("%x", s.SpanId), Parent: fmt.Sprintf("%x", s.ParentSpanId), State: s.TraceState,
		Name: s.Name, Kind: strings.ToLower(strings.TrimPrefix(s.Kind.String(), "SPAN_KIND_")), Failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		Began: time.Unix(0, int64(s.StartTimeUnixNano)), Ended: time.Unix(0, int64(s.EndTimeUnixNano)), Says: textOf(s.Attributes), Resource: resource, Flags: s.Flags,
	}
}

func textOf(attributes []*commonpb.KeyValue) map[string]string {
	said := map[string]string{}
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			said[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			said[a.Key] = strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			said[a.Key] = strconv.FormatBool(v.BoolValue)
		default:
			said[a.Key] = fmt.Sprintf("a value of another type: %v", v)
		}
	}
	return said
}

// Spans are all that were received, in the order of their beginnings.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.spans)
	slices.SortStableFunc(all, func(a, b Span) int { return a.Began.Compare(b.Began) })
	return all
}

// Headers are those of each request that had spans.
func (r *Receiver) Headers() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

// Holds tells whether a text is anywhere in what was received.
func (r *Receiver) Holds(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(string(r.raw), text)
}

// Tree shows the names of a trace's spans, in their order: what is part of a span stands below it, two columns to the right. A span whose parent is not
// there is at the left.
func (r *Receiver) Tree(trace string) string {
	var spans []Span
	ids := map[string]bool{}
	for _, s := range r.Spans() {
		if s.Trace == trace {
			spans, ids[s.ID] = append(spans, s), true
		}
	}
	var b strings.Builder
	var show func(parent string, depth int)
	show = func(parent string, depth int) {
		for _, s := range spans {
			if s.Parent == parent && depth > 0 || depth == 0 && !ids[s.Parent] {
				fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), s.Name)
				show(s.ID, depth+1)
			}
		}
	}
	show("", 0)
	return b.String()
}

// Find returns the one span of a trace with a name.
func (r *Receiver) Find(t testing.TB, trace, name string) Span {
	t.Helper()
	var found []Span
	for _, s := range r.Spans() {
		if s.Trace == trace && s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d spans %s in\n%s", len(found), name, r.Tree(trace))
	}
	return found[0]
}
