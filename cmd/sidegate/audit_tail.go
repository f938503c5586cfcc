package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// tailing is what one `sidegate audit tail` does.
type tailing struct {
	auditPlace
	last         int
	follow, json bool

	types                 []string
	job, decision, client string
}

const (
	tailPage  = 1000                   // leaves that are read at once
	tailPause = 500 * time.Millisecond // between two looks at a log that is followed
)

func newAuditTailCommand() *cobra.Command {
	var t tailing
	cmd := &cobra.Command{
		Use:   "tail [flags]",
		Short: "Show the newest entries of the audit log",
		Long: `Tail shows the newest leaves of the audit log, oldest first, each with its number. It does not verify them: that is what
sidegate audit verify is for.

With --json it prints a line of JSON for each: its number, and the leaf as it was hashed. A leaf that is no JSON any more is
there as base64, as "damaged".

Of the ID of a job or a decision the beginning is enough, if it has 8 characters at least.`,
		Example: `  sidegate audit tail
  sidegate audit tail -n 100 --type denied --type plugin_denied
  sidegate audit tail --job 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate audit tail --decision 0198c2d2-3f9a-7c17-8d2c-3f9a2c17de01
  sidegate audit tail --follow --json`,
		Args: noArgs,
		RunE: t.run,
	}
	t.bind(cmd)
	f := cmd.Flags()
	f.IntVarP(&t.last, "lines", "n", 20, "how many to show")
	f.BoolVarP(&t.follow, "follow", "f", false, "go on to show what is added, until interrupted")
	f.StringArrayVar(&t.types, "type", nil, "only leaves of this type, such as denied; may be repeated")
	f.StringVar(&t.job, "job", "", "only leaves about this job")
	f.StringVar(&t.decision, "decision", "", "only leaves about this decision, whose ID a denial tells")
	f.StringVar(&t.client, "client", "", "only leaves about this client")
	f.BoolVar(&t.json, "json", false, "print lines of JSON")
	return cmd
}

func (t *tailing) run(cmd *cobra.Command, _ []string) error {
	known := audit.Types()
	for _, name := range t.types {
		if !slices.Contains(known, audit.Type(name)) {
			return fmt.Errorf("--type %s: there is no such type; the types are: %s", name, joined(known))
		}
	}
	if t.last < 0 {
		return fmt.Errorf("--lines %d: must not be negative", t.last)
	}
	r, _, _, err := t.open(cmd.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	size, err := r.AuditSize(cmd.Context())
	if err != nil {
		return err
	}
	leaves, err := t.newest(cmd.Context(), r, size)
	if err != nil {
		return err
	}
	if len(leaves) == 0 && t.last > 0 && !t.follow {
		fmt.Fprintf(cmd.ErrOrStderr(), "sidegate: none of the %s leaves of the log is one of these\n", humanize.Comma(size))
	}
	out := cmd.OutOrStdout()
	if !t.json && (len(leaves) > 0 || t.follow) {
		fmt.Fprintln(out, tailHeader)
	}
	if err := t.print(out, leaves); err != nil || !t.follow {
		return err
	}
	return t.goOn(cmd.Context(), out, r, size)
}

func joined(types []audit.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

// newest returns the last leaves before number size that are asked for, the oldest first.
func (t *tailing) newest(ctx context.Context, r *journal.Reader, size int64) ([]journal.Leaf, error) {
	var found []journal.Leaf // the newest first
	for end := size; end > 0 && len(found) < t.last; {
		begin := max(end-tailPage, 0)
		page, err := r.AuditLeaves(ctx, begin, tailPage)
		if err != nil {
			return nil, err
		}
		for _, l := range slices.Backward(page) {
			if l.Seq < end && len(found) < t.last && t.wants(l) {
				found = append(found, l)
			}
		}
		end = begin
	}
	slices.Reverse(found)
	return found, nil
}

// goOn prints what is added from number next on.
func (t *tailing) goOn(ctx context.Context, out io.Writer, r *journal.Reader, next int64) error {
	for {
		page, err := r.AuditLeaves(ctx, next, tailPage)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			next = page[len(page)-1].Seq + 1
			if err := t.print(out, slices.DeleteFunc(page, func(l journal.Leaf) bool { return !t.wants(l) })); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tailPause):
		}
	}
}

