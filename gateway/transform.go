package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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
	sent, err := requestMessage(req.Order)
	if err != nil {
		return unchanged, err
	}
	out, err := chain.Run(ctx, wasm.Message{JSON: sent, Metadata: g.metadata(req, ""), NoFetch: dry})
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
	if bytes.Equal(out.JSON, sent) {
		return t, nil
	}
	order, err := decodeRequestMessage(out.JSON)
	if err != nil {
		return t, g.pluginFailed(req, fmt.Errorf("%s made a request that is not valid: %w", strings.Join(out.ChangedBy, ", "), err))
	}
	order.Wait, order.Stdin, order.Timeout = req.Wait, req.Stdin, req.Timeout
	t.request.Order = order
	return t, nil
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

// requestMessage is a request as wasm/ABI.md has it.
func requestMessage(o Order) ([]byte, error) {
	m := struct {
		Command  *string           `json:"command"`
		Argv     []string          `json:"argv"`
		Workdir  string            `json:"workdir"`
		Env      variables         `json:"env"`
		Labels   map[string]string `json:"labels"`
		Callback *string           `json:"callback"`
	}{Argv: o.Argv, Workdir: o.Workdir, Env: o.Env, Labels: o.Labels}
	if o.Argv == nil {
		m.Command = &o.Command
	}
	if m.Labels == nil {
		m.Labels = map[string]string{}
	}
	if o.Callback != nil {
		url := o.Callback.String()
		m.Callback = &url
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(m)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// variables are written as an object, in their order.
type variables []Variable

// MarshalJSON implements json.Marshaler.
func (v variables) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := jsontext.NewEncoder(&b)
	errs := []error{enc.WriteToken(jsontext.BeginObject)}
	for _, variable := range v {
		errs = append(errs, enc.WriteToken(jsontext.String(variable.Key)), enc.WriteToken(jsontext.String(variable.Value)))
	}
	errs = append(errs, enc.WriteToken(jsontext.EndObject))
	return bytes.TrimSpace(b.Bytes()), errors.Join(errs...)
}

// decodeRequestMessage reads what plugins made of a request, by the rules that hold for callers.
func decodeRequestMessage(message []byte) (Order, error) {
	d := newDecoder(message)
	var order Order
	var command *string
	seen, err := d.fields("message", "", []member{
		{"command", orNull(d, &command, d.textPointer)},
		{"argv", orNull(d, &order.Argv, d.argv)},
		{"workdir", into(&order.Workdir, d.workdir)},
		{"env", into(&order.Env, d.envObject)},
		{"labels", into(&order.Labels, d.labels)},
		{"callback", orNull(d, &order.Callback, d.callback)},
	})
	switch {
	case err != nil:
		return Order{}, err
	case len(seen) != 6:
		return Order{}, &FieldError{"message", "must have all of its members"}
	case (command == nil) == (order.Argv == nil):
		return Order{}, &FieldError{"command", "exactly one of command and argv must not be null"}
	case command != nil:
		order.Command = *command
	}
	return order, d.end()
}

// deniedByPlugin is a plugin's refusal of a request, with the plugin's own words.
func (g *Gateway) deniedByPlugin(out wasm.Outcome) *Error {
	code, ok := pluginCodes[out.Code]
	if !ok {
		code = PluginDenied
	}
	reason := fmt.Sprintf("plugin %s denies the request", out.Plugin)
	if out.Reason != "" {
		reason = fmt.Sprintf("%s: %s", reason, printable(out.Reason, maxReason))
	}
	return &Error{Code: code, Message: reason, Reasons: []string{reason}, DecisionID: newID()}
}

// pluginFailed denies a request because a plugin failed that must not be skipped.
func (g *Gateway) pluginFailed(req Request, err error) *Error {
	if errors.Is(err, wasm.ErrClosed) { // they are closed when the gateway stops, and not before
		return shuttingDown()
	}
	e := &Error{Code: PluginFailed, Message: "a plugin failed, so the request is denied; the gateway's log says why", DecisionID: newID(), Cause: err}
	var failure *wasm.Failure
	if errors.As(err, &failure) {
		e.Message = fmt.Sprintf("plugin %s failed (%s), so the request is denied; the gateway's log says why", failure.Plugin, failure.Kind)
	}
	e.Reasons = []string{e.Message}
	g.log.Error("a plugin failed, and the request was denied", "request", req.ID, "client", req.Principal.Client, "decision", e.DecisionID, "error", err)
	return e
}

// noteSkipped tells the log of plugins that failed and that the configuration lets fail.
func (g *Gateway) noteSkipped(req Request, out wasm.Outcome) {
	if len(out.Skipped) > 0 {
		g.log.Warn("plugins failed and were skipped", "request", req.ID, "client", req.Principal.Client, "plugins", out.Skipped)
	}
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
