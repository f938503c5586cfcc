package gateway

import (
	"context"
	"net/http"

	"github.com/sidegate/sidegate/internal/journal"
)

// followLive sends an output of a job that has not ended as events.
func (g *Gateway) followLive(w http.ResponseWriter, r *http.Request, l *life, name string, offset int64) {
	events := g.events(w)
	ctx, end := g.attend(w, r, events, nil)
	defer end()
	select {
	case <-l.underway:
	case <-l.left:
		_ = events.send("error", "", problemOf(l.postponed()))
		return
	case <-ctx.Done():
		return
	}
	if l.running != nil {
		from, err := l.running.Follow(streamsByName[name], offset)
		if err == nil {
			defer from.Close()
			if pump(ctx, events, name, from) != nil {
				return
			}
			select {
			case <-l.ended: // who has the last event finds the job ended
				_ = events.send("end", "", struct{}{})
			case <-ctx.Done():
			}
			return
		}
	}
	l.sendHeld(events)
	select {
	case <-l.ended:
	case <-ctx.Done():
		return
	}
	content, err := g.storedFrom(r, l.request.ID, name, offset)
	if err != nil {
		_ = events.send("error", "", problemOf(g.noted(err)))
		return
	}
	defer content.Close()
	pumpStored(ctx, events, name, content, offset)
}

// followStored sends what is kept of an output as events.
func (g *Gateway) followStored(w http.ResponseWriter, r *http.Request, id, name string, offset int64) {
	content, err := g.storedFrom(r, id, name, offset)
	if err != nil {
		g.unread(w, err)
		return
	}
	defer content.Close()
	events := g.events(w)
	ctx, end := g.attend(w, r, events, nil)
	defer end()
	pumpStored(ctx, events, name, content, offset)
}

// storedFrom opens an output that is to be sent as events from an offset on. That counts bytes as they were written; so where some of them are left out,
// only the beginning has one.
func (g *Gateway) storedFrom(r *http.Request, id, name string, offset int64) (*journal.Content, error) {
	kept, content, err := g.storedOutput(r, id, name)
	switch {
	case err != nil:
		return nil, notStored(err)
	case offset > 0 && kept.Truncated:
		err = &Error{Code: OutputCut, Message: "the job has ended, and not all of its output is kept, so there is no telling what follows that offset; fetch what is kept, without an offset"}
	case offset == 0: // a part says nothing of the whole
		err = notStored(content.Verify())
	}
	if err != nil {
		content.Close()
		return nil, err
	}
	return content, nil
}

func pumpStored(ctx context.Context, events *eventStream, name string, content *journal.Content, offset int64) {
	if pump(ctx, events, name, &stored{ReaderAt: content, size: content.Size(), offset: offset}) == nil {
		_ = events.send("end", "", struct{}{})
	}
}