// wants tells whether a leaf is asked for. One that cannot be read is shown where no filter is given.
func (t *tailing) wants(l journal.Leaf) bool {
	if len(t.types) == 0 && t.job == "" && t.decision == "" && t.client == "" {
		return true
	}
	leaf, err := audit.Decode(l.Data)
	return err == nil && (len(t.types) == 0 || slices.Contains(t.types, string(leaf.Type))) &&
		isAbout(leaf.Job, t.job) && isAbout(leaf.Decision, t.decision) && (t.client == "" || leaf.Client == t.client)
}

// isAbout tells whether an ID is the one that was asked for, or begins with it.
func isAbout(id, asked string) bool {
	return asked == "" || id == asked || len(asked) >= leastPrefix && strings.HasPrefix(id, asked)
}

func (t *tailing) print(out io.Writer, leaves []journal.Leaf) error {
	for _, l := range leaves {
		line := ""
		if t.json {
			b, err := json.Marshal(numberedLeaf{l.Seq, rawLeaf(l.Data), damagedLeaf(l.Data)})
			if err != nil {
				return err
			}
			line = string(harmless(b))
		} else {
			line = tailLine(l, isTerminal(out))
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// numberedLeaf is a line of --json.
type numberedLeaf struct {
	Seq     int64  `json:"seq"`
	Leaf    any    `json:"leaf,omitempty"`
	Damaged []byte `json:"damaged,omitempty"`
}

// rawLeaf is a leaf as JSON, as it was hashed; nil where it is none any more.
func rawLeaf(data []byte) any {
	if _, err := audit.Decode(data); err != nil && !json.Valid(data) {
		return nil
	}
	return json.RawMessage(data)
}

func damagedLeaf(data []byte) []byte {
	if rawLeaf(data) != nil {
		return nil
	}
	return data
}

const tailFormat = "%8s  %-20s  %-13s  %-10s  %s"

var tailHeader = fmt.Sprintf(tailFormat, "LEAF", "TIME", "TYPE", "CLIENT", "WHAT")

// tailLine is a leaf in one line for people.
func tailLine(l journal.Leaf, narrow bool) string {
	seq := strconv.FormatInt(l.Seq, 10)
	leaf, err := audit.Decode(l.Data)
	if err != nil {
		return fmt.Sprintf(tailFormat, seq, "", "", "", err)
	}
	most := 1000
	if narrow {
		most = 160
	}
	return fmt.Sprintf(tailFormat, seq, leaf.Time.Format(time.RFC3339), leaf.Type, shown(leaf.Client, 40), shown(whatOf(leaf), most))
}

// whatOf says in a line what a leaf is about.
func whatOf(l audit.Leaf) string {
	var parts []string
	add := func(ok bool, format string, args ...any) {
		if ok {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(l.Job != "", "job %s", l.Job)
	add(l.Delivery != "", "delivery %s to %s, attempt %d", l.Delivery, l.Receiver, l.Attempt)
	add(l.Command != "", "%s", l.Command)
	add(len(l.Argv) > 0, "%q", l.Argv)
	add(l.Code != "", "%s", l.Code)
	add(len(l.Reasons) > 0, "because %s", strings.Join(l.Reasons, "; "))
	add(l.Plugin != "", "plugin %s", l.Plugin)
	add(l.Status != "", "%s", l.Status)
	if l.ExitCode != nil {
		add(true, "exit code %d", *l.ExitCode)
	}
	add(l.Signal != "", "signal %s", l.Signal)
	add(l.HTTPStatus != 0, "HTTP %d", l.HTTPStatus)
	add(l.Micros != 0, "in %v", time.Duration(l.Micros)*time.Microsecond)
	add(l.Reason != "", "%s", l.Reason)
	add(len(l.Grants) > 0, "granted by %s", strings.Join(l.Grants, ", "))
	add(l.Profile != "", "%s", l.Profile)
	add(l.Version != "", "version %s", l.Version)
	add(l.Count != 0, "%s jobs", humanize.Comma(l.Count))
	if signed, err := audit.Unverified(l.Checkpoint); err == nil {
		add(true, "of the leaves before %d", signed.Size)
	}
	for _, name := range slices.Sorted(maps.Keys(l.Activated)) {
		add(true, "%s %s", name, l.Activated[name])
	}
	return strings.Join(parts, ", ")
}
