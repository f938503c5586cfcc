package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
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
	Refused  []string      // why the configuration refuses what the policy allows, or what observe mode would let through
	Job      *executor.Job // what would run; nil when nothing would
	Observed bool          // the policy denies, and observe mode runs the job all the same
	Imagined bool          // commands cannot run in the working directory here; a gateway refuses the call
}

// PolicySources says which policies an Explainer decides by. The zero value is all that the configuration names.
type PolicySources struct {
	Paths         []string // in place of all that the configuration names; nil does not replace it
	IgnoreBundles bool     // leave out the remote bundles of the configuration
	NoteCalls     bool     // have decisions say what they called that is not determined; see policy.Config
}

// Explainer answers for a gateway of a configuration and of policies, without running one: it listens nowhere, asks no
// server, opens no journal, changes nothing and runs nothing. Make one with NewExplainer and close it. It is safe for
// concurrent use.
type Explainer struct {
	engine  *policy.Engine
	explain gateway.Explainer
	paths   []string
	kept    *keptBundles // nil without remote bundles
	exposed error
}

// NewExplainer loads the policies. What keeps them from being loaded is the error; see policy.Problems. Of the
// configuration it takes host, executor, callbacks and policy. Remote bundles are those that a gateway keeps in its state
// directory, held to the same rules as at its start; one that is not there is an *UnkeptError.
func NewExplainer(ctx context.Context, c *config.Config, from PolicySources) (*Explainer, error) {
	analyzer, err := shell.New(shell.Config{Path: strings.Split(c.Executor.Path, ":"), Shell: c.Executor.Shell})
	if err != nil {
		return nil, err
	}
	allowed, err := callback.NewAllowlist(c.Callbacks.Allow)
	if err != nil {
		return nil, err
	}
	observe, err := observationOf(c.Policy)
	if err != nil {
		return nil, err
	}
	host, err := Inspect(c)
	if err != nil {
		return nil, fmt.Errorf("what this host can enforce is not known: %w", err)
	}
	e := &Explainer{explain: gateway.Explainer{
		Analyzer: analyzer, Bounds: boundsOf(c.Executor), Callbacks: allowed, Host: hostOf(c.Host, host.Profiles), Observe: observe,
	}}
	if err := e.load(ctx, c, from); err != nil {
		return nil, errors.Join(err, e.kept.remove())
	}
	return e, nil
}

func (e *Explainer) load(ctx context.Context, c *config.Config, from PolicySources) (err error) {
	settings := policy.Config{
		Paths: c.Policy.Paths, AllowBuiltins: c.Policy.AllowBuiltins, Logger: slog.New(slog.DiscardHandler),
		CacheBytes: -1, // what is shown, and measured, is the policy
		NoteCalls:  from.NoteCalls,
	}
	if from.Paths != nil {
		settings.Paths = from.Paths
	}
	e.paths = settings.Paths
	if from.Paths == nil && !from.IgnoreBundles && len(bundlesOf(c.Policy)) > 0 {
		if e.kept, err = openKept(c, &settings); err != nil {
			return err
		}
		e.paths = slices.Concat(e.paths, e.kept.paths())
	}
	settings.AnyOwner = from.Paths != nil
	engine, err := policy.New(ctx, settings)
	if err != nil {
		return err
	}
	status := engine.Status()
	if errors.Is(status.LastError, policy.ErrExposed) {
		e.exposed, settings.AnyOwner = status.LastError, true
		engine.Close(ctx)
		if engine, err = policy.New(ctx, settings); err != nil {
			return err
		}
		status = engine.Status()
	}
	switch {
	case e.kept != nil && len(e.kept.missing) > 0:
		err = &UnkeptError{e.kept.missing, e.kept.from}
	case status.LastError != nil || !status.Ready:
		err = cmp.Or(status.LastError, policy.ErrNotLoaded)
	}
	if err != nil {
		engine.Close(ctx)
		return err
	}
	e.engine = engine
	for _, s := range status.Bundles {
		e.kept.revise(s.Name, s.Revision)
	}
	return nil
}

// Paths are the files and directories that hold the policies, for reading. Those of remote bundles are copies that are
// gone after Close; Bundles tells which.
func (e *Explainer) Paths() []string { return e.paths }

// Bundles are the remote bundles that take part.
func (e *Explainer) Bundles() []KeptBundle {
	if e.kept == nil {
		return nil
	}
	return e.kept.bundles
}

// Exposed is why a gateway that this user runs would refuse the policies of the configuration, if it is for who could
// change them; see policy.ErrExposed. They are explained all the same.
func (e *Explainer) Exposed() error { return e.exposed }

// Close unloads the policies.
func (e *Explainer) Close(ctx context.Context) error {
	e.engine.Close(ctx)
	return e.kept.remove()
}

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
	return Explanation{Input: q.Input, Decision: o.Decision, Refused: o.Refused, Job: o.Job, Observed: o.Observed, Imagined: q.Imagined}, err
}

// Again says what a gateway would do about a request that was made before, as if there were no observe mode, and what the policy is asked about it. The error
// is policy.ErrNotLoaded.
func (e *Explainer) Again(ctx context.Context, req gateway.Request) (policy.Input, gateway.Outcome, error) {
	enforcing := e.explain
	enforcing.Observe = nil
	q := enforcing.Again(req)
	o, err := enforcing.Rule(ctx, e.engine, q)
	return q.Input, o, err
}

// Distinguishes says why the policy may answer requests otherwise that differ in ID and time alone; "" when it cannot.
func (e *Explainer) Distinguishes() string { return e.engine.Status().Cache.Why }

// Revision is that of the policy.
func (e *Explainer) Revision() string { return e.engine.Status().Revision }

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
