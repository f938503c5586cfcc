package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// overNative calls the native API, which sends the output as it comes.
func (c *call) overNative(cmd *cobra.Command, args []string) error {
	gate, err := c.dial(0)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	c.client = gate
	defer c.close()
	body, err := c.jobBody(cmd.InOrStdin(), args)
	switch {
	case err != nil:
		return &exitError{exitFailed, err}
	case c.dryRun || c.noWait:
		return c.inOnePiece(cmd, body)
	}
	return c.live(cmd, body)
}

// jobBody builds what POST /v1/jobs and /v1/decisions take. Several arguments are quoted, as for /shell, and are no vector: what is asked does not depend on the
// route, and a policy that has every command run in a shell takes it on both.
func (c *call) jobBody(stdin io.Reader, args []string) ([]byte, error) {
	type callback struct {
		URL string `json:"url"`
	}
	var body struct {
		Command  string            `json:"command"`
		Workdir  string            `json:"workdir,omitempty"`
		Env      map[string]string `json:"env,omitempty"`
		Stdin    *string           `json:"stdin,omitempty"`
		Timeout  string            `json:"timeout,omitempty"`
		Labels   map[string]string `json:"labels,omitempty"`
		Callback *callback         `json:"callback,omitempty"`
	}
	var err error
	if body.Command, err = commandLine(args); err != nil {
		return nil, err
	}
	body.Workdir = c.workdir
	if body.Env, err = pairs("env", c.env); err != nil {
		return nil, err
	}
	if body.Labels, err = pairs("label", c.labels); err != nil {
		return nil, err
	}
	if c.timeout > 0 {
		body.Timeout = c.timeout.String()
	}
	if c.callback != "" {
		body.Callback = &callback{c.callback}
	}
	if c.stdin {
		if body.Stdin, err = readStdin(stdin); err != nil {
			return nil, err
		}
	}
	return json.Marshal(body)
}

// maxInput bounds what is read of standard input, far above what limits.body takes unless told otherwise.
const maxInput = 16 << 20

func readStdin(r io.Reader) (*string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--stdin: %w", err)
	case len(b) > maxInput:
		return nil, errors.New("--stdin: there is more input than any gateway takes")
	case !utf8.Valid(b):
		return nil, errors.New("--stdin: the input is not UTF-8, and the native API has no other; encode it (base64), and have the command decode it")
	}
	text := string(b)
	return &text, nil
}

// inOnePiece makes a call that is answered at once: a decision, or a job that is not waited for.
func (c *call) inOnePiece(cmd *cobra.Command, body []byte) error {
	ctx, stop := c.stoppable(cmd.Context())
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("no answer within %v", answerTime))
	defer cancel()
	path := "/v1/jobs"
	if c.dryRun {
		path = "/v1/decisions"
	}
	resp, err := c.send(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return c.failed(cmd, because(ctx, err))
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return c.failed(cmd, because(ctx, err))
	}
	if c.json {
		if _, err := cmd.OutOrStdout().Write(raw); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	if c.dryRun {
		return c.decided(cmd, resp.StatusCode, raw)
	}
	return c.answered(cmd, resp.StatusCode, raw)
}

// answered shows a job that was accepted, or what a plugin answered in its place.
func (c *call) answered(cmd *cobra.Command, status int, raw []byte) error {
	var answer struct {
		result
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Status == "" {
		return &exitError{exitFailed, notSidegate(c.url, status)}
	}
	if !c.json {
		if err := c.print(cmd, answer.result, answer.Stdout, answer.Stderr); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	return exitOf(answer.Status, answer.ExitCode)
}

// failed is how the program ends when a call came to nothing: refused, or not made.
func (c *call) failed(cmd *cobra.Command, err error) error {
	if stopped := new(stopError); errors.As(err, &stopped) {
		return stopped
	}
	refused := new(refusal)
	if !errors.As(err, &refused) {
		return &exitError{exitFailed, err}
	}
	if refused.Reason == "invalid_signature" && c.mayBeFunc() {
		return errOtherScheme
	}
	if c.json && len(refused.raw) > 0 {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), string(harmless(bytes.TrimSpace(refused.raw)))); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	code := exitFailed
	if slices.Contains(denials, refused.Reason) {
		code = exitDenied
	}
	return &exitError{code, c.unlessJSON(describe(refused.Detail, refused.DecisionID))}
}
