package gateway

import (
	"encoding/hex"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/journal"
)

// A leaf says to the audit what happened, in the commit that makes it so. Secrets are in it as digests only.

// callerLeaf is what every leaf about a caller begins with.
func (g *Gateway) callerLeaf(t audit.Type, p auth.Principal) audit.Leaf {
	return audit.Leaf{Type: t, Time: g.now(), Client: p.Client, KeyID: p.KeyID, Roles: p.Roles}
}

// requestLeaf is about a request as it was decided on, and the ruling, if there is one.
func (g *Gateway) requestLeaf(t audit.Type, req Request, r *ruling) audit.Leaf {
	l := g.callerLeaf(t, req.Principal)
	if req.SourceIP.IsValid() {
		l.Source = req.SourceIP.String()
	}
	l.Command, l.Argv, l.Workdir = req.Command, req.Argv, req.Workdir
	values := make(map[string]string, len(req.Env))
	for _, v := range req.Env {
		values[v.Key] = v.Value
	}
	l.Env = g.audit.Env(values)
	if changed := req.changedBy(); len(changed) > 0 {
		l.ChangedBy = changed
	}
	if req.Callback != nil {
		l.Receiver = req.Callback.Origin()
	}
	if r != nil {
		l.Decision, l.Revision, l.Grants, l.Reasons = r.id, r.decision.Revision, r.decision.Grants, r.decision.Reasons
	}
	return l
}

// admittedLeaf says that a request became a job. row is what is stored with it.
func (g *Gateway) admittedLeaf(req Request, r *ruling, row *journal.NewJob) []byte {
	t := audit.Admitted
	if r.observed {
		t = audit.Observed
	}
	l := g.requestLeaf(t, req, r)
	l.Job, l.Request, l.Spec = req.ID, g.audit.Digest("request", row.Request), g.audit.Digest("spec", row.Spec)
	return l.Encode()
}

// startedLeaf says that the process of a job is about to be made, and how it is held. Where it was decided again, again says so.
func (g *Gateway) startedLeaf(req Request, r *ruling, again *journal.Start) []byte {
	l := g.callerLeaf(audit.Started, req.Principal)
	l.Job = req.ID
	l.Profile, l.User, l.Mode = string(r.job.Profile), r.job.User, modeDirect
	if r.obligations.Mode == modeShell {
		l.Mode = modeShell
	}
	if again != nil && again.DecisionID != "" {
		l.Decision, l.Revision, l.Grants = r.id, r.decision.Revision, r.decision.Grants
		l.Spec = g.audit.Digest("spec", again.Spec)
	}
	return l.Encode()
}

// refusedLeaf says that a call was refused, and why. Of one that could not be read only the caller is known.
func (g *Gateway) refusedLeaf(call verified, about *Request, refusal *Error) []byte {
	t := audit.Denied
	switch refusal.Code {
	case PluginDenied, PluginUnauthorized, PluginLimited, PluginUnavailable, PluginFailed, ResponseWithheld:
		t = audit.PluginDenied
	}
	l := g.callerLeaf(t, call.principal)
	if about != nil {
		l = g.requestLeaf(t, *about, nil)
	}
	l.Decision, l.Revision, l.Reasons, l.Code, l.Plugin = refusal.DecisionID, refusal.Revision, refusal.Reasons, string(refusal.Code), refusal.Plugin
	return l.Encode()
}

// answeredLeaf says that a plugin answered in place of a command.
func (g *Gateway) answeredLeaf(req Request, plugin string) []byte {
	l := g.requestLeaf(audit.Answered, req, nil)
	l.Plugin = plugin
	return l.Encode()
}

// askedLeaf says that somebody asked what would be decided, and what the answer was.
func (g *Gateway) askedLeaf(req Request, reply *decisionReply) []byte {
	l := g.requestLeaf(audit.Asked, req, nil)
	l.Decision, l.Revision, l.Grants, l.Reasons = reply.DecisionID, reply.Revision, reply.Grants, reply.Reasons
	if !reply.Allow {
		l.Code = string(Denied)
	}
	return l.Encode()
}

// cancelledLeaf says who asked for the end of a job.
func (g *Gateway) cancelledLeaf(by auth.Principal, job journal.Job) []byte {
	l := g.callerLeaf(audit.Cancelled, by)
	l.Job = job.ID
	return l.Encode()
}

// outcome is what the journal keeps of a job's end, and what it says of that to the audit.
func (g *Gateway) outcome(req Request, c conclusion) journal.Outcome {
	o := outcomeOf(req, c, g.kwargsOf(req.Principal.Client))
	o.Leaf = g.endedLeaf(req, o, c)
	return o
}

// endedLeaf says how a job ended, and what is stored of it.
func (g *Gateway) endedLeaf(req Request, o journal.Outcome, c conclusion) func(journal.Output) ([]byte, error) {
	return func(kept journal.Output) ([]byte, error) {
		l := audit.Leaf{
			Type: audit.Ended, Time: o.At, Job: o.JobID, Client: req.Principal.Client, Status: string(o.Status), Signal: o.Signal, Reason: o.Reason,
			Micros: o.Duration.Microseconds(), Stdout: storedLeaf(kept.Stdout), Stderr: storedLeaf(kept.Stderr), Result: g.audit.Digest("result", o.Result),
		}
		if c.Status != executor.StatusInterrupted {
			l.ExitCode = &o.ExitCode
		}
		if c.withheld != nil {
			l.Code = string(c.withheld.Code)
		}
		for _, change := range c.changes {
			l.ChangedBy = append(l.ChangedBy, change.Plugin)
		}
		return l.Encode(), nil
	}
}

func storedLeaf(s journal.StoredStream) *audit.Stream {
	return &audit.Stream{Bytes: s.Bytes, Truncated: s.Truncated, SHA256: hex.EncodeToString(s.SHA256[:])}
}
