package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// silence is how long a connection may bring nothing before it is taken for dead. A gateway sends something every 15 s.
const silence = time.Minute

var errSilent = errors.New("the gateway is silent")

// A follower prints one output of a job while it grows, over as many connections as it takes.
type follower struct {
	native *native
	job    string
	sink   sink
	tell   *teller
	pauses []time.Duration // between tries, of which each may be the first after something has come

	begun bool  // something has come
	next  int64 // the offset that comes next
}

// follow returns nil at the end of the output.
func (f *follower) follow(ctx context.Context) error {
	for try := 0; ; try++ {
		before := f.next
		err := f.connect(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !mayPass(err):
			return err
		}
		if f.next > before {
			try = 0
		}
		if try == len(f.pauses) {
			return fmt.Errorf("the connection was lost, and %d tries to go on have failed: %w\nthe job may go on all the same: sidegate jobs show %s", try, err, f.job)
		}
		f.tell.say(fmt.Sprintf("the connection was lost (%s); trying to go on (%d of %d)", firstLine(err), try+1, len(f.pauses)))
		if err := pause(ctx, f.pauses[try]); err != nil {
			return err
		}
	}
}

// mayPass tells whether another try may go better.
func mayPass(err error) bool {
	refused, final := new(refusal), finalError{}
	switch {
	case errors.As(err, &final):
		return false
	case errors.As(err, &refused):
		return refused.passing()
	}
	return true
}

// connect follows for as long as one connection lasts.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer heard.Stop()
	header := http.Header{"Accept": {"text/event-stream"}}
	if f.begun {
		header.Set("Last-Event-ID", strconv.FormatInt(f.next, 10))
	}
	resp, err := f.native.do(ctx, http.MethodGet, "/v1/jobs/"+f.job+"/output/"+f.sink.name+"?follow=true", header)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	for e, err := range eventsIn(resp.Body, func() { heard.Reset(silence) }) {
		if err != nil {
			return because(ctx, err)
		}
		if ended, err := f.take(e); ended || err != nil {
			return err
		}
	}
	return because(ctx, io.ErrUnexpectedEOF)
}

// because is the cause of a context that has ended, or the error.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// piece is an event that brings output.
type piece struct {
	Offset  int64  `json:"offset"`
	Text    string `json:"text"`
	Base64  []byte `json:"base64"`
	Skipped int64  `json:"skipped"`
}

// take prints what an event brings, and tells whether it was the last. Events of other names are of a later version.
func (f *follower) take(e event) (ended bool, err error) {
	switch e.name {
	case "end":
		return true, nil
	case "held":
		var held struct {
			By []string `json:"held_by"`
		}
		if err := json.Unmarshal(e.data, &held); err != nil {
			return false, finalError{errors.New("the gateway sent an event that cannot be read")}
		}
		f.tell.say("the output comes when the command has ended: it goes through the plugin " + printable(strings.Join(held.By, ", ")))
	case "error":
		refused := new(refusal)
		if err := json.Unmarshal(e.data, refused); err != nil || refused.Detail == "" {
			return false, finalError{errors.New("the gateway sent an event that cannot be read")}
		}
		if refused.Reason == "shutting_down" {
			refused.Status = http.StatusServiceUnavailable
			return false, refused
		}
		return false, finalError{refused}
	case f.sink.name:
		var p piece
		if err := json.Unmarshal(e.data, &p); err != nil {
			return false, finalError{errors.New("the gateway sent an event that cannot be read")}
		}
		return false, f.write(p)
	}
	return false, nil
}

// write prints what is new of a piece, and says what is missing before it.
func (f *follower) write(p piece) error {
	b := append([]byte(p.Text), p.Base64...)
	switch gap := p.Offset - f.next; {
	case gap < 0 && -gap < int64(len(b)):
		b = b[-gap:] // it was here before
	case gap < 0:
		return nil
	case gap > 0:
		f.tell.say(fmt.Sprintf("%d bytes of %s are missing here: there were more of them than the gateway keeps", gap, f.sink.name))
	}
	if _, err := f.sink.to.Write(b); err != nil {
		return finalError{err}
	}
	f.begun, f.next = true, p.Offset+int64(len(p.Text)+len(p.Base64))
	return nil
}

// A teller says to people what happens, and the same thing once. It is safe for concurrent use.
type teller struct {
	mu   sync.Mutex
	to   io.Writer
	last string
}

func (t *teller) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text != t.last {
		fmt.Fprintln(t.to, "sidegate:", text)
	}
	t.last = text
}

// firstLine is an error in one line.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
