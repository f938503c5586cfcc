package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pageLimit is how many jobs or callbacks are asked for at once.
const pageLimit = 500

// listing is what one `sidegate jobs list` shows.
type listing struct {
	native
	statuses []string
	client   string
	labels   []string
	since    string
	limit    int
	quiet    bool
}

// jobStatuses are those that a job can have.
var jobStatuses = []string{"accepted", "running", "exited", "signaled", "timed_out", "killed", "failed", "interrupted"}

func newJobsListCommand() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List jobs, the newest first",
		Long: `List shows jobs, the newest first: ID, status, when it was accepted, how long it ran, whose it is, and its command. On a
terminal commands are cut to the line; elsewhere they stand there whole, and times as RFC 3339.

With --json it prints one line of JSON for each job, as GET /v1/jobs has it.`,
		Example: `  sidegate jobs list
  sidegate jobs list --status running
  sidegate jobs list --status failed,timed_out,interrupted --since 24h --limit 0
  sidegate jobs list --client func --label app=web --json
  sidegate jobs cancel $(sidegate jobs list -q --status accepted --limit 0)`,
		Args: noArgs,
		RunE: l.run,
	}
	f := cmd.Flags()
	f.StringSliceVar(&l.statuses, "status", nil, "only jobs with this status: "+strings.Join(jobStatuses, ", ")+"; may be repeated")
	f.StringVar(&l.client, "client", "", "only jobs of this client")
	f.StringArrayVar(&l.labels, "label", nil, "only jobs with this label, NAME=VALUE; may be repeated")
	f.StringVar(&l.since, "since", "", "only jobs accepted since then: how long ago, such as 2h, or a time, such as 2026-01-31T12:00:00Z")
	f.IntVar(&l.limit, "limit", 50, "how many at most; 0 for all")
	f.BoolVarP(&l.quiet, "quiet", "q", false, "print IDs only")
	l.bind(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "quiet")
	if err := cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(jobStatuses, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
	return cmd
}

func (l *listing) run(cmd *cobra.Command, _ []string) error {
	query, err := l.query(cmd, time.Now())
	if err != nil {
		return err
	}
	if err := l.connect(cmd); err != nil {
		return err
	}
	defer l.close()
	out := cmd.OutOrStdout()
	t := table{head: []string{"JOB", "STATUS", "ACCEPTED", "TOOK", "CLIENT", "COMMAND"}, narrow: 20}
	more, err := limited(l.jobPages(cmd.Context(), query, 0), l.limit, func(j *job) error { return l.show(out, &t, j) })
	if !l.json && !l.quiet {
		err = errors.Join(t.print(out), err)
	}
	if err == nil && more && isTerminal(out) {
		fmt.Fprintf(l.notes, "sidegate: these are the newest %d; --limit 0 shows all\n", l.limit)
	}
	return err
}

// limited does something with rows, up to a limit that is above 0, and tells whether there are more.
func limited[Row any](pages iter.Seq2[[]Row, error], limit int, do func(Row) error) (more bool, err error) {
	n := 0
	for page, err := range pages {
		if err != nil {
			return false, err
		}
		for _, row := range page {
			if limit > 0 && n == limit {
				return true, nil
			}
			if err := do(row); err != nil {
				return false, err
			}
			n++
		}
	}
	return false, nil
}

// show prints a job, or puts it into the table.
func (l *listing) show(out io.Writer, t *table, j *job) error {
	switch {
	case l.json:
		return printLine(out, j.raw)
	case l.quiet:
		_, err := fmt.Fprintln(out, printable(j.JobID))
		return err
	}
	took := "-"
	if j.DurationMS != nil && j.StartedAt != nil {
		took = lasting(*j.DurationMS)
	}
	t.add(plainly(printable(j.JobID)), j.stateCell(), plainly(when(out, j.AcceptedAt)), plainly(took), plainly(printable(j.Client)), plainly(oneLine(j.line())))
	return nil
}

// query is what the gateway is asked. What is named and empty is most likely a variable of a script that is not set.
func (l *listing) query(cmd *cobra.Command, now time.Time) (url.Values, error) {
	q := url.Values{}
	for _, name := range []string{"status", "client", "label", "since"} {
		if f := cmd.Flags().Lookup(name); f.Changed && (f.Value.String() == "" || f.Value.String() == "[]") {
			return nil, fmt.Errorf("--%s is empty", name)
		}
	}
	for _, s := range l.statuses {
		q.Add("status", strings.ReplaceAll(s, "-", "_"))
	}
	for _, label := range l.labels {
		q.Add("label", label)
	}
	if l.client != "" {
		q.Set("client", l.client)
	}
	if l.since != "" {
		since, err := timeOf(l.since, now)
		if err != nil {
			return nil, err
		}
		q.Set("since", since.UTC().Format(time.RFC3339Nano))
	}
	return q, pageSize(q, l.limit)
}

// pageSize asks for pages that fit a limit.
func pageSize(q url.Values, limit int) error {
	switch {
	case limit < 0:
		return fmt.Errorf("--limit %d: must not be negative", limit)
	case limit == 0 || limit >= pageLimit:
		q.Set("limit", strconv.Itoa(pageLimit))
	default:
		q.Set("limit", strconv.Itoa(limit+1)) // one more tells whether there are more
	}
	return nil
}

// timeOf reads a time, or how long ago it is.
func timeOf(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %s: want how long ago, such as 30m, 2h or 7d, or a time, such as 2026-01-31T12:00:00Z or 2026-01-31", shown(text, 40))
}

// jobPages are the pages of a list of jobs. With most above 0 there are no more than that, and then an error if there would be.
func (n *native) jobPages(ctx context.Context, query url.Values, most int) iter.Seq2[[]*job, error] {
	return pagesOf(ctx, n, "/v1/jobs", query, most, func(text []byte) ([]*job, string, error) {
		var page struct {
			Jobs []*job `json:"jobs"`
			Next string `json:"next"`
		}
		err := json.Unmarshal(text, &page)
		return page.Jobs, page.Next, err
	})
}

// pagesOf are the pages of a list.
func pagesOf[Row any](ctx context.Context, n *native, path string, query url.Values, most int, decode func([]byte) ([]Row, string, error)) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		for pages := 1; ; pages++ {
			var text json.RawMessage
			if _, err := n.ask(ctx, http.MethodGet, path, query, &text); err != nil {
				yield(nil, err)
				return
			}
			rows, next, err := decode(text)
			switch {
			case err != nil:
				yield(nil, notSidegate(n.client.Address(), http.StatusOK))
				return
			case !yield(rows, nil) || next == "":
				return
			case pages == most:
				yield(nil, errors.New("there are too many newer ones to look through: give the whole ID"))
				return
			}
			query.Set("cursor", next)
		}
	}
}

// oneLine is text without line breaks and without what could play tricks on a terminal.
func oneLine(text string) string { return printable(strings.Join(strings.Fields(text), " ")) }
