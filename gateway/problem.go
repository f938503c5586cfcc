package gateway

import "net/http"

// problemReply is a refusal as RFC 9457 has it. Its members beyond the RFC's are those of refusedEnvelope, but that "status" is the RFC's.
type problemReply struct {
	Type       string   `json:"type"`
	Title      string   `json:"title"`
	Status     int      `json:"status"`
	Detail     string   `json:"detail"`
	Instance   string   `json:"instance,omitempty"` // the job, or else the decision, that it is about
	Reason     Code     `json:"reason"`
	Reasons    []string `json:"reasons,omitempty"`
	DecisionID string   `json:"decision_id,omitempty"`

	// Of a job that was accepted all the same, and how it ended where that is known.
	JobID     string `json:"job_id,omitempty"`
	JobStatus string `json:"job_status,omitempty"`
	ExitCode  *int   `json:"exit_code,omitempty"`
}

// problemType is what the types of problems begin with; the code follows. They are names and no addresses: callers compare them, and there is nothing
// to fetch, so that nobody can ever answer for them in Sidegate's place. docs/errors.md describes each.
const problemType = "urn:sidegate:problem:"

const mediaProblem = "application/problem+json"

func problemOf(refusal *Error) problemReply {
	p := problemReply{
		Type: problemType + string(refusal.Code), Title: kinds[refusal.Code].title, Status: refusal.Status(), Detail: refusal.Message,
		Reason: refusal.Code, Reasons: refusal.Reasons, DecisionID: refusal.DecisionID, JobID: refusal.JobID,
	}
	if end := refusal.End; end != nil {
		p.JobID, p.JobStatus, p.ExitCode = end.JobID, end.Status, &end.ExitCode
	}
	switch {
	case p.JobID != "":
		p.Instance = jobPath(p.JobID)
	case p.DecisionID != "":
		p.Instance = "urn:uuid:" + p.DecisionID
	}
	return p
}

// problem sends a refusal of the native API.
func (g *Gateway) problem(w http.ResponseWriter, refusal *Error) {
	refusedWith(w, refusal.Code)
	retryAfter(w, refusal)
	switch refusal.Status() {
	case http.StatusUnauthorized: // which has to name a scheme (RFC 9110, 11.6.1), and signatures of messages have no registered one
		w.Header().Set("WWW-Authenticate", `Signature realm="sidegate"`)
	case http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // what comes on it is no next request
	}
	g.send(w, refusal.Status(), mediaProblem, problemOf(refusal))
}

// jobPath is where a job is to be found.
func jobPath(id string) string { return "/v1/jobs/" + id }
