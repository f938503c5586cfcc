package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// creation is what the headers of POST /v1/jobs ask for.
type creation struct {
	preferences
	stream bool // Accept: text/event-stream
}

func creationOf(r *http.Request) (creation, error) {
	if err := acceptable(r.Header, mediaPlain, mediaEvents); err != nil {
		return creation{}, err
	}
	asked, err := preferencesOf(r.Header)
	return creation{asked, acceptanceOf(r.Header).wantsEvents()}, err
}

// serveCreate takes a job of the native API: it answers at once, when the job has ended or the caller will not wait any longer, or with events
// while it runs.
func (g *Gateway) serveCreate(w http.ResponseWriter, r *http.Request) {
	asked, err := creationOf(r)
	if err != nil {
		g.problem(w, g.refusal(err))
		return
	}
	entrance := native
	entrance.decode = func(body []byte) (Order, error) {
		order, err := decodeJob(body)
		order.Wait = asked.stream || asked.wait > 0
		return order, err
	}
	admitted, err := g.admit(w, r, entrance)
	switch {
	case err != nil:
		g.problem(w, g.refusal(err))
	case admitted.answered != nil:
		g.sendJob(w, http.StatusOK, admitted.answered)
	case asked.stream:
		defer close(admitted.taken)
		g.streamJob(w, r, admitted.life)
	case asked.wait > 0:
		defer close(admitted.taken)
		g.awaitJob(w, r, admitted.life, asked.preferences)
	default:
		g.created(w, admitted.life, asked.preferences)
	}
}

// created answers that a job is accepted, and where to ask for it.
func (g *Gateway) created(w http.ResponseWriter, l *life, asked preferences) {
	asked.applied(w, true)
	w.Header().Set("Location", jobPath(l.request.ID))
	g.sendJob(w, http.StatusAccepted, l.accepted())
}

// awaitJob answers when the job has ended, or that it is accepted once the caller has waited as long as it wants.
func (g *Gateway) awaitJob(w http.ResponseWriter, r *http.Request, l *life, asked preferences) {
	w.Header().Set("Location", jobPath(l.request.ID)) // there is a job, whatever the answer is
	enough := time.NewTimer(asked.wait)
	defer enough.Stop()
	caller := g.watch(w, r, l)
	defer caller.end()
	for {
		select {
		case <-l.ended:
			data, refusal := l.reply()
			if refusal != nil {
				g.problem(w, refusal)
				return
			}
			asked.applied(w, false)
			g.sendJob(w, http.StatusOK, data)
			return
		case <-l.left:
			g.problem(w, l.postponed())
			return
		case <-enough.C:
			g.created(w, l, asked)
			return
		case <-caller.due:
			if caller.gone() {
				g.abandoned(l)
			}
		}
	}
}

// streamJob sends what happens to a job, until its end.
func (g *Gateway) streamJob(w http.ResponseWriter, r *http.Request, l *life) {
	w.Header().Set("Location", jobPath(l.request.ID))
	events := g.events(w)
	_ = events.send("accepted", "", l.accepted()) // an error stays, and ends what follows
	ctx, end := g.attend(w, r, events, l)
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	output := make(chan struct{})
	go func() {
		defer close(output)
		l.sendOutput(ctx, events)
	}()
	select {
	case <-output:
	case <-l.ended: // the job keeps its slot until the caller has the rest, which it has to take in time as it has any reply
		tooLong := time.AfterFunc(g.replyTime, cancel)
		<-output
		tooLong.Stop()
	}
	l.sendEnd(ctx, events)
}

// sendOutput sends the output of a job while it runs, or once it has ended where plugins hold it.
func (l *life) sendOutput(ctx context.Context, events *eventStream) {
	select {
	case <-l.underway:
	case <-l.left:
		return
	case <-ctx.Done():
		return
	}
	if l.running != nil {
		l.follow(ctx, events)
	} else {
		l.sendHeld(events)
	}
	select {
	case <-l.ended:
	case <-ctx.Done():
		return
	}
	if l.running == nil && l.refusal == nil {
		c := l.conclusion
		_ = pump(ctx, events, "stdout", &stored{ReaderAt: c.Stdout, size: c.Stdout.Len()})
		_ = pump(ctx, events, "stderr", &stored{ReaderAt: c.Stderr, size: c.Stderr.Len()})
	}
}

// sendHeld tells that the output comes at the end, and because of whom.
func (l *life) sendHeld(events *eventStream) {
	if len(l.heldBy) > 0 {
		_ = events.send("held", "", struct {
			By []string `json:"held_by"`
		}{l.heldBy})
	}
}

// sendEnd sends how a job ended, as the last event. A caller that did not get the whole output does not get it.
func (l *life) sendEnd(ctx context.Context, events *eventStream) {
	if ctx.Err() != nil {
		l.g.log.Debug("the caller of a job left its events, or was too slow", "job", l.request.ID)
		return
	}
	select {
	case <-l.left:
		_ = events.send("error", "", problemOf(l.postponed()))
	case <-l.ended:
		data, refusal := l.reply()
		if refusal != nil {
			_ = events.send("error", "", problemOf(refusal))
			return
		}
		_ = events.send("result", "", data)
	default: // an event could not be sent
	}
}

// follow sends both outputs of a job that runs.
func (l *life) follow(ctx context.Context, events *eventStream) {
	var both sync.WaitGroup
	for _, name := range streamNames {
		both.Go(func() {
			from, err := l.running.Follow(streamsByName[name], 0)
			if err != nil {
				return // it has ended: the result says how
			}
			defer from.Close()
			_ = pump(ctx, events, name, from)
		})
	}
	both.Wait()
}
