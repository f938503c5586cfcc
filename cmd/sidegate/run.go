package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/shell"
)

// Exit codes of `sidegate run` that are not the command's own, numbered as env, timeout and container tools do.
const (
	exitTimedOut = 124 // the command ran longer than it may
	exitFailed   = 125 // the call itself failed: no connection, no secret, a refused signature
	exitDenied   = 126 // the gateway refused to run the command
)

// maxReply bounds what is read of a reply, far above what a gateway keeps of a command's output unless told otherwise.
const maxReply = 256 << 20

// call is what one `sidegate run` sends, and to whom.
type call struct {
	url, secretFile string
	workdir         string
	env             []string
	noWait          bool
	callback        string
	dryRun          bool
	json            bool
	timeout         time.Duration
}

func newRunCommand() *cobra.Command {
	var c call
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT]...",
		Short: "Run a command through a gateway, signed",
		Long: `Run sends a signed call to a gateway, prints the command's output, and exits with the command's exit code.

One argument is taken as a command line as it is: 'df -h /srv'. Several arguments are quoted, so that the gateway sees
exactly these: df -h "/srv/my files".

Exit codes: the command's own; 124 when its time was over; 125 when the call failed; 126 when the gateway refused to run
the command.`,
		Example: `  sidegate run --secret-file func.secret -- uptime
  sidegate run --secret-file func.secret --workdir /srv -- ls -l
  sidegate run --secret-file func.secret --dry-run -- rm -rf /srv
  sidegate run --secret-file func.secret --no-wait --callback http://172.17.0.1:8088/done -- du -sh /var/log`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &exitError{exitFailed, errors.New("no command: write it behind --, as in: sidegate run -- uptime")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitFailed, err} })
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&c.url, "url", "http://127.0.0.1:8099", "the gateway")
	f.StringVar(&c.secretFile, "secret-file", os.Getenv("SIDEGATE_SECRET_FILE"), "file with the client's secret (or SIDEGATE_SECRET_FILE)")
	f.StringVar(&c.workdir, "workdir", "", "directory to run in; without it a private empty one")
	f.StringArrayVar(&c.env, "env", nil, "environment variable KEY=VALUE; may be repeated")
	f.BoolVar(&c.noWait, "no-wait", false, "do not wait: print the job ID and leave")
	f.StringVar(&c.callback, "callback", "", "URL that gets the output when the command has ended")
	f.BoolVar(&c.dryRun, "dry-run", false, "ask for the decision only, and run nothing")
	f.BoolVar(&c.json, "json", false, "print the gateway's reply as JSON")
	f.DurationVar(&c.timeout, "timeout", 0, "how long to wait for the reply; 0 waits as long as the command runs")
	return cmd
}

// denials are the reasons with which a gateway refuses to run a command: by policy, for want of a sandbox, or by a plugin.
var denials = []string{
	"denied", "sandbox_unavailable",
	"denied_by_plugin", "unauthorized_by_plugin", "limited_by_plugin", "unavailable_by_plugin", "plugin_failed",
}

