package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/history"
	"github.com/sidegate/sidegate/policy/authoring"
)

// exitTurned is the exit code of `sidegate policy replay` where something that was denied would be allowed.
const exitTurned = 1

// replaying is what one `sidegate policy replay` does.
type replaying struct {
	auditedRequests
	candidate policyPaths
	roles     []string // CLIENT=ROLE
	emit      string
	json      bool
}

func newPolicyReplayCommand() *cobra.Command {
	var r replaying
	cmd := &cobra.Command{
		Use:   "replay --policies CANDIDATE [flags]",
		Short: "Show what other policies would have decided on the requests of the audit",
		Long: fmt.Sprintf(`Replay takes the requests that a gateway's policy decided from its audit, and asks a candidate about each: policies that
are not in force yet. It reads beside a gateway that runs, or without one; it changes nothing and runs nothing.

The policy of the configuration is asked first. Where it does not give the recorded answer again, the event is not
reproducible and says nothing of the candidate; how many these are, and why, stands at the top. What follows is what would
change: what was denied and would be allowed, what was allowed and would be denied, what would be held by weaker
obligations, and where reasons or grants would be others; by client and command, each with its shortest request.

CANDIDATE stands for all policies of the configuration, so it has to be whole. Clients have the roles that they had then,
and under the candidate those of --with-role too. Requests are those that are stored with jobs, and input.request.time is the
time of the event. Identical ones are looked at once, and counted. At most --limit distinct requests are looked at (default
%d).

With --emit-tests, what would change is written as tests that pass with the candidate, with whole inputs: environment
values too. The file is for its owner only, and none is written over.

Exit codes: 0 when nothing that was denied would be allowed; 1 when something would, in observe mode or not, and when there
is no answer, which is then said: no event could be reproduced, policies do not compile; 130 or 143 when SIGINT or SIGTERM
stopped it.`, defaultAuditedLimit),
		Example: `  sidegate policy replay --config /etc/sidegate/sidegate.yaml --policies ./candidate
  sidegate policy replay --policies ./candidate --since 14d --client func
  sidegate policy replay --policies ./candidate --json
  sidegate policy replay --policies ./candidate --emit-tests ./candidate/sidegate/replayed_test.rego`,
		Args: noArgs,
		RunE: r.run,
	}
	r.bind(cmd)
	r.candidate.bind(cmd)
	r.candidate.bindBuiltins(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&r.roles, "with-role", nil, "CLIENT=ROLE: a role that the client would have too, with the candidate; may be repeated")
	f.StringVar(&r.emit, "emit-tests", "", "write what would change as tests to this new file, NAME_test.rego")
	f.BoolVar(&r.json, "json", false, "print JSON")
	return cmd
}

func (r *replaying) run(cmd *cobra.Command, _ []string) error {
	ctx := cmd.Context()
	paths, err := r.candidate.with(nil)
	if err != nil {
		return err
	}
	if r.emit != "" && !strings.HasSuffix(r.emit, "_test.rego") {
		return fmt.Errorf("--emit-tests %s: tests are in files whose names end in _test.rego", r.emit)
	}
	asked, err := r.query(time.Now())
	if err != nil {
		return err
	}
	c, err := r.load()
	if err != nil {
		return err
	}
	report, err := r.replay(ctx, c, paths, asked, cmd.ErrOrStderr())
	if err != nil {
		return cannotLoad(cmd, err)
	}
	if r.json {
		err = printJSON(cmd.OutOrStdout(), report)
	} else {
		err = printReplay(cmd.OutOrStdout(), report)
	}
	if err == nil && r.emit != "" {
		err = r.emitTests(cmd, paths, slices.Concat(c.Policy.AllowBuiltins, r.candidate.allow), report)
	}
	switch {
	case err != nil:
		return err
	case len(report.Allowed) > 0:
		return &exitError{code: exitTurned}
	case report.Coverage.Reproducible == 0:
		return errors.New("no event could be reproduced, so nothing is known of the candidate")
	}
	return nil
}

// replay loads both policies and asks them.
func (r *replaying) replay(ctx context.Context, c *config.Config, paths []string, asked history.Query, w io.Writer) (*history.Report, error) {
	configured, err := r.explainer(ctx, c, nil)
	if err != nil {
		return nil, fmt.Errorf("the configured policy: %w", err)
	}
	defer configured.Close(ctx)
	other := *c
	other.Policy.AllowBuiltins = slices.Concat(c.Policy.AllowBuiltins, r.candidate.allow)
	candidate, err := r.explainer(ctx, &other, paths)
	if err != nil {
		return nil, err
	}
	defer candidate.Close(ctx)
	roles, err := rolesByClient(r.roles)
	if err != nil {
		return nil, err
	}
	asked.Apart = configured.Distinguishes() != "" || candidate.Distinguishes() != ""
	found, err := r.read(ctx, c, asked, w)
	if err != nil {
		return nil, err
	}
	defer progress(w, "")
	return history.Replay(ctx, configured, history.WithRoles(candidate, roles), found, func(n int) {
		if n%50 == 0 {
			progress(w, "%d of %d requests …", n, len(found.Distinct))
		}
	})
}

// rolesByClient reads flags CLIENT=ROLE.
func rolesByClient(flags []string) (map[string][]string, error) {
	roles := map[string][]string{}
	for _, given := range flags {
		client, role, ok := strings.Cut(given, "=")
		if !ok || client == "" || role == "" {
			return nil, fmt.Errorf("--with-role %s: want CLIENT=ROLE", given)
		}
		roles[client] = append(roles[client], role)
	}
	return roles, nil
}

// emitTests writes what would change as tests.
func (r *replaying) emitTests(cmd *cobra.Command, paths, builtins []string, report *history.Report) error {
	var cases []authoring.Case
	for _, part := range replayParts(report) {
		for i := range part.changes {
			c := &part.changes[i]
			cases = append(cases, authoring.Case{
				Name:  strings.Join([]string{part.name, c.Client, c.Command}, " "),
				About: []string{fmt.Sprintf("%s: %s of client %s for %s, such as this one of %s.", part.title, count(int(c.Events), "event"), c.Client, c.Command, c.Example.Time.Format(time.RFC3339))},
				Input: c.After.Input, Keys: part.keys,
			})
		}
	}
	if len(cases) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "nothing would change, so there is nothing to write to %s\n", r.emit)
		return nil
	}
	name := strings.TrimSuffix(filepath.Base(r.emit), "_test.rego")
	about := []string{"What sidegate policy replay found to change. The inputs are those of requests that were made, environment values included."}
	content, err := authoring.Tests(cmd.Context(), paths, name, about, cases, builtins)
	if err != nil {
		return fmt.Errorf("--emit-tests: %w", err)
	}
	out, err := openOutput(cmd, r.emit)
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s written to %s\n", count(len(cases), "test"), r.emit)
	return nil
}
