package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A subject is a server that is probed, as its adapter describes it.
type subject struct {
	name  string
	about string // what it is, and how it is set up
	url   string // without a path

	pid     func() int                  // of the server; nil where it is not this program's
	restart func(context.Context) error // kills the server and starts it on what it left; nil where that cannot be done
	close   func()
	log     func() string // what the server printed

	// call makes a request of an order, signed now where the server wants a signature. Each can be sent once or more often, and altered.
	call func(order) (call, error)
	// result reads a reply. It is not an error that a command failed, or that a call was refused.
	result func(reply) result

	signature []string                             // the headers that a signature is in; none where nothing is signed
	callAt    func(order, time.Time) (call, error) // as call, signed at another time; nil where no time is signed
	query     func(order, string) (call, error)    // as call, with a query that is to be the order's second argument; nil where queries are not read
	timeout   time.Duration                        // of commands; 0 where there is none
	workers   int                                  // how many commands run at once; 0 where there is no limit
	files     *files                               // nil where the server looks at no paths
	jobs      *jobs                                // nil where nothing is kept of what runs

	why    map[string]string // why a probe does not apply, by its name; besides what the probe sees itself
	claims func(probe string) bool
}

// notHere are the probes that do not apply to a server that was there already.
var notHere = map[string]string{
	"path-prefix":       "which files it lets read is not known here",
	"stuck-job":         "it is not this program's to restart",
	"concurrency-limit": "its limit is not known here",
}

// files are for a server that lets read below a directory and nowhere else.
type files struct {
	root string // the directory
	read func(path string) (call, error)
}

// jobs are for a server that keeps a record of what runs.
type jobs struct {
	start  func(context.Context, order) (id string, err error) // does not wait for the end
	status func(ctx context.Context, id string) (string, error)
	over   func(status string) bool // whether that is the status of something that has ended
}

// A call is a request as it goes over the wire.
type call struct {
	method, target string
	header         http.Header
	body           []byte
}

// with returns a copy that has another body.
func (c call) with(body []byte) call {
	c.body = body
	return c
}

// without returns a copy that lacks some headers.
func (c call) without(headers []string) call {
	c.header = c.header.Clone()
	for _, name := range headers {
		c.header.Del(name)
	}
	return c
}

// A reply is what came back.
type reply struct {
	status int
	body   []byte // the first 32 MiB
}

func (r reply) String() string {
	text := bytes.TrimSpace(r.body)
	return fmt.Sprintf("%d %.400q", r.status, text)
}

// A result is what a reply says of a command.
type result struct {
	ran    bool   // the command was run, as the reply has it
	failed bool   // the caller can see that it did not end well
	stdout string // with stderr, where the server does not keep them apart
	stderr string
	cut    bool   // the reply says that output is missing
	broken string // what is wrong with the reply itself
}

// send sends a call over a connection of its own: none is sent twice, but by a probe.
func (s *subject) send(ctx context.Context, c call) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, s.url+c.target, bytes.NewReader(c.body))
	if err != nil {
		return reply{}, err
	}
	req.Header = c.header.Clone()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	return reply{resp.StatusCode, body}, err
}

// do sends an order, once, and reads what became of it.
func (s *subject) do(ctx context.Context, o order) (result, reply, error) {
	c, err := s.call(o)
	if err != nil {
		return result{}, reply{}, err
	}
	r, err := s.send(ctx, c)
	if err != nil {
		return result{}, r, err
	}
	return s.result(r), r, nil
}
