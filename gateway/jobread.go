package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// jobReply is a job as the native API shows it.
type jobReply struct {
	JobID      string            `json:"job_id"`
	Client     string            `json:"client"`
	Status     string            `json:"status"`
	Command    string            `json:"command,omitempty"`
	Argv       []string          `json:"argv,omitempty"`
	Workdir    string            `json:"workdir,omitempty"`
	Env        []string          `json:"env,omitempty"` // names alone: values may be secrets
	Labels     map[string]string `json:"labels,omitempty"`
	DecisionID string            `json:"decision_id"`
	Revision   string            `json:"revision"` // of the policy that decided
	AcceptedAt time.Time         `json:"accepted_at"`
	StartedAt  *time.Time        `json:"started_at,omitempty"`

	// What is known once the job has ended.
	EndedAt    *time.Time      `json:"ended_at,omitempty"`
	ExitCode   *int            `json:"exit_code,omitempty"`
	Signal     string          `json:"signal,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	DurationMS *int64          `json:"duration_ms,omitempty"`
	Stdout     *outputReply    `json:"stdout,omitempty"`
	Stderr     *outputReply    `json:"stderr,omitempty"`
	Record     json.RawMessage `json:"record,omitempty"` // what was enforced, and what plugins changed
}

// outputReply is what is known of an output beside its bytes.
type outputReply struct {
	Bytes     int64  `json:"bytes"` // that the command wrote
	Kept      int64  `json:"kept"`  // that can be fetched
	Truncated bool   `json:"truncated"`
	SHA256    string `json:"sha256"` // of what is kept
}

func shown(j journal.Job) jobReply {
	r := jobReply{
		JobID: j.ID, Client: j.Client, Status: string(j.Status), Command: j.Command, Labels: j.Labels, DecisionID: j.DecisionID, Revision: j.Revision,
		AcceptedAt: j.AcceptedAt, StartedAt: known(j.StartedAt),
	}
	if j.Status.Final() {
		took := j.Duration.Milliseconds()
		r.EndedAt, r.Signal, r.Reason, r.DurationMS = known(j.EndedAt), j.Signal, j.Reason, &took
		if j.Status != journal.Interrupted { // how that would have ended is not known, and 0 would be taken for success
			r.ExitCode = &j.ExitCode
		}
	}
	return r
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// own returns the job that a route names, if the caller may see it: its own, or everybody's for an operator. Another one is as one that does not
// exist.
func (g *Gateway) own(r *http.Request) (journal.Job, auth.Principal, error) {
	principal, err := g.caller(r)
	if err != nil {
		return journal.Job{}, principal, err
	}
	ctx, done := g.lookUp(r)
	defer done()
	job, err := g.journal.Job(ctx, mux.Vars(r)["id"])
	switch {
	case errors.Is(err, journal.ErrNotFound), err == nil && job.Client != principal.Client && !principal.HasRole(auth.RoleOperator):
		return journal.Job{}, principal, &Error{Code: NotFound, Message: "there is no such job, or it is another client's, or it was forgotten since"}
	case err != nil:
		return journal.Job{}, principal, err
	}
	return job, principal, nil
}

// lookUp is for what is read for a caller. The request's own context would end it also where a caller sends no more and waits for its answer.
func (g *Gateway) lookUp(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), g.replyTime)
}

// unread answers why something was not read.
func (g *Gateway) unread(w http.ResponseWriter, err error) { g.problem(w, g.noted(err)) }

// noted is refusal for what has nothing to do with a command, and puts a fault of the gateway into its log.
func (g *Gateway) noted(err error) *Error {
	refusal := g.refusal(err)
	if refusal.Code == Internal {
		g.log.Error("a caller did not get what it asked for", "error", refusal.Cause)
	}
	return refusal
}

// serveJob shows one job.
func (g *Gateway) serveJob(w http.ResponseWriter, r *http.Request) {
	job, principal, err := g.own(r)
	if err == nil {
		_, err = queryOf(r)
	}
	if err != nil {
		g.unread(w, err)
		return
	}
	reply, err := g.describe(r, job, principal)
	if err != nil {
		g.unread(w, err)
		return
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}

// describe shows all of a job but the values of its variables, its input and its output.
func (g *Gateway) describe(r *http.Request, job journal.Job, to auth.Principal) (jobReply, error) {
	reply := shown(job)
	asked := requestOf(job)
	if reply.Argv, reply.Workdir = asked.Argv, asked.Workdir; asked.Argv != nil {
		reply.Command = "" // the line for lists
	}
	for _, v := range asked.Env {
		reply.Env = append(reply.Env, v.Key)
	}
	if !job.Status.Final() {
		return reply, nil
	}
	reply.Record = recordFor(to, job.Result)
	ctx, done := g.lookUp(r)
	defer done()
	kept, err := g.journal.Output(ctx, job.ID)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return reply, err
	}
	if err == nil {
		reply.Stdout, reply.Stderr = keptOf(kept.Stdout), keptOf(kept.Stderr)
	}
	return reply, nil
}

// recordFor is the record of a job's end as somebody may see it. Who is no operator sees which plugins changed what, and neither digests nor text of it:
// who knows the rest of an output could find out by a digest what a plugin took out of it.
func recordFor(to auth.Principal, record []byte) json.RawMessage {
	if len(record) == 0 || to.HasRole(auth.RoleOperator) {
		return record
	}
	var kept struct {
		Annotations map[string]string `json:"annotations,omitempty"`
		Changes     []struct {
			Plugin string   `json:"plugin"`
			Fields []string `json:"fields"`
		} `json:"changes,omitempty"`
		Withheld string `json:"withheld,omitempty"`
	}
	if json.Unmarshal(record, &kept) != nil {
		return nil
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return nil
	}
	return b
}

func keptOf(s journal.StoredStream) *outputReply {
	return &outputReply{Bytes: s.Bytes, Kept: s.Size, Truncated: s.Truncated, SHA256: fmt.Sprintf("%x", s.SHA256)}
}
