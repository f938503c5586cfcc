package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// Order is the body of POST /shell as the Func connector sends it.
type Order struct {
	Command     string   `json:"command"`
	Wait        bool     `json:"wait"`
	Workdir     string   `json:"workdir,omitempty"`
	Envs        []string `json:"envs,omitempty"`
	CallbackURL string   `json:"callbackURL,omitempty"`
}

// Answer is the gateway's reply.
type Answer struct {
	Status     int      `json:"-"` // of HTTP
	OK         bool     `json:"ok"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Reasons    []string `json:"reasons"`
	DecisionID string   `json:"decision_id"`
	Data       *Outcome `json:"data"`
}

// Outcome is the data of a reply.
type Outcome struct {
	Stdout   string   `json:"stdout"`
	Stderr   string   `json:"stderr"`
	ExitCode int      `json:"exit_code"`
	Status   string   `json:"status"`
	JobID    string   `json:"job_id"`
	Enforced []string `json:"enforced"`
	Missing  []string `json:"missing"`

	HeldBy      []string          `json:"held_by"`     // plugins that the output went through
	Annotations map[string]string `json:"annotations"` // what they say of it
}

// Unexpected is the error of an answer that is not the one wanted.
func (a *Answer) Unexpected(want string) error {
	got, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return fmt.Errorf("expected %s, got %d: %s", want, a.Status, got)
}

// Signed is a call with its signature. Sending one twice is a replay.
type Signed struct {
	header http.Header
	body   []byte
}

// A Caller is a client of a gateway, by the Func scheme.
type Caller struct {
	URL    string // of the gateway, without a path
	Secret []byte
}

// Sign signs an order, now.
func (c Caller) Sign(o Order) (Signed, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return Signed{}, err
	}
	nonce, now := auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)
	return Signed{body: body, header: http.Header{
		"Content-Type":     {"application/json"},
		"X-Auth-Nonce":     {nonce},
		"X-Auth-Timestamp": {now},
		"X-Auth-Signature": {auth.SignFunc(c.Secret, http.MethodPost, "/shell", nonce, now, body)},
	}}, nil
}

// Send sends a signed call.
func (c Caller) Send(ctx context.Context, client *http.Client, s Signed) (*Answer, error) {
	resp, err := c.Post(ctx, client, s)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(a); err != nil {
		return nil, fmt.Errorf("the reply is not JSON: %w", err)
	}
	return a, nil
}

// Post sends a signed call and leaves the reply to be read. The caller closes its body.
func (c Caller) Post(ctx context.Context, client *http.Client, s Signed) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/shell", bytes.NewReader(s.body))
	if err != nil {
		return nil, err
	}
	req.Header = s.header.Clone()
	return client.Do(req)
}
