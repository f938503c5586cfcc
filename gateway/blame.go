package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/sidegate/sidegate/wasm"
)

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
	return &Error{Code: code, Message: reason, Reasons: []string{reason}, DecisionID: newID(), Plugin: out.Plugin}
}

// pluginFailed denies a request because a plugin failed that must not be skipped, or turns it away for now because one is
// busy.
func (g *Gateway) pluginFailed(req Request, err error) *Error {
	var failure *wasm.Failure
	switch {
	case errors.Is(err, wasm.ErrClosed): // they are closed when the gateway stops, and not before
		return shuttingDown()
	case errors.As(err, &failure) && failure.Kind == wasm.KindBusy:
		return pluginBusy(failure)
	}
	e := &Error{Code: PluginFailed, Message: blame(err) + ", so the request is denied; the gateway's log says why", DecisionID: newID(), Cause: err}
	e.Reasons = []string{e.Message}
	if failure != nil {
		e.Plugin = failure.Plugin
	}
	g.log.Error("a plugin failed, and the request was denied", "request", req.ID, "client", req.Principal.Client, "decision", e.DecisionID, "error", err, req.traceAttr())
	return e
}

// blame says in a few words what went wrong with a chain of plugins, for people.
func blame(err error) string {
	var failure *wasm.Failure
	switch {
	case !errors.As(err, &failure):
		return "a plugin failed"
	case failure.Kind == wasm.KindBusy:
		return fmt.Sprintf("plugin %s is busy (%v)", failure.Plugin, failure.Err)
	}
	return fmt.Sprintf("plugin %s failed (%s)", failure.Plugin, failure.Kind)
}

// pluginBusy turns a request away whose turn with a plugin did not come. Nothing was decided about it.
func pluginBusy(failure *wasm.Failure) *Error {
	return &Error{
		Code: PluginBusy, Cause: failure, RetryAfter: 2 * time.Second,
		Message: blame(failure) + ", so nothing was run: wait, and send the same request again; if that goes on, the operator sees with " +
			"`sidegate plugin chain --admin` how the plugin fares, and can raise that limit",
	}
}

// noteSkipped tells the log of plugins that failed and that the configuration lets fail.
func (g *Gateway) noteSkipped(req Request, out wasm.Outcome) {
	if len(out.Skipped) > 0 {
		g.log.Warn("plugins failed and were skipped", "request", req.ID, "client", req.Principal.Client, "plugins", out.Skipped, req.traceAttr())
	}
}
