package policy

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/plugins/logs"
	"github.com/open-policy-agent/opa/v1/plugins/status"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage"
)

// masked stands in the decision log for what must not be there.
const masked = "[masked]"

// LogStatus counts what became of logged decisions since the start. What the
// policy's own rule data.system.log.drop keeps out is not counted.
type LogStatus struct {
	Waiting       int64 // events and chunks of events to be sent
	DroppedFull   int64 // events and chunks dropped because too many were waiting
	DroppedRate   int64 // events dropped above max_decisions_per_second
	Failed        int64 // events that could not be written
	ChunksSent    int64
	ChunksNotSent int64 // attempts that failed; a chunk is tried again
}

// decisionLog hands decisions to OPA's decision log plugin. Nil logs nothing.
type decisionLog struct {
	plugin   *logs.Plugin
	deadline time.Duration
	counters metrics.Metrics
	failed   atomic.Int64
}

// openDecisionLog registers the decision log and the status plugin, as far as
// they are configured. It returns nil without a decision log.
func openDecisionLog(opa *plugins.Manager, o *opaOptions, deadline time.Duration) *decisionLog {
	counters := metrics.New()
	var log *decisionLog
	if o.logs != nil {
		log = &decisionLog{plugin: logs.New(o.logs, opa).WithMetrics(counters), deadline: deadline, counters: counters}
		opa.Register(logs.Name, log.plugin)
	}
	if o.status != nil {
		opa.Register(status.Name, status.New(o.status, opa).WithMetrics(counters))
	}
	return log
}

func (l *decisionLog) status() LogStatus {
	if l == nil {
		return LogStatus{}
	}
	_, waiting := l.plugin.BufferSize()
	count := func(name string) int64 {
		n, _ := l.counters.Counter(name).Value().(uint64)
		return int64(n)
	}
	return LogStatus{
		Waiting:       waiting,
		DroppedFull:   count("decision_logs_dropped_buffer_size_limit_exceeded"),
		DroppedRate:   count("decision_logs_dropped_rate_limit_exceeded"),
		Failed:        count("decision_logs_encoding_failure") + l.failed.Load(),
		ChunksSent:    count("decision_logs_chunks_uploaded"),
		ChunksNotSent: count("decision_logs_chunks_upload_failed"),
	}
}

// record logs a decision. The rules mask and drop of the policy that made it
// run inside its transaction; OPA writes nothing when they fail.
func (l *decisionLog) record(ctx context.Context, txn storage.Transaction, policy *prepared, id string, in *Input, question ast.Value, d Decision) {
	if l == nil {
		return
	}
	// A caller who has gone must not be able to keep a decision out of the log.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.deadline)
	defer cancel()
	if id == "" {
		id = uuid.NewString()
	}
	event, err := eventOf(in, question, d)
	if err != nil {
		l.failed.Add(1)
		return
	}
	event.DecisionID, event.Timestamp, event.Txn, event.Bundles = id, time.Now().UTC(), txn, policy.bundles
	event.Path, event.RemoteAddr = "sidegate/decision", in.Request.SourceIP
	if d.Fault != "" {
		event.Error = logFault{"policy_fault", d.Reasons[0]}
	}
	if err := l.log(ctx, event); err != nil {
		l.failed.Add(1)
	}
}

// log keeps a panic in a rule of the policy away from the decision.
func (l *decisionLog) log(ctx context.Context, event *server.Info) (err error) {
	defer func() {
		if recover() != nil {
			l.failed.Add(1)
		}
	}()
	return l.plugin.Log(ctx, event)
}

// logFault is a fault as the log may have it: Decision.Fault can quote values.
type logFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f logFault) Error() string { return f.Message }

// eventOf makes the event of a decision. Values of environment variables,
// standard input and the callback's query never get into it, whatever the
// policy's own rules say: a bundle must not be able to collect them.
//
// question is the policy's view of in, of which all but the request is used again.
func eventOf(in *Input, question ast.Value, d Decision) (*server.Info, error) {
	request := in.Request
	request.Env = maskedValues(request.Env)
	if request.Stdin != nil && request.Stdin.Text != nil {
		stdin := *request.Stdin
		stdin.Text = new(masked)
		request.Stdin = &stdin
	}
	if request.Callback != nil && request.Callback.Query != "" {
		callback := *request.Callback
		callback.Query = masked
		request.Callback = &callback
	}
	whole, ok := question.(ast.Object)
	if !ok {
		return nil, errors.New("the input is not an object")
	}
	hidden := false
	value, err := whole.Map(func(key, term *ast.Term) (*ast.Term, *ast.Term, error) {
		if key.Equal(keyRequest) {
			hidden, term = true, requestTerm(&request)
		}
		return key, term, nil
	})
	if err != nil || !hidden {
		return nil, errors.Join(errors.New("the input cannot be masked"), err)
	}
	input, err := ast.JSON(value)
	if err != nil {
		return nil, err
	}
	d.Obligations.Env.Set = maskedValues(d.Obligations.Env.Set)
	d.Fault = ""
	encoded, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	var result any
	if err := json.Unmarshal(encoded, &result); err != nil {
		return nil, err
	}
	return &server.Info{Input: &input, InputAST: value, Results: &result}, nil
}

func maskedValues(env map[string]string) map[string]string {
	hidden := make(map[string]string, len(env))
	for key := range env {
		hidden[key] = masked
	}
	return hidden
}
