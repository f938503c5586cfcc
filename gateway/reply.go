package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sidegate/sidegate/executor"
)

// envelope is the connector's reply.
type envelope struct {
	OK      bool     `json:"ok"`
	Message string   `json:"message"`
	Data    *outcome `json:"data"`
}

// refusedEnvelope is that of a refusal.
type refusedEnvelope struct {
	envelope
	Reason     Code     `json:"reason"`
	DecisionID string   `json:"decision_id"` // "" where nothing was decided
	Reasons    []string `json:"reasons,omitempty"`
	*End
}

// outcome is the data of a reply. The connector reads stdout and stderr; the other keys are for newer callers.
type outcome struct {
	JobID      string `json:"job_id"`
	DecisionID string `json:"decision_id"`
	Status     string `json:"status"`
	// WouldDeny says that the policy denies the command, which ran because the gateway observes; for Reasons.
	WouldDeny bool     `json:"would_deny,omitempty"`
	Reasons   []string `json:"reasons,omitempty"`
	*ending
}

// ending is what is known once a job has ended, but for its output.
type ending struct {
	ExitCode   int      `json:"exit_code"`
	Signal     string   `json:"signal"`
	OOM        bool     `json:"oom,omitempty"` // the kernel ended it for want of memory
	Truncated  bool     `json:"truncated"`
	DurationMS int64    `json:"duration_ms"`
	Profile    string   `json:"profile"`
	Enforced   []string `json:"enforced"`
	Missing    []string `json:"missing"`

	// HeldBy names the plugins that the output went through, which is why none of it was sent before the end.
	HeldBy      []string          `json:"held_by,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"` // what plugins say of it
	AnsweredBy  string            `json:"answered_by,omitempty"` // the plugin that answered in place of a command

	stdout, stderr *executor.Output
}

// reply sends a result or, when refusal is not nil, a refusal.
func (g *Gateway) reply(w http.ResponseWriter, data *outcome, refusal *Error) {
	switch {
	case refusal != nil:
		refusedWith(w, refusal.Code)
		retryAfter(w, refusal)
		g.send(w, refusal.Status(), mediaJSON, refusedEnvelope{
			envelope: envelope{Message: refusal.Message},
			Reason:   refusal.Code, DecisionID: refusal.DecisionID, Reasons: refusal.Reasons, End: refusal.End,
		})
	case data.ending == nil:
		g.send(w, http.StatusOK, mediaJSON, envelope{OK: true, Data: data})
	default:
		g.sendShell(w, data)
	}
}

// sendJob sends an outcome to callers of the native API.
func (g *Gateway) sendJob(w http.ResponseWriter, status int, data *outcome) {
	if data.ending == nil {
		g.send(w, status, mediaJSON, data)
		return
	}
	g.sendResult(w, data)
}

// sendShell sends a result to the connector, whose two members come first.
func (g *Gateway) sendShell(w http.ResponseWriter, data *outcome) {
	rest := restOf(data)
	out := g.beginResult(w)
	out.raw(`{"ok":true,"message":"","data":{`)
	g.writeOutput(out, data)
	out.raw(`,` + rest + "}}\n")
	g.endResult(out, data)
}

// sendResult sends a result to callers of the native API.
func (g *Gateway) sendResult(w http.ResponseWriter, data *outcome) {
	rest := restOf(data)
	out := g.beginResult(w)
	out.raw(`{` + rest + `,`)
	g.writeOutput(out, data)
	out.raw("}\n")
	g.endResult(out, data)
}

// restOf are the members of a result without its output, as they stand between the braces.
func restOf(data *outcome) string {
	text, err := json.Marshal(data)
	if err != nil { // there is nothing in it that cannot be encoded
		panic("gateway: a result cannot be encoded: " + err.Error())
	}
	return string(text[1 : len(text)-1])
}

func (g *Gateway) beginResult(w http.ResponseWriter) *jsonWriter {
	g.begin(w, http.StatusOK, mediaJSON)
	return &jsonWriter{w: w}
}

// writeOutput writes the output of a result, which is written in pieces: as JSON it may be six times as long.
func (g *Gateway) writeOutput(out *jsonWriter, data *outcome) {
	out.raw(`"stdout":`)
	err1 := out.text(data.stdout)
	out.raw(`,"stderr":`)
	err2 := out.text(data.stderr)
	if err := errors.Join(err1, err2); err != nil {
		g.log.Error("a reply is cut off, because the output of its command cannot be read back", "job", data.JobID, "error", err)
		panic(http.ErrAbortHandler) // the caller must not take what it has for the whole
	}
}

func (g *Gateway) endResult(out *jsonWriter, data *outcome) {
	if out.err != nil {
		g.log.Debug("the caller left before the reply was sent", "job", data.JobID, "error", out.err)
	}
}

const mediaJSON = "application/json; charset=utf-8"

func retryAfter(w http.ResponseWriter, refusal *Error) {
	if refusal.RetryAfter > 0 {
		seconds := max(1, int((refusal.RetryAfter+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
}

// send writes one JSON value.
func (g *Gateway) send(w http.ResponseWriter, status int, media string, body any) {
	g.begin(w, status, media)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		g.log.Debug("the caller left before the reply was sent", "error", err)
	}
}

// begin sends the head of a reply, whose rest has replyTime to be taken.
func (g *Gateway) begin(w http.ResponseWriter, status int, media string) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.replyTime))
	w.WriteHeader(status)
}