// reply is what the gateway answers.
type reply struct {
	OK         bool     `json:"ok"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Reasons    []string `json:"reasons"`
	DecisionID string   `json:"decision_id"`
	Data       *struct {
		Stdout    string   `json:"stdout"`
		Stderr    string   `json:"stderr"`
		ExitCode  int      `json:"exit_code"`
		Status    string   `json:"status"`
		Truncated bool     `json:"truncated"`
		JobID     string   `json:"job_id"`
		WouldDeny bool     `json:"would_deny"`
		Reasons   []string `json:"reasons"`

		AnsweredBy  string            `json:"answered_by"`
		Annotations map[string]string `json:"annotations"`
	} `json:"data"`
}

func (c *call) run(cmd *cobra.Command, args []string) error {
	status, raw, err := c.send(cmd.Context(), args)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	if c.json {
		if _, err := cmd.OutOrStdout().Write(raw); err != nil {
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
		if err := c.print(cmd, &answer); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	return exitOf(answer.Data.Status, answer.Data.ExitCode)
}

// exitOf is the exit code of a result. A command that did not end by itself has failed, also if it said 0 when it was made
// to end.
func exitOf(status string, code int) error {
	switch {
	case status == "timed_out":
		return &exitError{code: exitTimedOut} // whatever ended it
	case code != 0:
		return &exitError{code: code}
	case status != "exited" && status != "accepted" && status != "answered":
		return &exitError{code: exitFailed}
	}
	return nil
}

func (c *call) print(cmd *cobra.Command, answer *reply) error {
	if answer.Data.WouldDeny {
		fmt.Fprintln(cmd.ErrOrStderr(), "sidegate: the policy denies this; it runs because the gateway observes:", printable(strings.Join(answer.Data.Reasons, "; ")))
	}
	if answer.Data.Status == "accepted" {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), answer.Data.JobID)
		return err
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), answer.Data.Stdout); err != nil {
		return err
	}
	if _, err := io.WriteString(cmd.ErrOrStderr(), answer.Data.Stderr); err != nil {
		return err
	}
	if answer.Data.Truncated {
		fmt.Fprintln(cmd.ErrOrStderr(), "sidegate: the output was longer than the gateway keeps; its middle is missing")
	}
	for _, name := range slices.Sorted(maps.Keys(answer.Data.Annotations)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "sidegate: %s: %s\n", printable(name), printable(answer.Data.Annotations[name]))
	}
	switch s := answer.Data.Status; s {
	case "exited":
	case "answered":
		fmt.Fprintf(cmd.ErrOrStderr(), "sidegate: plugin %s answered, and nothing ran\n", printable(answer.Data.AnsweredBy))
	default:
		fmt.Fprintf(cmd.ErrOrStderr(), "sidegate: the command did not exit by itself: %s (job %s)\n", strings.ReplaceAll(s, "_", " "), answer.Data.JobID)
	}
	return nil
}

// send signs one call and reads the reply, whatever its status is.
func (c *call) send(ctx context.Context, args []string) (status int, reply []byte, err error) {
	path, order := "/shell", c.order
	if c.dryRun {
		path, order = "/v1/decisions", c.question
	}
	body, err := order(args)
	if err != nil {
		return 0, nil, err
	}
	req, err := c.signed(ctx, path, body)
	if err != nil {
		return 0, nil, err
	}
	// A signed call is for the gateway it names: no proxy of the environment gets to see it, and no redirect moves it.
	client := &http.Client{
		Timeout: c.timeout, Transport: &http.Transport{Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	switch {
	case err != nil && os.IsTimeout(err):
		return 0, nil, fmt.Errorf("no reply within %v; the command goes on, and is not run again: use --no-wait, or a longer --timeout", c.timeout)
	case errors.Is(err, http.ErrSchemeMismatch):
		return 0, nil, fmt.Errorf("%s speaks plain HTTP, and not TLS: write --url http://%s, or configure tls.cert_file and tls.key_file", c.url, req.URL.Host)
	case isUntrusted(err):
		return 0, nil, fmt.Errorf("%w\nif the gateway's certificate is from an authority of your own, name its file in the environment variable SSL_CERT_FILE", err)
	case err != nil:
		return 0, nil, fmt.Errorf("%w\nis the gateway running? start it with: sidegate serve --config FILE", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the reply: %w", err)
	}
	if resp.StatusCode == http.StatusBadRequest && string(bytes.TrimSpace(raw)) == wantsTLS {
		return 0, nil, fmt.Errorf("%s speaks TLS: write --url https://%s", c.url, req.URL.Host)
	}
	return resp.StatusCode, raw, nil
}

// wantsTLS is what a TLS server written in Go answers in plain text to one who does not speak it.
const wantsTLS = "Client sent an HTTP request to an HTTPS server."

func isUntrusted(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}

func notSidegate(url string, status int) error {
	return fmt.Errorf("%s answered %d, and not as a Sidegate does", url, status)
}

// order builds the body of POST /shell, as the Func connector does.
func (c *call) order(args []string) ([]byte, error) {
	command, err := commandLine(args)
	if err != nil {
		return nil, err
	}
	if _, err := c.environ(); err != nil {
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

// commandLine is one argument as it is, or several quoted.
func commandLine(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	return shell.Quote(args)
}

// environ is what --env says, by key.
func (c *call) environ() (map[string]string, error) {
	env := map[string]string{}
	for _, entry := range c.env {
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("--env %s: want KEY=VALUE", entry)
		}
		env[key] = value
	}
	return env, nil
}

func (c *call) signed(ctx context.Context, path string, body []byte) (*http.Request, error) {
	if c.secretFile == "" {
		return nil, errors.New("no secret: give --secret-file, or set SIDEGATE_SECRET_FILE")
	}
	secret, err := config.ReadSecret(c.secretFile)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(c.url)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || strings.Trim(base.Path, "/") != "" || base.RawQuery != "" {
		return nil, fmt.Errorf("--url %s: want the gateway's address, such as http://127.0.0.1:8099", c.url)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base.Scheme+"://"+base.Host+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	nonce, timestamp := auth.NewNonce(), strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Nonce", nonce)
	req.Header.Set("X-Auth-Timestamp", timestamp)
	req.Header.Set("X-Auth-Signature", auth.SignFunc(secret.Bytes(), http.MethodPost, path, nonce, timestamp, body))
	return req, nil
}

// describe turns a refusal into what a person reads.
func describe(message, decision string) error {
	message = printable(message)
	if decision != "" {
		message += "\ndecision " + decision
	}
	return errors.New(message)
}

// printable takes out what could play tricks on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// unlessJSON drops the text where the reply itself was printed.
func (c *call) unlessJSON(err error) error {
	if c.json {
		return nil
	}
	return err
}
