package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// Call is a call that nobody sent: what `sidegate policy explain` and `sidegate policy bench` ask about.
type Call struct {
	Command  string            `json:"command"`
	Workdir  string            `json:"workdir"`
	Env      map[string]string `json:"env"`
	Callback string            `json:"callback"` // a URL, or "" for none
	NoWait   bool              `json:"no_wait"`
	SourceIP netip.Addr        `json:"source_ip"`
	Client   policy.Client     `json:"client"`
}

// Explanation is what a gateway would make of a call.
type Explanation struct {
	Input    policy.Input
	Decision policy.Decision
	Refused  []string      // why the configuration refuses what the policy allows
	Job      *executor.Job // what would run; nil when nothing would
	Imagined bool          // commands cannot run in the working directory here; a gateway refuses the call
}

// Explainer answers for a gateway of a configuration and of policies, without running one: it listens nowhere, opens no
// journal and runs nothing. Make one with NewExplainer and close it. It is safe for concurrent use.
type Explainer struct {
	engine  *policy.Engine
	explain gateway.Explainer
}

// NewExplainer loads the policies at paths. What keeps them from being loaded is the error; see policy.Problems. Of the
// configuration it takes host, executor, callbacks and policy.allow_builtins, and nothing of policy.opa.
func NewExplainer(ctx context.Context, c *config.Config, paths []string) (*Explainer, error) {
	analyzer, err := shell.New(shell.Config{Path: strings.Split(c.Executor.Path, ":")})
	if err != nil {
		return nil, err
	}
	allowed, err := callback.NewAllowlist(c.Callbacks.Allow)
	if err != nil {
		return nil, err
	}
	engine, err := policy.New(ctx, policy.Config{Paths: paths, AllowBuiltins: c.Policy.AllowBuiltins, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if s := engine.Status(); s.LastError != nil {
		engine.Close(ctx)
		return nil, s.LastError
	}
	return &Explainer{engine, gateway.Explainer{
		Analyzer: analyzer, Bounds: boundsOf(c.Executor), Callbacks: allowed, Host: hostOf(c.Host),
	}}, nil
}

// Close unloads the policies.
func (e *Explainer) Close(ctx context.Context) { e.engine.Close(ctx) }

// Input is what the policy would be asked about a call. A call that a gateway would not take is an error.
func (e *Explainer) Input(call Call) (policy.Input, error) {
	q, err := e.ask(call)
	if err != nil {
		return policy.Input{}, err
	}
	return q.Input, nil
}

// Explain decides a call as a gateway does, except that one whose working directory is not there is not refused for that.
func (e *Explainer) Explain(ctx context.Context, call Call) (Explanation, error) {
	q, err := e.ask(call)
	if err != nil {
		return Explanation{}, err
	}
	o, err := e.explain.Rule(ctx, e.engine, q)
	return Explanation{Input: q.Input, Decision: o.Decision, Refused: o.Refused, Job: o.Job, Imagined: q.Imagined}, err
}

// Decide asks the policy about an input as it is; see policy.Engine.
func (e *Explainer) Decide(ctx context.Context, in policy.Input) (policy.Decision, error) {
	return e.engine.Decide(ctx, in)
}

// ask sends the call through the decoder of POST /shell, so that it is held to the same rules.
func (e *Explainer) ask(call Call) (*gateway.Question, error) {
	body, err := json.Marshal(struct {
		Command  string            `json:"command"`
		Wait     bool              `json:"wait"`
		Workdir  string            `json:"workdir,omitempty"`
		Env      map[string]string `json:"envs,omitempty"`
		Callback string            `json:"callbackURL,omitempty"`
	}{call.Command, !call.NoWait, call.Workdir, call.Env, call.Callback})
	if err != nil {
		return nil, err
	}
	return e.explain.Ask(gateway.Call{Principal: principalOf(call.Client), SourceIP: call.SourceIP, Body: body, Time: time.Now()})
}

func principalOf(c policy.Client) auth.Principal {
	return auth.Principal{Client: c.Name, Scheme: c.Scheme, KeyID: c.KeyID, Roles: c.Roles, Labels: c.Labels}
}

// boundsOf is what a configuration permits of jobs.
func boundsOf(e config.Executor) gateway.Bounds {
	return gateway.Bounds{
		Path: e.Path, Timeout: e.Timeout, MaxTimeout: e.MaxTimeout, MaxOutput: e.MaxOutput, Profile: e.Profile, User: e.User,
		Profiles: e.Allow.Profiles, Modes: e.Allow.Modes, RunAs: e.Allow.RunAs, Env: e.Allow.Env, BestEffort: e.Allow.BestEffort,
	}
}

// hostOf is what policies are told about this host.
func hostOf(h config.Host) policy.Host {
	host := policy.Host{Name: h.Name, Labels: h.Labels, Sandbox: map[string]bool{}}
	if host.Name == "" {
		host.Name, _ = os.Hostname() // a default configuration was never loaded, so it has no name yet
	}
	for _, s := range executor.Profiles() {
		host.Sandbox[string(s.Profile)] = s.Available
	}
	return host
}
