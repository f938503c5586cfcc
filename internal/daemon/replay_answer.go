package daemon

import (
	"context"
	"slices"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/policy"
)

// Answer is what a gateway makes of a request under a policy, without running it: the decision, and the ceilings of the configuration.
type Answer struct {
	Allow   bool     `json:"allow"`
	Grants  []string `json:"grants"`
	Reasons []string `json:"reasons"` // as callers get them
	// Obligations are those in force, with the configuration's defaults; the zero value where nothing would run.
	Obligations policy.Obligations `json:"obligations"`

	Decision policy.Decision `json:"-"`
	Input    policy.Input    `json:"-"`
}

// Again answers a request that was made before, as if there were no observe mode. The error is policy.ErrNotLoaded.
func (e *Explainer) Again(ctx context.Context, req gateway.Request) (Answer, error) {
	explain := e.explain
	explain.Observe = nil
	req.Principal.Roles = slices.Concat(req.Principal.Roles, e.more[req.Principal.Client])
	q := explain.Again(req)
	o, err := explain.Rule(ctx, e.engine, q)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Allow: o.Job != nil, Grants: append([]string{}, o.Decision.Grants...), Reasons: append([]string{}, o.Told...), Decision: o.Decision, Input: q.Input}
	if o.Job != nil {
		a.Obligations = inForce(req, o)
	}
	return a, nil
}

// Give lets a client have further roles in Again. It must not be called while others use the Explainer.
func (e *Explainer) Give(client string, roles ...string) {
	if e.more == nil {
		e.more = map[string][]string{}
	}
	e.more[client] = append(e.more[client], roles...)
}

// Distinguishes says why the policy may answer requests otherwise that differ in ID and time alone; "" when it cannot.
func (e *Explainer) Distinguishes() string { return e.engine.Status().Cache.Why }

// Revision is that of the policy.
func (e *Explainer) Revision() string { return e.engine.Status().Revision }

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
