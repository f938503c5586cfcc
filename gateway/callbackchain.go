package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/wasm"
)

// TransformCallback takes an attempt to deliver a callback through the plugins of the callback phase. An error means that
// nothing may be sent; its text is for the journal and for people. A message without body is the stored one, which is read only
// where a plugin sees it.
func (g *Gateway) TransformCallback(ctx context.Context, d callback.Delivery, stored callback.Body) (callback.Message, error) {
	nothing, asIs := callback.Message{}, callback.Message{}
	if g.plugins == nil || !g.plugins.Has(wasm.PhaseCallback) {
		return asIs, nil
	}
	row, err := g.journal.Job(ctx, d.JobID)
	if err != nil {
		return nothing, fmt.Errorf("its job cannot be read: %w", err)
	}
	req := requestOf(row)
	if req.Callback == nil {
		return nothing, errors.New("its job's request cannot be read")
	}
	chain := g.selectChain(wasm.PhaseCallback, req, nil)
	if chain == nil {
		return asIs, nil
	}
	defer chain.Close()
	defer g.tracer.Resume(d.Traceparent).Child(spanMessage).End()
	body, err := io.ReadAll(io.NewSectionReader(stored, 0, stored.Size()))
	if err != nil {
		return nothing, fmt.Errorf("its body cannot be read: %w", err)
	}
	sent, err := json.Marshal(callbackMessage{d.URL, d.Attempt + 1, map[string]string{"Content-Type": "application/json"}, body})
	if err != nil {
		return nothing, err
	}
	got := reading[callbackMessage]{decode: decodeCallbackMessage}
	out, err := chain.Run(ctx, wasm.Message{JSON: sent, Metadata: g.metadata(req, row.DecisionID), Valid: got.valid})
	var failure *wasm.Failure
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled): // the gateway stops, and nothing becomes of this attempt
		return nothing, err
	case errors.As(err, &failure):
		g.log.Error("a callback was not sent, because of a plugin", "delivery", d.ID, "job", d.JobID, "error", err)
		return nothing, errors.New(blame(failure))
	case err != nil:
		return nothing, err
	}
	g.noteSkipped(req, out)
	if got.last == nil {
		return asIs, nil
	}
	changes, err := json.Marshal(out.Changes)
	if err != nil {
		return nothing, err
	}
	made := callback.Message{Header: http.Header{}, Body: got.last.Body, Changes: string(changes)}
	for name, value := range got.last.Headers {
		made.Header.Add(name, value)
	}
	return made, nil
}

// callbackMessage is an attempt as wasm/ABI.md has it.
type callbackMessage struct {
	URL     string            `json:"url"`
	Attempt int               `json:"attempt"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// decodeCallbackMessage reads what plugins made of an attempt.
func decodeCallbackMessage(message []byte) (callbackMessage, error) {
	var m callbackMessage
	if json.Unmarshal(message, &m) != nil || len(m.Body) == 0 { // whose text may quote the message
		return callbackMessage{}, &FieldError{"message", "must have url, attempt, headers and body"}
	}
	return m, nil
}
