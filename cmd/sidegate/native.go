package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/client"
)

// A native is a gateway as the commands that use its native API call it: over a Unix socket, where the kernel says who they are, or over a network, where they sign.
type native struct {
	reach
	json bool

	client *client.Client
	notes  io.Writer
}

func (n *native) bind(cmd *cobra.Command) {
	n.bindReach(cmd)
	cmd.Flags().BoolVar(&n.json, "json", false, "print JSON")
}

// findSocket finds the gateway that nobody has named.
func (n *native) findSocket() error {
	if n.url != "" {
		return nil
	}
	if _, err := os.Stat(systemSocket); err == nil {
		n.url = "unix:" + systemSocket
		return nil
	}
	return fmt.Errorf("which gateway? There is no %s, so name the gateway's socket: --url unix:/path, or SIDEGATE_URL in the environment; "+
		"it is the unix: address in listen of the gateway's configuration", systemSocket)
}

// connect has to be called first. close closes what it opened.
func (n *native) connect(cmd *cobra.Command) error {
	n.settle(cmd)
	if err := n.findSocket(); err != nil {
		return err
	}
	n.notes = cmd.ErrOrStderr()
	if f := cmd.Flags().Lookup("secret-file"); f.Changed && !n.signs() {
		return errors.New("a secret signs for a client with scheme httpsig: give its name, as it stands in the gateway's configuration, in SIDEGATE_CLIENT or with --as")
	}
	var err error
	n.client, err = n.dial(0)
	return err
}

func (n *native) close() { n.client.Close() }

// A refusal is why the gateway did not do what it was asked.
type refusal struct {
	Status     int    `json:"-"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail"`
	DecisionID string `json:"decision_id"`
	after      time.Duration
	raw        json.RawMessage
}

func (r *refusal) Error() string {
	text := printable(r.Detail)
	if r.DecisionID != "" {
		text += " (decision " + printable(r.DecisionID) + ")"
	}
	return text
}

// passing tells whether the same call may be answered better a little later. Nothing has come of it.
func (r *refusal) passing() bool {
	return r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable || r.Status == http.StatusInsufficientStorage
}

const (
	// maxProblem and maxAnswer bound what is read of an answer.
	maxProblem = 1 << 20
	maxAnswer  = 256 << 20
	// answerTime is how long an answer may take that does not wait for a command, and its head where it does.
	answerTime = time.Minute
)

// do sends a request and returns the reply, if it is one of success. Its context has to last until the body is read. What reads alone is sent anew where the
// connection was lost and net/http sent a copy of it, whose nonce was spent.
func (n *native) do(ctx context.Context, method, path string, header http.Header) (*http.Response, error) {
	resp, err := n.send(ctx, method, path, header, nil)
	refused := new(refusal)
	if n.signs() && method == http.MethodGet && errors.As(err, &refused) && refused.Reason == "replayed_nonce" {
		return n.send(ctx, method, path, header, nil)
	}
	return resp, err
}

// send is do for any body, and once.
func (n *native) send(ctx context.Context, method, path string, header http.Header, body []byte) (*http.Response, error) {
	req, err := n.client.Request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	refused := &refusal{Status: resp.StatusCode}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err == nil && json.Unmarshal(text, refused) == nil && refused.Detail != "" {
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			refused.after = time.Duration(seconds) * time.Second
		}
		refused.raw = text
		return nil, refused
	}
	return nil, finalError{notSidegate(n.client.Address(), resp.StatusCode)}
}

// A finalError is one that another try does not mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// patient is how often a call is made again that came too soon after others.
const patient = 5

// ask sends a request and reads a JSON answer. Many calls in a row may be more than the gateway takes of one client: it says how long to wait, and that is
// waited for.
func (n *native) ask(ctx context.Context, method, path string, query url.Values, into any) (status int, err error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	for try := 1; ; try++ {
		status, err := n.once(ctx, method, path, into)
		refused := new(refusal)
		if !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || try == patient {
			return status, err
		}
		if err := pause(ctx, max(refused.after, 100*time.Millisecond)); err != nil {
			return 0, err
		}
	}
}

func (n *native) once(ctx context.Context, method, path string, into any) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("no answer within %v", answerTime))
	defer cancel()
	resp, err := n.do(ctx, method, path, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("reading the answer of %s: %w", n.client.Address(), err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return 0, notSidegate(n.client.Address(), resp.StatusCode)
	}
	return resp.StatusCode, nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// idPattern is what the gateway's IDs look like, and beginnings of them.
var idPattern = regexp.MustCompile(`^[0-9a-f][0-9a-f-]{0,35}$`)

// idLength is that of a whole ID.
const idLength = 36

// idOf reads an ID as somebody typed it.
func idOf(text string) (string, error) {
	id := strings.ToLower(strings.TrimSpace(text))
	if !idPattern.MatchString(id) {
		return "", fmt.Errorf("that is no ID: one has %d characters, such as 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd", idLength)
	}
	return id, nil
}

// eachOf does something with each of several things that were named. One that fails does not keep the others from being done.
func eachOf(names []string, do func(name string) error) error {
	var errs []error
	for _, name := range names {
		if err := do(name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", shown(name, idLength), err))
		}
	}
	return errors.Join(errs...)
}
