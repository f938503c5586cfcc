package history

import (
	"cmp"
	"context"
	"slices"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/policy"
)

// Answer is what a gateway makes of a request under a policy, without running it: the decision, and the ceilings of the configuration.
type Answer struct {
	Allow   bool     `json:"allow"`
	Grants  []string `json:"grants"`  // of the policy, of what the configuration refuses too
	Reasons []string `json:"reasons"` // as callers get them: some where it is not allowed, and none where it is
	// Obligations are those in force, with the configuration's defaults; the zero value where nothing would run.
	Obligations policy.Obligations `json:"obligations"`

	Decision policy.Decision `json:"-"` // of the policy alone
	Input    policy.Input    `json:"-"` // what the policy was asked
}

// Policies are some that are asked about requests that were made before, one at a time. daemon.Explainer asks those that it loaded. It is exported for
// SuggestOptions.Load to return.
type Policies interface {
	// Again says what a gateway with these policies would do about a request, as if there were no observe mode, and what they are asked about it. It runs
	// nothing. The error is policy.ErrNotLoaded.
	Again(ctx context.Context, req gateway.Request) (policy.Input, gateway.Outcome, error)
	// Revision is that of the policies.
	Revision() string
}

// WithRoles are policies under which clients, by name, have roles beside those of the request.
func WithRoles(p Policies, roles map[string][]string) Policies { return widened{p, roles} }

type widened struct {
	Policies
	roles map[string][]string
}

func (w widened) Again(ctx context.Context, req gateway.Request) (policy.Input, gateway.Outcome, error) {
	req.Principal.Roles = slices.Concat(req.Principal.Roles, w.roles[req.Principal.Client])
	return w.Policies.Again(ctx, req)
}

// answerOf is what policies say about a request. The error is that of ctx, or policy.ErrNotLoaded: what ctx cut short is no answer, although it looks like a
// denial.
func answerOf(ctx context.Context, p Policies, req gateway.Request) (Answer, error) {
	input, o, err := p.Again(ctx, req)
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return Answer{}, err
	}
	a := Answer{Allow: o.Job != nil, Grants: append([]string{}, o.Decision.Grants...), Reasons: append([]string{}, o.Told...), Decision: o.Decision, Input: input}
	if o.Job != nil {
		a.Obligations = inForce(req, o)
	}
	return a, nil
}

// inForce are the obligations that hold for a job.
func inForce(req gateway.Request, o gateway.Outcome) policy.Obligations {
	said, job := o.Decision.Obligations, o.Job
	held := policy.Obligations{
		Mode: o.Mode, Profile: string(job.Profile), BestEffort: job.BestEffort, Timeout: job.Timeout, MaxOutput: job.MaxOutput, RunAs: job.User,
		Limits: policy.Limits(job.Limits), Network: string(job.Network), OnDisconnect: said.OnDisconnect, Env: policy.Env{Set: said.Env.Set, Pass: []string{}},
	}
	if job.Filesystem != nil {
		files := policy.Filesystem(*job.Filesystem)
		held.Filesystem = &files
	}
	for _, v := range req.Env {
		if said.Env.Pass == nil || slices.Contains(said.Env.Pass, v.Key) {
			held.Env.Pass = append(held.Env.Pass, v.Key)
		}
	}
	return held
}
