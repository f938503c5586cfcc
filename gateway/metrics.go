package gateway

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/tracing"
	"github.com/sidegate/sidegate/policy"
)

// Metrics are functions that are told what happens, and the page that shows what came of it. Each may be nil. They are called concurrently, while callers
// wait, so they must not block. What they are told comes out of small sets: names from the configuration, routes, codes, statuses.
type Metrics struct {
	Page http.Handler // GET /metrics of the admin listener

	// Request is called when a request was answered; code is a refusal's, or one of those below, and class that of the HTTP status, such as 2xx.
	Request  func(route, method, class, code string, took time.Duration)
	Refused  func(client, code string) // a call of a known client was refused
	Stage    func(stage string, took time.Duration)
	Decided  func(allowed, failed bool, took time.Duration) // by the policy, or it failed to
	Accepted func(client, profile string, observed bool)
	Ended    func(status string, exitCode int, ran time.Duration) // a job's end is on record; ran is 0 where no command ran, or nobody knows how long
}

// What becomes of a request that is not refused.
const (
	codeOK      = "ok"
	codeAborted = "aborted" // the answer was broken off
)

// Stages of a request, as they are timed.
const (
	stageAuthenticate    = "authenticate"
	stageRequestPlugins  = "request_plugins"
	stageDecide          = "decide" // analysis, policy, and what it obliges to
	stageAdmit           = "admit"  // the commit
	stageResponsePlugins = "response_plugins"
	stageRecord          = "record" // the commit of the end
)

// orNothing returns m with functions that do nothing for those that are missing, but for Stage.
func (m Metrics) orNothing() Metrics {
	if m.Request == nil {
		m.Request = func(string, string, string, string, time.Duration) {}
	}
	if m.Refused == nil {
		m.Refused = func(string, string) {}
	}
	if m.Decided == nil {
		m.Decided = func(bool, bool, time.Duration) {}
	}
	if m.Accepted == nil {
		m.Accepted = func(string, string, bool) {}
	}
	if m.Ended == nil {
		m.Ended = func(string, int, time.Duration) {}
	}
	return m
}

// ended counts a job whose end is on record.
func (m *Metrics) ended(o journal.Outcome) {
	ran := o.Duration
	if o.Status == journal.Interrupted || o.Status == journal.Failed {
		ran = 0
	}
	m.Ended(string(o.Status), o.ExitCode, ran)
}

// timedDecider tells how long a policy takes to answer, and what it says.
type timedDecider struct {
	decider
	told func(allowed, failed bool, took time.Duration)
}

// DecideAs implements decider. That no policy is loaded is no answer.
func (d timedDecider) DecideAs(ctx context.Context, id string, in policy.Input) (policy.Decision, error) {
	begun := time.Now()
	decision, err := d.decider.DecideAs(ctx, id, in)
	if err == nil {
		d.told(decision.Allow, decision.Fault != "", time.Since(begun))
	}
	return decision, err
}

// anyOther stands for all routes, or methods, that there are not.
const anyOther = "other"

var (
	knownMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	variable     = regexp.MustCompile(`\{(\w+):[^{}]*\}`) // a variable of a route, with the pattern that it must have
)

// counted has the answers of a route counted.
func (g *Gateway) counted(path string, serve http.HandlerFunc) http.HandlerFunc {
	route := variable.ReplaceAllString(path, "{$1}")
	return func(w http.ResponseWriter, r *http.Request) {
		counted := &countedWriter{ResponseWriter: w, route: route, method: r.Method, begun: time.Now(), code: codeAborted}
		if !slices.Contains(knownMethods, counted.method) {
			counted.method = anyOther
		}
		defer func() {
			g.metrics.Request(route, counted.method, counted.class(), counted.code, time.Since(counted.begun))
			g.traceEnd(counted)
		}()
		serve(counted, r)
		counted.over()
	}
}

// countedWriter notes what a request is answered with.
type countedWriter struct {
	http.ResponseWriter
	route, method string
	begun         time.Time
	code          string // once the answer is over
	refusal       Code
	status        int
	trace         *tracing.Span // once the caller is known
}

// refusedWith notes why a request is refused.
func refusedWith(w http.ResponseWriter, code Code) {
	for {
		switch wrapper := w.(type) {
		case *countedWriter:
			wrapper.refusal = code
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			return
		}
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *countedWriter) WriteHeader(status int) {
	if status >= http.StatusOK { // others are interim
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. What is written without a head has 200, as package http has it.
func (w *countedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// class is that of the status; "none" where no head was sent.
func (w *countedWriter) class() string {
	classes := [...]string{2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
	if i := w.status / 100; i >= 2 && i < len(classes) {
		return classes[i]
	}
	return "none"
}

func (w *countedWriter) over() {
	switch {
	case w.refusal != "":
		w.code = string(w.refusal)
	case w.status >= http.StatusBadRequest: // what package http refuses by itself
		w.code = string(InvalidRequest)
	default:
		w.code = codeOK
	}
}

// uncounted is for package http, which looks for its own writer below the one that it is given.
func uncounted(w http.ResponseWriter) http.ResponseWriter {
	if c, ok := w.(*countedWriter); ok {
		return c.ResponseWriter
	}
	return w
}
