package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/history"
	"github.com/sidegate/sidegate/internal/shell"
)

// suggesting is what one `sidegate policy suggest` does.
type suggesting struct {
	auditedRequests
	role, out          string
	denied, generalize bool
	json               bool
}

func newPolicySuggestCommand() *cobra.Command {
	var s suggesting
	cmd := &cobra.Command{
		Use:   "suggest [flags]",
		Short: "Write roles that allow what ran in observe mode",
		Long: fmt.Sprintf(`Suggest takes the requests that ran in observe mode although the policy denies them, and writes roles, as data of the
shipped library, that allow them and nothing else: each command in the very words that were seen, with the directories,
variables and callbacks that it had. One test for each grant is written beside them.

The output is proven before it is written: everything that is counted as covered is allowed with it, no request that was
denied becomes allowed, the tests pass, and the policies pass sidegate policy check. What cannot be proven, or what no
role can allow, is left out, and told with the reason. It reads beside a gateway that runs, and changes none of its files.

A path may be read, with everything below it: whether a command writes is not in an audit. A command that was called in
forms that do not go together has one form in each of several roles. With --generalize, words that stood at the same place go
together, a path stands for all that is in its directory, and a variable of many values may have any.

Each client gets roles of its own, so that none may do what another did: give them to it in the configuration. At most
--limit distinct requests are looked at (default %d).

Exit codes: 0 when something was written, or everything is allowed already; 2 when there is something to allow, and nothing
of it could be; 1 when there is no answer; 130 or 143 when SIGINT or SIGTERM stopped it.`, defaultAuditedLimit),
		Example: `  sidegate policy suggest --config /etc/sidegate/sidegate.yaml --role web --out ./suggested
  sidegate policy suggest --since 14d --client func --generalize
  sidegate policy suggest --denied --json`,
		Args: noArgs,
		RunE: s.run,
	}
	s.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&s.role, "role", "observed", "name of the new role; with several clients, the client's name is added")
	f.StringVarP(&s.out, "out", "o", "suggested", "new directory to write to")
	f.BoolVar(&s.denied, "denied", false, "for requests that were denied too")
	f.BoolVar(&s.generalize, "generalize", false, "allow more than was seen: words at the same place go together, and paths stand for their directories")
	f.BoolVar(&s.json, "json", false, "print JSON")
	return cmd
}

func (s *suggesting) run(cmd *cobra.Command, _ []string) (err error) {
	asked, err := s.query(time.Now())
	if err != nil {
		return err
	}
	if _, err := os.Lstat(s.out); err == nil {
		return fmt.Errorf("%s exists already: choose another directory with --out, or remove it", s.out)
	}
	c, err := s.load()
	if err != nil {
		return err
	}
	// It is made beside its place, and gets there whole or not at all.
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Clean(s.out)), ".suggested-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	found, err := s.suggest(cmd.Context(), c, asked, dir, cmd.ErrOrStderr())
	if err != nil {
		return cannotLoad(cmd, err)
	}
	if len(found.Files) > 0 {
		if err := os.Rename(dir, s.out); err != nil {
			return err
		}
	}
	if s.json {
		err = printJSON(cmd.OutOrStdout(), found)
	} else {
		err = s.print(cmd.OutOrStdout(), c, found)
	}
	if err == nil && len(found.Files) == 0 && found.Wanted > 0 {
		err = &exitError{code: exitNo}
	}
	return err
}

func (s *suggesting) suggest(ctx context.Context, c *config.Config, asked history.Query, dir string, w io.Writer) (*history.Suggestion, error) {
	configured, err := s.explainer(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	defer configured.Close(ctx)
	found, err := s.read(ctx, c, asked, w)
	if err != nil {
		return nil, err
	}
	defer progress(w, "")
	progress(w, "proving …")
	return history.Suggest(ctx, configured, found, history.SuggestOptions{
		Role: s.role, Denied: s.denied, Generalize: s.generalize, Builtins: c.Policy.AllowBuiltins, Dir: dir, Paths: configured.Paths(),
		Load: func(ctx context.Context, paths []string) (history.Policies, func(), error) {
			candidate, err := s.explainer(ctx, c, paths)
			if err != nil {
				return nil, nil, err
			}
			return candidate, func() { candidate.Close(ctx) }, nil
		},
	})
}

func (s *suggesting) print(w io.Writer, c *config.Config, found *history.Suggestion) error {
	fmt.Fprintf(w, "%s to allow, of which %s would be; %s allowed already by now; %s stay denied\n",
		count(int(found.Wanted), "event"), humanize.Comma(found.Covered), humanize.Comma(found.Already), humanize.Comma(found.Denials))
	if len(found.Refused) > 0 {
		fmt.Fprintf(w, "\n%s\n", painted(w, cell{"not covered", yellow}))
		t := table{head: []string{"EVENTS", "DISTINCT", "CLIENT", "COMMAND", "SHORTEST REQUEST, AND WHY NOT"}, narrow: 20}
		for _, u := range found.Refused {
			addExample(&t, u.Events, u.Distinct, u.Client, u.Command, u.Example, u.Why)
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	if len(found.Files) == 0 {
		_, err := fmt.Fprintln(w, "\nnothing was written")
		return err
	}
	fmt.Fprintf(w, "\nwritten to %s: %s of commands, and %s that pass\n", s.out, count(found.Grants, "grant"), count(found.Tests, "test"))
	for _, name := range found.Files {
		fmt.Fprintf(w, "  %s\n", name)
	}
	policies := "POLICIES"
	if dirs := slices.DeleteFunc(slices.Clone(c.Policy.Paths), notDirectory); len(dirs) > 0 {
		policies = dirs[0]
	}
	fmt.Fprint(w, "\nnext: read what was written, and take out what this caller should not be able to do. Then\n")
	fmt.Fprintf(w, "  cp -r %s candidate && cp -r %s/sidegate candidate/\n", policies, s.out)
	fmt.Fprint(w, "  sidegate policy check candidate && sidegate policy test candidate\n")
	fmt.Fprintf(w, "  sidegate policy replay --config %s --policies candidate%s\n", s.config, withRoles(found.Roles))
	fmt.Fprintf(w, "  cp -r %s/sidegate %s/\n", s.out, policies)
	fmt.Fprintf(w, "and give these roles to the clients in %s, beside those that they have:\n", s.config)
	for _, client := range slices.Sorted(maps.Keys(found.Roles)) {
		fmt.Fprintf(w, "  %s: roles: [%s]\n", shown(client, 60), strings.Join(found.Roles[client], ", "))
	}
	return nil
}

// withRoles are the flags that have policy replay know of roles that clients do not have yet.
func withRoles(roles map[string][]string) string {
	var flags strings.Builder
	for _, client := range slices.Sorted(maps.Keys(roles)) {
		for _, role := range roles[client] {
			quoted, err := shell.Quote([]string{client + "=" + role})
			if err == nil {
				flags.WriteString(" --with-role " + quoted)
			}
		}
	}
	return flags.String()
}

func notDirectory(path string) bool {
	info, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()
}
