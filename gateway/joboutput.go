package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/journal"
)

// The outputs of a command, as routes and events name them.
var (
	streamNames   = []string{"stdout", "stderr"}
	streamsByName = map[string]executor.Stream{"stdout": executor.Stdout, "stderr": executor.Stderr}
)

// mediaBytes is the media type of an output: nobody knows what it is.
const mediaBytes = "application/octet-stream"

// Headers that say what an output is not.
const (
	headerComplete  = "Sidegate-Complete"  // "false" while the command may still write
	headerTruncated = "Sidegate-Truncated" // "true" where not all that was written is kept
)

// serveOutput sends an output of a job byte for byte: all of it or a range once the job has ended, what there is so far while it runs, or with
// follow=true events from an offset on until the end.
func (g *Gateway) serveOutput(w http.ResponseWriter, r *http.Request) {
	job, _, err := g.own(r)
	if err != nil {
		g.unread(w, err)
		return
	}
	asked, err := outputAsked(r)
	if err == nil {
		err = acceptable(r.Header, asked.media())
	}
	if err != nil {
		g.unread(w, err)
		return
	}
	name := mux.Vars(r)["stream"]
	switch l, live := g.live(job.ID); {
	case asked.follow && live:
		g.followLive(w, r, l, name, asked.offset)
	case asked.follow:
		g.followStored(w, r, job.ID, name, asked.offset)
	case live:
		g.sendSoFar(w, r, l, name)
	default:
		g.sendStored(w, r, job.ID, name)
	}
}

// outputAsk is what the query of an output asks for.
type outputAsk struct {
	follow bool
	offset int64
}

// media is the type of the answer.
func (a outputAsk) media() string {
	if a.follow {
		return mediaEvents
	}
	return mediaBytes
}

func outputAsked(r *http.Request) (outputAsk, error) {
	var a outputAsk
	query, err := queryOf(r, "follow", "offset")
	if err != nil {
		return a, err
	}
	switch follow := query.Get("follow"); follow {
	case "", "false":
	case "true":
		a.follow = true
		if r.Method == http.MethodHead {
			return a, invalid(&FieldError{"follow", "goes with GET"})
		}
	default:
		return a, invalid(&FieldError{"follow", "must be true or false"})
	}
	from, offset := "offset", query.Get("offset")
	if last := r.Header.Get("Last-Event-ID"); a.follow && last != "" { // a caller that was cut off goes on
		from, offset = "Last-Event-ID", last
	}
	if offset == "" {
		return a, nil
	}
	if a.offset, err = strconv.ParseInt(offset, 10, 64); err != nil || a.offset < 0 || !a.follow {
		return a, invalid(&FieldError{from, "must be a number of bytes, and goes with follow=true; without it send a Range"})
	}
	return a, nil
}

// sendStored sends what is kept of an output of a job that has ended.
func (g *Gateway) sendStored(w http.ResponseWriter, r *http.Request, id, name string) {
	kept, content, err := g.storedOutput(r, id, name)
	r = inBytes(r)
	if err == nil {
		defer content.Close()
		// A part says nothing of the whole, which is what is sent where If-Range does not match.
		if r.Method == http.MethodGet && (r.Header.Get("Range") == "" || r.Header.Get("If-Range") != "") {
			err = content.Verify()
		}
	}
	if err != nil {
		g.unread(w, notStored(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", mediaBytes)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", strconv.Quote(keptOf(kept).SHA256))
	h.Set(headerComplete, "true")
	h.Set(headerTruncated, strconv.FormatBool(kept.Truncated))
	g.slowly(w, func(w http.ResponseWriter) { g.serveContent(w, r, content) })
}

func (g *Gateway) storedOutput(r *http.Request, id, name string) (journal.StoredStream, *journal.Content, error) {
	ctx, done := g.lookUp(r)
	defer done()
	output, err := g.journal.Output(ctx, id)
	if err != nil {
		return journal.StoredStream{}, nil, err
	}
	kept := output.Stdout
	if name == "stderr" {
		kept = output.Stderr
	}
	content, err := g.journal.OpenOutput(ctx, id, journal.StreamName(name))
	return kept, content, err
}

// notStored says why there is no output of a job that is known.
func notStored(err error) error {
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return &Error{Code: NotFound, Message: "the job has no output: it is not over, or was forgotten since", Cause: err}
	case errors.Is(err, journal.ErrCorrupt):
		return &Error{Code: Internal, Message: "the stored output is damaged; the gateway's log says more", Cause: err}
	}
	return err
}

// sendSoFar sends what there is of an output of a job that has not ended. What is not kept of it is left out; how much that was is known only behind it.
func (g *Gateway) sendSoFar(w http.ResponseWriter, r *http.Request, l *life, name string) {
	from, held := l.soFar(name)
	switch {
	case held:
		g.problem(w, heldBack(l))
		return
	case from == nil && l.hasEnded(): // meanwhile
		g.sendStored(w, r, l.request.ID, name)
		return
	}
	w.Header().Set(headerComplete, "false")
	w.Header().Set("Trailer", headerTruncated)
	g.begin(w, http.StatusOK, mediaBytes)
	now, cancel := context.WithCancel(context.Background())
	cancel() // what is not there yet is not waited for
	so := &snapshot{from: from, now: now}
	if from != nil {
		defer from.Close()
		most := l.ruling.Load().job.MaxOutput // there was no more; what comes meanwhile would have no end where a command never stops writing
		g.slowly(w, func(w http.ResponseWriter) { _, _ = io.Copy(w, io.LimitReader(so, most)) })
	}
	w.Header().Set(headerTruncated, strconv.FormatBool(so.skipped > 0))
}

// snapshot reads what a follower can have without waiting.
type snapshot struct {
	from    *executor.Follower
	now     context.Context
	skipped int64 // bytes that are not kept
}

func (s *snapshot) Read(b []byte) (int, error) {
	n, skipped, err := s.from.Read(s.now, b)
	s.skipped += skipped
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// soFar returns what follows an output from its start; nil where there is none yet, and held where plugins hold it.
func (l *life) soFar(name string) (from *executor.Follower, held bool) {
	select {
	case <-l.underway:
	default:
		return nil, false
	}
	if l.running == nil {
		return nil, len(l.heldBy) > 0
	}
	from, err := l.running.Follow(streamsByName[name], 0)
	if err != nil {
		return nil, false
	}
	return from, false
}

// hasEnded tells whether there is nothing more to wait for.
func (l *life) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func heldBack(l *life) *Error {
	return &Error{Code: OutputHeld, Message: "the output is held until the command has ended, for the plugin " + l.heldBy[0] + "; follow=true waits for it", RetryAfter: time.Second}
}

// slowly sends something long: a caller has time for each piece, not for the whole.
func (g *Gateway) slowly(w http.ResponseWriter, send func(http.ResponseWriter)) {
	send(&pacedWriter{ResponseWriter: w, connection: http.NewResponseController(w), time: g.replyTime})
}

// pacedWriter gives each write its own time. It hides io.ReaderFrom, whose copy would be one write.
type pacedWriter struct {
	http.ResponseWriter
	connection *http.ResponseController
	time       time.Duration
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *pacedWriter) Write(b []byte) (int, error) {
	_ = w.connection.SetWriteDeadline(time.Now().Add(w.time))
	return w.ResponseWriter.Write(b)
}
