package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// envelope is the connector's reply, for results and refusals alike.
type envelope struct {
	OK         bool     `json:"ok"`
	Message    string   `json:"message"`
	Data       *outcome `json:"data"`
	Reason     Code     `json:"reason,omitempty"`
	Reasons    []string `json:"reasons,omitempty"`
	DecisionID string   `json:"decision_id,omitempty"`
}

// outcome is the data of a reply. The connector reads stdout and stderr; the other keys are for newer callers.
type outcome struct {
	JobID      string `json:"job_id"`
	DecisionID string `json:"decision_id"`
	Status     string `json:"status"`
	*ending
}

// ending is what is known once a job has ended.
type ending struct {
	Stdout     string   `json:"stdout"`
	Stderr     string   `json:"stderr"`
	ExitCode   int      `json:"exit_code"`
	Signal     string   `json:"signal"`
	Truncated  bool     `json:"truncated"`
	DurationMS int64    `json:"duration_ms"`
	Profile    string   `json:"profile"`
	Enforced   []string `json:"enforced"`
	Missing    []string `json:"missing"`
}

// reply sends a result or, when refusal is not nil, a refusal.
func (g *Gateway) reply(w http.ResponseWriter, data *outcome, refusal *Error) {
	status, body := http.StatusOK, envelope{OK: true, Data: data}
	if refusal != nil {
		status = refusal.Status()
		body = envelope{Message: refusal.Message, Reason: refusal.Code, Reasons: refusal.Reasons, DecisionID: refusal.DecisionID}
		if refusal.RetryAfter > 0 {
			seconds := max(1, int((refusal.RetryAfter+time.Second-1)/time.Second))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(replyTime))
	w.WriteHeader(status)
	enc := json.NewEncoder(w) // replaces invalid UTF-8 of a command's output by U+FFFD
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		g.log.Debug("the caller left before the reply was sent", "error", err)
	}
}
