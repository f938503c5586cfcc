package gateway

import "context"

// answer is the reply to a call that a plugin answered. Nothing runs; the nonce is spent as if it had. The plugins of the
// response phase see what they would of a command.
func (g *Gateway) answer(ctx context.Context, call verified, made transformed) (*outcome, error) {
	c := g.conclude(made.request, nil, made.answer.Result)
	if c.withheld != nil { // there is no job, and nothing ran, so there is no end to tell of
		c.withheld.End = nil
		c.withheld.Message = "plugin " + made.answer.answeredBy + " answered, and its answer is withheld, because " + blame(c.withheld.Cause) + "; the gateway's log says why"
		return nil, c.withheld
	}
	c.answeredBy = made.answer.answeredBy
	if refusal := g.spend(ctx, call, g.answeredLeaf(made.request, c.answeredBy)); refusal != nil {
		return nil, refusal
	}
	g.log.Info("answered by a plugin, without running", "client", call.principal.Client, "plugin", c.answeredBy, traceAttr(call.trace))
	return &outcome{Status: string(statusAnswered), ending: endingOf(nil, c)}, nil
}

// accepted is the reply to a caller that does not wait.
func (l *life) accepted() *outcome {
	return l.outcome("accepted", nil)
}

// reply is the answer to a caller that waited.
func (l *life) reply() (*outcome, *Error) {
	if l.refusal != nil {
		return nil, l.refusal
	}
	return l.outcome(string(l.conclusion.Status), endingOf(l.ruling.Load(), l.conclusion)), nil
}

func (l *life) outcome(status string, end *ending) *outcome {
	o := &outcome{JobID: l.request.ID, DecisionID: l.decisionID(), Status: status, ending: end}
	if r := l.ruling.Load(); r != nil && r.observed {
		o.WouldDeny, o.Reasons = true, r.decision.Reasons
	}
	return o
}

// postponed is the reply to a caller that waits for a job which the gateway did not start before it stopped.
func (l *life) postponed() *Error {
	return &Error{
		Code: ShuttingDown, DecisionID: l.decisionID(), JobID: l.request.ID,
		Message: "the gateway is shutting down; job " + l.request.ID + " is accepted and runs when the gateway is back, so do not send it again",
	}
}

func (l *life) decisionID() string {
	if r := l.ruling.Load(); r != nil {
		return r.id
	}
	return ""
}

// abandoned ends a job whose caller has left, as its decision says. Whoever may still be there is told how it ended.
func (g *Gateway) abandoned(l *life) {
	g.log.Info("the caller left, and its command ends with that, as the policy says", "job", l.request.ID)
	g.queue.Cancel(l.request.ID)
}
