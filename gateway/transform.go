package gateway

import (
	"context"
	"slices"

	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/wasm"
)

// transformed is what the plugins of the request phase made of a request.
type transformed struct {
	request Request
	// answer is set when a plugin answered in place of a command. Nothing is decided then, and nothing runs.
	answer *conclusion
	// incomplete is set when a plugin would have fetched something and was not let.
	incomplete bool
}

// transform takes a request through the plugins of the request phase. A plugin's denial, and a plugin that fails, is an
// *Error. With dry set, plugins cannot fetch.
func (g *Gateway) transform(ctx context.Context, req Request, dry bool) (transformed, error) {
	unchanged := transformed{request: req}
	chain := g.selectChain(wasm.PhaseRequest, req, nil)
	if chain == nil {
		return unchanged, nil
	}
	defer chain.Close()
	defer g.stage(req.trace, stageRequestPlugins).over()
	sent, err := requestMessage(req.Order)
	if err != nil {
		return unchanged, err
	}
	made := reading[Order]{decode: req.remade}
	out, err := chain.Run(ctx, wasm.Message{JSON: sent, Metadata: g.metadata(req, ""), NoFetch: dry, Valid: made.valid})
	t := transformed{request: req, incomplete: out.Incomplete}
	if err != nil {
		return t, g.pluginFailed(req, err)
	}
	g.noteSkipped(req, out)
	t.request.Changes = append(t.request.Changes, out.Changes...)
	switch out.Verdict {
	case wasm.Deny:
		return t, g.deniedByPlugin(out)
	case wasm.Answer:
		t.answer = answered(out)
		return t, nil
	}
	if made.last != nil {
		t.request.Order = *made.last
	}
	return t, nil
}

// A reading decodes a message each time that a plugin has changed it. What is used in the end is the very thing that was found
// to be valid, and it was decoded once.
type reading[T any] struct {
	decode func(message []byte) (T, error)
	last   *T // what the message says now; nil while it is as it was sent
}

// valid is for the field of this name of a wasm.Message.
func (r *reading[T]) valid(message []byte) error {
	read, err := r.decode(message)
	if err == nil {
		r.last = &read
	}
	return err
}

// selectChain returns the plugins that run in a phase for a request, or nil where there are none. The caller closes it.
// Its first command is looked up only where there are plugins; a is the analysis, where there is one already.
func (g *Gateway) selectChain(phase wasm.Phase, req Request, a *shell.Analysis) *wasm.Selected {
	if g.plugins == nil || !g.plugins.Has(phase) {
		return nil
	}
	if a == nil {
		analysis := g.judge.analyze(req.Order, "")
		a = &analysis
	}
	chain := g.plugins.Select(phase, g.subject(req, a))
	if chain.Empty() {
		chain.Close()
		return nil
	}
	return chain
}

// subject is what selectors of chains see of a request.
func (g *Gateway) subject(req Request, a *shell.Analysis) wasm.Subject {
	s := wasm.Subject{
		Client: req.Principal.Client, ClientLabels: req.Principal.Labels,
		Host: g.judge.host.Name, HostLabels: g.judge.host.Labels,
	}
	if len(a.Commands) > 0 {
		s.Command = a.Commands[0].Name
	}
	if req.Callback != nil {
		s.Callback = req.Callback.Origin()
	}
	return s
}

// metadata is what plugins learn about a request beside its message.
func (g *Gateway) metadata(req Request, decision string) wasm.Metadata {
	m := wasm.Metadata{
		Client:     wasm.Party{Name: req.Principal.Client, Labels: req.Principal.Labels},
		Host:       wasm.Party{Name: g.judge.host.Name, Labels: g.judge.host.Labels},
		DecisionID: decision,
	}
	if decision != "" {
		m.JobID = req.ID
	}
	return m
}

// changedBy names the plugins that rewrote a request, in the order they did.
func (r Request) changedBy() []string {
	names := []string{}
	for _, c := range r.Changes {
		if !slices.Contains(names, c.Plugin) {
			names = append(names, c.Plugin)
		}
	}
	return names
}
