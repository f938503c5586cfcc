package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// decisionReply is the answer of POST /v1/decisions: what the gateway would do, and why.
type decisionReply struct {
	DecisionID  string             `json:"decision_id"`
	Allow       bool               `json:"allow"`                // the command would run
	WouldDeny   bool               `json:"would_deny,omitempty"` // though the policy denies it, because the gateway observes
	Grants      []string           `json:"grants"`
	Reasons     []string           `json:"reasons"`
	Obligations policy.Obligations `json:"obligations"`
	Revision    string             `json:"revision"`
	Analysis    shell.Analysis     `json:"analysis"`

	ChangedBy  []string `json:"changed_by"`            // plugins that rewrote the request
	AnsweredBy string   `json:"answered_by,omitempty"` // the plugin that would answer; nothing was decided, and nothing would run
	Incomplete bool     `json:"incomplete,omitempty"`  // a plugin would have fetched something first, and was not let
}

// serveDecision answers what would become of a job, and runs nothing. A denial is an answer like any other. The call is
// signed and spends its nonce.
func (g *Gateway) serveDecision(w http.ResponseWriter, r *http.Request) {
	reply, err := g.decide(w, r)
	if err != nil {
		g.problem(w, g.refusal(err))
		return
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}

func (g *Gateway) decide(w http.ResponseWriter, r *http.Request) (*decisionReply, error) {
	by := signed
	if auth.IsMessageSigned(r.Header) {
		by = native
	} else if !auth.IsSigned(r.Header) {
		if _, err := auth.PeerOf(r); err == nil {
			by = native
		}
	}
	call, err := by.verify(g, w, r)
	if err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(r.Context())
	decoding := call.trace.Child(spanDecode)
	order, err := decodeJob(call.body)
	decoding.End()
	if err != nil {
		return nil, g.turnAway(ctx, call, nil, invalid(err))
	}
	var (
		request Request
		reply   *decisionReply
	)
	err = g.withinOneEra(&call, func() (err error) {
		request = g.request(r, call, order)
		reply, err = g.foresee(ctx, request)
		return err
	})
	if err != nil {
		return nil, g.turnAway(ctx, call, &request, err)
	}
	if refusal := g.spend(ctx, call, g.askedLeaf(request, reply)); refusal != nil {
		return nil, g.turnAway(ctx, call, &request, refusal)
	}
	g.log.Info("decided, without running", "client", call.principal.Client, "decision", reply.DecisionID, "allow", reply.Allow, traceAttr(call.trace))
	return reply, nil
}

// foresee says what would become of a request. The plugins of the request phase see it, and are not let fetch. A plugin's
// denial is an answer like the policy's.
func (g *Gateway) foresee(ctx context.Context, req Request) (*decisionReply, error) {
	made, err := g.transform(ctx, req, true)
	var denial *Error
	switch {
	case errors.As(err, &denial) && denial.DecisionID != "":
		reply := replyOf(&ruling{id: denial.DecisionID, refusal: denial, analysis: g.judge.analyze(req.Order, "")})
		reply.ChangedBy, reply.Incomplete = made.request.changedBy(), made.incomplete
		return reply, nil
	case err != nil:
		return nil, err
	}
	r := &ruling{id: newID(), analysis: g.judge.analyze(req.Order, "")}
	if made.answer != nil {
		r.refusal = &Error{Reasons: []string{}}
	} else if r, err = g.rule(ctx, made.request); err != nil {
		return nil, err
	} else if r.refusal != nil && r.refusal.Code == PolicyTimeout {
		return nil, r.refusal // no answer is none
	}
	reply := replyOf(r)
	reply.ChangedBy, reply.Incomplete = made.request.changedBy(), made.incomplete
	if made.answer != nil {
		reply.AnsweredBy = made.answer.answeredBy
	}
	return reply, nil
}

// replyOf shows a ruling to its caller. Where nothing is allowed the resolved paths are left out: they would tell what
// programs the host has.
func replyOf(r *ruling) *decisionReply {
	reply := &decisionReply{
		DecisionID: r.id, Allow: r.refusal == nil, Grants: listOf(r.decision.Grants), Reasons: []string{},
		WouldDeny: r.observed, Obligations: r.obligations, Revision: r.decision.Revision, Analysis: r.analysis,
	}
	if r.observed {
		reply.Reasons = r.decision.Reasons
	}
	if r.refusal != nil {
		reply.Reasons = r.refusal.Reasons
		reply.Analysis.Commands = slices.Clone(r.analysis.Commands)
		for i := range reply.Analysis.Commands {
			reply.Analysis.Commands[i].ResolvedPath = nil
		}
	}
	return reply
}
