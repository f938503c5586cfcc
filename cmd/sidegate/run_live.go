package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// A live is a job of `sidegate run` while it runs.
type live struct {
	*call
	cmd      *cobra.Command
	id       chan string // gets the job's ID once, when it was accepted
	job      string      // the ID, for who reads the stream
	sent     atomic.Bool // something of the request left
	outputs  []*follower // standard output and standard error
	held     bool        // the output came at the end
	finished *result
	raw      json.RawMessage // of finished
}

// live runs a job and prints what it writes, until it has ended.
func (c *call) live(cmd *cobra.Command, body []byte) error {
	shown := newScreen(cmd.OutOrStdout(), cmd.ErrOrStderr(), !c.json)
	defer shown.close()
	c.notes = shown.err
	stdout, stderr := io.Writer(shown.out), io.Writer(shown.err)
	var gathered [2]bounded
	if c.json {
		stdout, stderr = &gathered[0], &gathered[1]
	}
	l := &live{call: c, cmd: cmd, id: make(chan string, 1)}
	tell := &teller{to: c.notes}
	for _, s := range []sink{{"stdout", stdout}, {"stderr", stderr}} {
		l.outputs = append(l.outputs, &follower{native: &c.native, sink: s, tell: tell, pauses: followPauses})
	}
	ctx, interrupted := l.interruptible(cmd.Context(), shown)
	err := l.toTheEnd(ctx, body, tell)
	if err != nil {
		err = because(ctx, err)
	}
	asked := interrupted()
	shown.close()
	if err != nil {
		return c.failed(cmd, err)
	}
	if c.json {
		err = l.printJSON(gathered[0].String(), gathered[1].String())
	} else {
		l.tellEnd()
	}
	switch {
	case err != nil:
		return &exitError{exitFailed, err}
	case asked != nil && l.finished.Status != "exited":
		return &stopError{asked, fmt.Errorf("the job %s was cancelled", l.job)}
	}
	return exitOf(l.finished.Status, l.finished.ExitCode)
}

// toTheEnd creates the job and takes its events; when the connection is lost it follows the job over others.
func (l *live) toTheEnd(ctx context.Context, body []byte, tell *teller) error {
	err := l.create(ctx, body)
	switch {
	case err == nil || l.finished != nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case l.job == "" && mayPass(err) && l.sent.Load() && !errors.As(err, new(*refusal)) && !cutTLS(err):
		return fmt.Errorf("%w\nit is not known whether the gateway has accepted the job; sidegate jobs list shows it if so", err)
	case l.job == "" || !mayPass(err):
		return err
	}
	tell.say(fmt.Sprintf("the connection was lost (%s); trying to go on", firstLine(err)))
	both, following := errgroup.WithContext(ctx)
	for _, f := range l.outputs {
		f.job = l.job
		both.Go(func() error { return f.follow(following) })
	}
	if err := both.Wait(); err != nil {
		return l.lost(ctx, err)
	}
	return l.lookUp(ctx)
}

// cutTLS reports whether the gateway ended TLS before it read anything. Under TLS 1.3 a caller may have sent its request by then.
func cutTLS(err error) bool {
	op := new(net.OpError)
	return errors.As(err, &op) && op.Op == "remote error"
}

// lost says what became of a job whose output is not to be had to its end.
func (l *live) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refused := new(refusal); errors.As(err, &refused) && refused.Reason == "output_cut" {
		return fmt.Errorf("%s\nthe rest of the output is lost here; what is kept of it: sidegate jobs logs %s; how the job ended: sidegate jobs show %[2]s", printable(refused.Detail), l.job)
	}
	return err
}

// eventsOrAnswer is what is wanted: events, or in place of them what a plugin answers.
var eventsOrAnswer = http.Header{"Accept": {"text/event-stream, application/json;q=0.5"}}

// create sends the request and takes events. It returns nil when the job has ended.
func (l *live) create(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer heard.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { l.sent.Store(true) }})
	resp, err := l.send(ctx, http.MethodPost, "/v1/jobs", eventsOrAnswer, body)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); media != "text/event-stream" {
		return l.answeredByPlugin(resp)
	}
	for e, err := range eventsIn(resp.Body, func() { heard.Reset(silence) }) {
		if err != nil {
			return because(ctx, err)
		}
		if err := l.take(e); err != nil || l.finished != nil {
			return err
		}
	}
	return because(ctx, io.ErrUnexpectedEOF)
}

var errUnreadable = finalError{errors.New("the gateway sent an event that cannot be read")}

// take takes one event. Events of other names are of a later version.
func (l *live) take(e event) error {
	switch e.name {
	case "accepted":
		var accepted result
		if err := json.Unmarshal(e.data, &accepted); err != nil || !idPattern.MatchString(accepted.JobID) {
			return errUnreadable
		}
		l.job = accepted.JobID
		l.id <- l.job
		l.warn(accepted)
	case "result":
		l.finished, l.raw = new(result), bytes.Clone(e.data)
		if err := json.Unmarshal(e.data, l.finished); err != nil || l.finished.Status == "" {
			l.finished = nil
			return errUnreadable
		}
	default:
		l.held = l.held || e.name == "held"
		for _, f := range l.outputs {
			if e.name == f.sink.name || f == l.outputs[0] && e.name != "stderr" {
				if _, err := f.take(e); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// answeredByPlugin takes the answer of a plugin: there is no job, and there are no events.
func (l *live) answeredByPlugin(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return err
	}
	var answer struct {
		result
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Status != "answered" {
		return finalError{notSidegate(l.url, resp.StatusCode)}
	}
	for i, text := range []string{answer.Stdout, answer.Stderr} {
		if err := l.outputs[i].write(piece{Text: text}); err != nil {
			return err
		}
	}
	l.finished, l.raw = &answer.result, raw
	return nil
}

// lookUp asks how a job ended that was followed to its end over other connections.
func (l *live) lookUp(ctx context.Context) error {
	j, err := l.native.job(ctx, l.job)
	if err != nil {
		return because(ctx, err)
	}
	if !j.ended() {
		return fmt.Errorf("its output has ended, and how the job did is not on record; see sidegate jobs show %s", l.job)
	}
	l.finished, l.raw = &result{JobID: l.job, Status: j.Status, Annotations: j.Record.Annotations}, j.raw
	if j.ExitCode != nil {
		l.finished.ExitCode = *j.ExitCode
	}
	return nil
}

// tellEnd says how a job ended where its exit code does not tell.
func (l *live) tellEnd() {
	if l.held && l.finished.Truncated {
		fmt.Fprintln(l.notes, "sidegate: the output was longer than the gateway keeps; its middle is missing")
	}
	l.tell(*l.finished)
}

// printJSON prints the result with what was written.
func (l *live) printJSON(stdout, stderr string) error {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(l.raw, &members); err != nil {
		return err
	}
	for name, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		b, err := json.Marshal(strings.ToValidUTF8(text, "\uFFFD"))
		if err != nil {
			return err
		}
		members[name] = b
	}
	b, err := json.Marshal(members)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.cmd.OutOrStdout(), "%s\n", harmless(b))
	return err
}

// bounded gathers what is written, up to what is read of a reply.
type bounded struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxReply {
		return 0, errors.New("the output is too long for --json; without it, it is printed as it comes")
	}
	return b.Buffer.Write(p)
}
