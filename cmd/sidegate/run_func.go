package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/client"
	"github.com/sidegate/sidegate/internal/config"
)

// denials are the reasons with which a gateway refuses to run a command: by policy, for want of a sandbox, or by a plugin.
var denials = []string{
	"denied", "sandbox_unavailable",
	"denied_by_plugin", "unauthorized_by_plugin", "limited_by_plugin", "unavailable_by_plugin", "plugin_failed",
}

// reply is what the gateway answers on /shell.
type reply struct {
	OK         bool     `json:"ok"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Reasons    []string `json:"reasons"`
	DecisionID string   `json:"decision_id"`
	Data       *struct {
		result
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	} `json:"data"`
}

// result is how a command ended.
type result struct {
	JobID     string   `json:"job_id"`
	Status    string   `json:"status"`
	ExitCode  int      `json:"exit_code"`
	Truncated bool     `json:"truncated"`
	WouldDeny bool     `json:"would_deny"`
	Reasons   []string `json:"reasons"`

	AnsweredBy  string            `json:"answered_by"`
	Annotations map[string]string `json:"annotations"`
}

// overFunc makes the call that the Func connector makes: the output comes in one piece, when the command has ended.
func (c *call) overFunc(cmd *cobra.Command, args []string) error {
	ctx, stop := c.stoppable(cmd.Context())
	defer stop()
	path, order := "/shell", c.order
	if c.dryRun {
		path, order = "/v1/decisions", c.question
	}
	body, err := order(args)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	status, raw, err := c.sendFunc(ctx, path, body)
	if err != nil {
		return c.failed(cmd, because(ctx, err))
	}
	if c.json {
		if _, err := cmd.OutOrStdout().Write(harmless(raw)); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	if c.dryRun {
		return c.decided(cmd, status, raw)
	}
	return c.ran(cmd, status, raw)
}

// ran shows what became of a command, and exits with its code.
func (c *call) ran(cmd *cobra.Command, status int, raw []byte) error {
	var answer reply
	if err := json.Unmarshal(raw, &answer); err != nil {
		return &exitError{exitFailed, notSidegate(c.url, status)}
	}
	switch {
	case !answer.OK && slices.Contains(denials, answer.Reason):
		return &exitError{exitDenied, c.unlessJSON(describe(answer.Message, answer.DecisionID))}
	case !answer.OK && answer.Message == "":
		return &exitError{exitFailed, notSidegate(c.url, status)}
	case !answer.OK:
		return &exitError{exitFailed, c.unlessJSON(describe(answer.Message, answer.DecisionID))}
	case answer.Data == nil:
		return &exitError{exitFailed, errors.New("the gateway's reply holds no data; is this a Sidegate?")}
	}
	if !c.json {
		if err := c.print(cmd, answer.Data.result, answer.Data.Stdout, answer.Data.Stderr); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	return exitOf(answer.Data.Status, answer.Data.ExitCode)
}

func (c *call) print(cmd *cobra.Command, r result, stdout, stderr string) error {
	c.warn(r)
	if r.Status == "accepted" {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), printable(r.JobID))
		return err
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), stdout); err != nil {
		return err
	}
	if _, err := io.WriteString(cmd.ErrOrStderr(), stderr); err != nil {
		return err
	}
	if r.Truncated {
		fmt.Fprintln(c.notes, "sidegate: the output was longer than the gateway keeps; its middle is missing")
	}
	c.tell(r)
	return nil
}

// warn says that a command runs that the policy denies.
func (c *call) warn(r result) {
	if r.WouldDeny {
		fmt.Fprintln(c.notes, "sidegate: the policy denies this; it runs because the gateway observes:", printable(strings.Join(r.Reasons, "; ")))
	}
}

// tell says what else there is to know of a result.
func (c *call) tell(r result) {
	for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
		fmt.Fprintf(c.notes, "sidegate: %s: %s\n", printable(name), printable(r.Annotations[name]))
	}
	switch r.Status {
	case "exited":
	case "answered":
		fmt.Fprintf(c.notes, "sidegate: plugin %s answered, and nothing ran\n", printable(r.AnsweredBy))
	default:
		fmt.Fprintf(c.notes, "sidegate: the command did not exit by itself: %s (job %s)\n", strings.ReplaceAll(printable(r.Status), "_", " "), printable(r.JobID))
	}
}

// sendFunc signs one call by the Func scheme and reads the reply, whatever its status is.
func (c *call) sendFunc(ctx context.Context, path string, body []byte) (status int, reply []byte, err error) {
	secret, err := config.ReadSecret(c.secretFile)
	if err != nil {
		return 0, nil, err
	}
	gate, err := client.New(client.Config{
		Address: c.url, Timeout: c.timeout, CAFile: c.caFile, CertFile: c.certFile, KeyFile: c.certKeyFile,
		Sign: func(r *http.Request, body []byte) error { signFunc(r, secret, body); return nil },
	})
	if err != nil {
		return 0, nil, fmt.Errorf("--url %w", err)
	}
	defer gate.Close()
	req, err := gate.Request(ctx, http.MethodPost, path, body)
	if err != nil {
		return 0, nil, err
	}
	resp, err := gate.Do(req)
	if timedOut := new(client.TimeoutError); errors.As(err, &timedOut) {
		return 0, nil, fmt.Errorf("%w; the command goes on, and is not run again: use --no-wait, or a longer --timeout", err)
	}
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the reply: %w", err)
	}
	return resp.StatusCode, raw, nil
}

// signFunc adds the headers of the Func scheme.
func signFunc(r *http.Request, secret config.Secret, body []byte) {
	nonce, timestamp := auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set(auth.HeaderNonce, nonce)
	r.Header.Set(auth.HeaderTimestamp, timestamp)
	r.Header.Set(auth.HeaderSignature, auth.SignFunc(secret.Bytes(), r.Method, r.URL.Path, nonce, timestamp, body))
}

// order builds the body of POST /shell, as the Func connector does.
func (c *call) order(args []string) ([]byte, error) {
	command, err := commandLine(args)
	if err != nil {
		return nil, err
	}
	if _, err := pairs("env", c.env); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Command  string   `json:"command"`
		Wait     bool     `json:"wait"`
		Workdir  string   `json:"workdir,omitempty"`
		Envs     []string `json:"envs,omitempty"`
		Callback string   `json:"callbackURL,omitempty"`
	}{command, !c.noWait, c.workdir, c.env, c.callback})
}
