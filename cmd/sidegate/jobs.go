package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/shell"
)

// newJobsCommand holds the commands about the jobs of a gateway.
func newJobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List, show, follow and cancel jobs",
		Long: `Jobs shows what a gateway runs and has run, and ends what should not go on. It calls the gateway on its Unix socket, as the
user who calls it: a client with the scheme peercred has to list that user; or over a network, signed (see sidegate run). A
client sees its own jobs, and one with the role operator all of them.

The socket is named with --url or in SIDEGATE_URL; without either it is ` + systemSocket + `.

Where a job is named, the beginning of its ID is enough if it has 8 characters at least and there is only one such job.

Exit codes: 0 when all that was asked for was done; 1 when something was not, and standard error says what; 130 or 143 when
SIGINT or SIGTERM stopped it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newJobsListCommand(), newJobsShowCommand(), newJobsLogsCommand(), newJobsCancelCommand())
	return cmd
}

// A job is what a gateway says of one. Members that this version does not know stay in raw.
type job struct {
	JobID      string            `json:"job_id"`
	Client     string            `json:"client"`
	Status     string            `json:"status"`
	Command    string            `json:"command"`
	Argv       []string          `json:"argv"`
	Workdir    string            `json:"workdir"`
	Env        []string          `json:"env"`
	Labels     map[string]string `json:"labels"`
	DecisionID string            `json:"decision_id"`
	Revision   string            `json:"revision"`
	AcceptedAt *time.Time        `json:"accepted_at"`
	StartedAt  *time.Time        `json:"started_at"`
	EndedAt    *time.Time        `json:"ended_at"`
	ExitCode   *int              `json:"exit_code"`
	Signal     string            `json:"signal"`
	Reason     string            `json:"reason"`
	DurationMS *int64            `json:"duration_ms"`
	Stdout     *jobOutput        `json:"stdout"`
	Stderr     *jobOutput        `json:"stderr"`
	Record     jobRecord         `json:"record"`

	raw json.RawMessage
}

type jobOutput struct {
	Bytes     int64  `json:"bytes"`
	Kept      int64  `json:"kept"`
	Truncated bool   `json:"truncated"`
	SHA256    string `json:"sha256"`
}

type jobRecord struct {
	Annotations map[string]string `json:"annotations"`
	Changes     []struct {
		Plugin string   `json:"plugin"`
		Fields []string `json:"fields"`
	} `json:"changes"`
	Withheld string `json:"withheld"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (j *job) UnmarshalJSON(text []byte) error {
	type plain job
	if err := json.Unmarshal(text, (*plain)(j)); err != nil {
		return err
	}
	j.raw = append(json.RawMessage(nil), text...)
	return nil
}

// ended tells whether the job has its final status.
func (j *job) ended() bool { return j.Status != "accepted" && j.Status != "running" }

// state is the status in the words of people, with the exit code where there is one.
func (j *job) state() string {
	text := strings.ReplaceAll(printable(j.Status), "_", " ")
	switch {
	case j.Status == "exited" && j.ExitCode != nil:
		text += " " + strconv.Itoa(*j.ExitCode)
	case j.Signal != "":
		text += " (" + printable(j.Signal) + ")"
	}
	return text
}

// stateCell is state, in red where the job did not do what it was there for.
func (j *job) stateCell() cell {
	c := plainly(j.state())
	switch {
	case !j.ended():
		c.colour = yellow
	case j.Status != "exited" || j.ExitCode == nil || *j.ExitCode != 0:
		c.colour = red
	}
	return c
}

// line is the command as it would be typed.
func (j *job) line() string {
	if j.Command != "" || len(j.Argv) == 0 {
		return j.Command
	}
	if quoted, err := shell.Quote(j.Argv); err == nil {
		return quoted
	}
	return strings.Join(j.Argv, " ")
}

// job reads one job.
func (n *native) job(ctx context.Context, id string) (*job, error) {
	found := new(job)
	_, err := n.ask(ctx, http.MethodGet, "/v1/jobs/"+id, nil, found)
	return found, err
}

const (
	// leastPrefix is how much of an ID has to be given: it is the time of the job, to a minute.
	leastPrefix = 8
	// searchPages bounds how far back a job is looked for, in pages.
	searchPages = 20
)

// jobID is the whole ID of the job that somebody has named.
func (n *native) jobID(ctx context.Context, text string) (string, error) {
	id, err := idOf(text)
	if err != nil || len(id) == idLength {
		return id, err
	}
	if len(id) < leastPrefix {
		return "", fmt.Errorf("at least %d characters of the ID are needed", leastPrefix)
	}
	var found []string
	for page, err := range n.jobPages(ctx, url.Values{"since": {earliest(id).UTC().Format(time.RFC3339)}, "limit": {strconv.Itoa(pageLimit)}}, searchPages) {
		if err != nil {
			return "", err
		}
		for _, j := range page {
			if strings.HasPrefix(j.JobID, id) {
				found = append(found, j.JobID)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", fmt.Errorf("there is no job whose ID begins like that")
	}
	return "", fmt.Errorf("%d jobs have IDs that begin like that: %s and %s among them", len(found), found[0], found[len(found)-1])
}

// earliest is a time before that of every job whose ID begins like this: an ID begins with the milliseconds since 1970, in 12 hexadecimal digits
// (RFC 9562, UUIDv7).
func earliest(prefix string) time.Time {
	digits := strings.ReplaceAll(prefix, "-", "")
	digits = (digits + strings.Repeat("0", 12))[:12]
	ms, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		return time.Unix(0, 0)
	}
	return time.UnixMilli(ms).Add(-time.Minute) // clocks are set back sometimes
}
