package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/internal/history"
	"github.com/sidegate/sidegate/internal/journal"
)

// auditedRequests says which requests of the audit a command is about, and by which policy they are decided.
type auditedRequests struct {
	config, export string
	since, until   string
	client         string
	limit          int
	ignoreBundles  bool
}

// defaultAuditedLimit is how many distinct requests are looked at: a minute's work, and more than a policy has cases.
const defaultAuditedLimit = 10_000

func (q *auditedRequests) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&q.config, "config", defaultConfig, "configuration of the gateway whose audit is read and whose policy is asked")
	f.StringVar(&q.export, "audit", "", "file of sidegate audit export to read in place of the journal; it has no stored requests")
	f.StringVar(&q.since, "since", "", "only requests from this time on: RFC 3339, or how long ago, such as 36h or 14d")
	f.StringVar(&q.until, "until", "", "only requests before this time")
	f.StringVar(&q.client, "client", "", "only requests of this client")
	f.IntVar(&q.limit, "limit", defaultAuditedLimit, "most distinct requests to look at; of more, those that occurred last")
	f.BoolVar(&q.ignoreBundles, "ignore-bundles", false, "leave out the remote bundles of --config; the recorded answers may then not be had again")
}

// query is what is asked for, but for what depends on the policies.
func (q *auditedRequests) query(now time.Time) (asked history.Query, err error) {
	asked = history.Query{Client: q.client, Limit: q.limit}
	if q.limit < 1 {
		return asked, errors.New("--limit must be at least 1")
	}
	if asked.Since, err = moment(q.since, now); err != nil {
		return asked, fmt.Errorf("--since %s: %w", q.since, err)
	}
	if asked.Until, err = moment(q.until, now); err != nil {
		return asked, fmt.Errorf("--until %s: %w", q.until, err)
	}
	if !asked.Until.IsZero() && !asked.Since.Before(asked.Until) {
		return asked, errors.New("--since must be before --until")
	}
	return asked, nil
}

// moment reads a time, or how long ago it was. "" is the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	ago, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		ago = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("too long ago")
		}
	}
	if err != nil || ago < 0 {
		return time.Time{}, errors.New("want a time such as 2026-03-01T12:00:00Z, or how long ago it was, such as 36h or 14d")
	}
	return now.Add(-ago), nil
}

// load reads the configuration.
func (q *auditedRequests) load() (*config.Config, error) {
	c, err := config.Load(q.config)
	if err != nil {
		return nil, configError(q.config, err)
	}
	if q.ignoreBundles && len(c.Policy.Paths) == 0 {
		return nil, fmt.Errorf("%s names no policy.paths, so without its bundles there is no policy to compare with", q.config)
	}
	return c, nil
}

// read reads the requests, which must not be none. Progress is shown on w.
func (q *auditedRequests) read(ctx context.Context, c *config.Config, asked history.Query, w io.Writer) (history.Requests, error) {
	none := history.Requests{}
	source, done, err := q.source(ctx, c)
	if err != nil {
		return none, err
	}
	defer done()
	asked.Progress = func(leaves int64) { progress(w, "%s leaves of the audit …", humanize.Comma(leaves)) }
	found, err := history.Read(ctx, c.Clients, source, asked)
	progress(w, "")
	if err == nil && len(found.Distinct) == 0 {
		err = fmt.Errorf("no policy decision that is asked for is among the %s leaves of the audit: see sidegate audit tail, or widen --since, --until and --client", humanize.Comma(found.Leaves))
	}
	return found, err
}

// source opens the journal, beside a gateway or without one, or an export. Call done.
func (q *auditedRequests) source(ctx context.Context, c *config.Config) (source history.Source, done func(), err error) {
	if q.export != "" {
		f, err := os.Open(q.export)
		if err != nil {
			return source, nil, err
		}
		return history.Source{Leaves: audit.ReadExport(f).Leaves}, func() { f.Close() }, nil
	}
	place := auditPlace{stateDir: c.StateDir}
	r, _, _, err := place.open(ctx)
	if err != nil {
		return source, nil, err
	}
	log, err := r.AuditLog(ctx)
	if err != nil {
		r.Close()
		return source, nil, err
	}
	leaves := turned(log.Leaves(), func(l journal.Leaf) audit.Row { return audit.Row{Seq: l.Seq, Leaf: l.Data} })
	return history.Source{Leaves: leaves, Requests: r.Requests}, func() { r.Close() }, nil
}

// explainer loads policies: those of the configuration, or those at paths.
func (q *auditedRequests) explainer(ctx context.Context, c *config.Config, paths []string) (*daemon.Explainer, error) {
	e, err := daemon.NewExplainer(ctx, c, daemon.PolicySources{Paths: paths, IgnoreBundles: q.ignoreBundles, NoteCalls: true})
	if unkept := (*daemon.UnkeptError)(nil); errors.As(err, &unkept) {
		err = fmt.Errorf("%w\nrun this on the gateway's host once it is ready, or leave remote bundles out with --ignore-bundles", unkept)
	}
	return e, err
}
