package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// stillThere is how often something is sent to a caller for whom there is no event, so that a connection that is gone is noticed and nobody in between
// closes one that is quiet.
const stillThere = 15 * time.Second

// eventStream sends server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). It is safe for concurrent use. After an
// error nothing more is sent.
type eventStream struct {
	w    http.ResponseWriter
	time time.Duration // that a caller has to take an event

	failed chan struct{} // closed with the first error

	mu  sync.Mutex
	err error
}

// mediaEvents is the media type of an eventStream.
const mediaEvents = "text/event-stream"

// events begins a stream.
func (g *Gateway) events(w http.ResponseWriter) *eventStream {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // or net/http takes a caller that sends nothing for one that has left
	w.Header().Set("X-Accel-Buffering", "no")                      // what some proxies need to be told
	g.begin(w, http.StatusOK, mediaEvents)
	s := &eventStream{w: w, time: g.replyTime, failed: make(chan struct{})}
	s.write([]byte(": sidegate\n\n")) // so that the caller has the head at once
	return s
}

// send sends an event. id, if it is not "", is what a caller sends back as Last-Event-ID.
func (s *eventStream) send(event, id string, data any) error {
	if p, ok := data.(problemReply); ok {
		refusedWith(s.w, p.Reason)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	b.WriteString("data: ")
	enc := json.NewEncoder(&b) // ends with a line feed, and has none before
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil {
		return err
	}
	b.WriteByte('\n')
	return s.write(b.Bytes())
}

// quiet sends something that is no event.
func (s *eventStream) quiet() error { return s.write([]byte(":\n\n")) }

func (s *eventStream) write(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	connection := http.NewResponseController(s.w)
	_ = connection.SetWriteDeadline(time.Now().Add(s.time)) // a test's recorder has none
	if _, s.err = s.w.Write(b); s.err == nil {
		s.err = connection.Flush()
	}
	if s.err != nil {
		close(s.failed)
	}
	return s.err
}
