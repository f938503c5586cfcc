package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// explaining is what one `sidegate policy explain` does.
type explaining struct {
	offline
	workdir, callback string
	env               []string
	noWait, json      bool
	trace             choice
}

func newPolicyExplainCommand() *cobra.Command {
	o := explaining{trace: choice{"", []string{"full", "notes", "fails", "debug"}}}
	cmd := &cobra.Command{
		Use:   "explain [flags] -- COMMAND [ARGUMENT]...",
		Short: "Show how a command is read and decided, and why",
		Long: `Explain takes a call through the decoding, the analysis and the decision of a gateway, and runs nothing. It prints the
commands that the call would run as a tree, each with the grants that cover it or with the reasons against it; then the
decision, and how the command would run.

Arguments are taken as sidegate run takes them: a single one is a command line as it is. A working directory that does not
exist is taken as it is, and noted: a gateway would refuse the call.

Exit codes: 0 when a gateway would accept the call; 2 when it would not; 1 when there is no answer.`,
		Example: `  sidegate policy explain --policies policies -- ls -l /srv
  sidegate policy explain --policies policies --role deployer --workdir /srv/app -- 'git pull --ff-only && systemctl restart app'
  sidegate policy explain --config /etc/sidegate/sidegate.yaml --client func --json -- uptime
  sidegate policy explain --policies policies --trace=fails -- rm -rf /srv`,
		Args: cobra.MinimumNArgs(1),
		RunE: o.run,
	}
	o.bind(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&o.workdir, "workdir", "", "directory to run in; without it a private empty one")
	f.StringArrayVar(&o.env, "env", nil, "environment variable KEY=VALUE; may be repeated")
	f.StringVar(&o.callback, "callback", "", "URL that would get the output")
	f.BoolVar(&o.noWait, "no-wait", false, "as a caller that does not wait for the result")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.Var(&o.trace, "trace", "write OPA's trace, or a part of it, to standard error")
	f.Lookup("trace").NoOptDefVal = "full"
	return cmd
}

func (o *explaining) run(cmd *cobra.Command, args []string) error {
	command := args[0]
	var err error
	if len(args) > 1 {
		if command, err = shell.Quote(args); err != nil {
			return err
		}
	}
	env, err := environment(o.env)
	if err != nil {
		return err
	}
	explainer, asked, err := o.open(cmd.Context())
	if err != nil {
		return cannotLoad(cmd, err)
	}
	defer explainer.Close(cmd.Context())
	answer, err := explainer.Explain(cmd.Context(), daemon.Call{
		Command: command, Workdir: o.workdir, Env: env, Callback: o.callback, NoWait: o.noWait, Client: asked.client,
	})
	if err != nil {
		return err
	}
	input, err := json.Marshal(answer.Input)
	if err != nil {
		return err
	}
	if err := o.writeTrace(cmd.Context(), cmd.ErrOrStderr(), asked, input); err != nil {
		return err
	}
	covered, err := authoring.Covered(cmd.Context(), asked.paths, input, asked.builtins)
	if err != nil {
		return err
	}
	e := newExplanation(answer, covered)
	if o.json {
		err = printJSON(cmd.OutOrStdout(), e)
	} else {
		err = e.print(cmd.OutOrStdout())
	}
	if err == nil && !e.Allowed {
		err = &exitError{code: exitNo}
	}
	return err
}

func (o *explaining) writeTrace(ctx context.Context, w io.Writer, asked gate, input []byte) error {
	if o.trace.value == "" {
		return nil
	}
	var trace bytes.Buffer
	// That the policy fails has been said already: the trace shows where.
	_, _ = authoring.Eval(ctx, asked.paths, "data.sidegate.decision", input, authoring.EvalOptions{
		Trace: &trace, Explain: o.trace.value, Prints: w, AllowBuiltins: asked.builtins,
	})
	_, err := w.Write(trace.Bytes())
	return err
}

// explanation is the answer in the form that is printed.
type explanation struct {
	Command  string             `json:"command"`
	Allowed  bool               `json:"allowed"` // by the policy and by the configuration
	Class    string             `json:"class"`
	Features []string           `json:"features"`
	Commands []explainedCommand `json:"commands"`
	Reasons  []string           `json:"reasons"` // that are not about one command
	Refused  []string           `json:"refused"` // why the configuration refuses what the policy allows
	Notes    []string           `json:"notes"`
	Decision policy.Decision    `json:"decision"`
	Run      *explainedRun      `json:"run"` // null when nothing would run
	Input    policy.Input       `json:"input"`
}

// explainedCommand is one thing that the call would run.
type explainedCommand struct {
	ID      int      `json:"id"`
	Parent  int      `json:"parent"`
	Kind    string   `json:"kind"`
	Text    string   `json:"text"`
	Program string   `json:"program"` // "" when the host has none, or when that is not known
	Facts   []string `json:"facts"`
	Grants  []string `json:"grants"` // that cover it
	Reasons []string `json:"reasons"`
}

// aboutCommand matches a reason that is about one command, by the library's convention.
var aboutCommand = regexp.MustCompile(`^command (\d+)\b`)

func newExplanation(answer daemon.Explanation, covered map[int][]string) *explanation {
	s := answer.Input.Shell
	e := &explanation{
		Command: answer.Input.Request.Command, Allowed: answer.Decision.Allow && len(answer.Refused) == 0,
		Class: s.Class, Features: []string{}, Commands: []explainedCommand{}, Reasons: []string{}, Notes: []string{},
		Refused: append([]string{}, answer.Refused...), Decision: answer.Decision, Run: runOf(answer), Input: answer.Input,
	}
	for feature := range s.Features {
		e.Features = append(e.Features, feature)
	}
	slices.Sort(e.Features)
	for _, c := range s.Commands {
		e.Commands = append(e.Commands, explainCommand(c, covered[c.ID]))
	}
	for _, reason := range answer.Decision.Reasons {
		e.place(reason)
	}
	if answer.Decision.Fault != "" {
		e.Notes = append(e.Notes, "the policy failed to answer: "+answer.Decision.Fault)
	}
	if answer.Imagined {
		e.Notes = append(e.Notes, fmt.Sprintf("%s is no directory on this host, so a gateway here refuses the call even where the policy allows it", answer.Input.Request.Workdir))
	}
	return e
}

// place puts a reason to the command that it is about.
func (e *explanation) place(reason string) {
	if m := aboutCommand.FindStringSubmatch(reason); m != nil {
		if id, err := strconv.Atoi(m[1]); err == nil && id < len(e.Commands) {
			e.Commands[id].Reasons = append(e.Commands[id].Reasons, reason)
			return
		}
	}
	e.Reasons = append(e.Reasons, reason)
}

func explainCommand(c policy.Command, grants []string) explainedCommand {
	e := explainedCommand{ID: c.ID, Parent: c.Parent, Kind: c.Kind, Text: commandText(c), Facts: []string{}, Grants: append([]string{}, grants...), Reasons: []string{}}
	if c.ResolvedPath != nil {
		e.Program = *c.ResolvedPath
	}
	if c.Kind != "simple" {
		e.Facts = append(e.Facts, c.Kind)
	}
	e.Facts = append(e.Facts, c.Context...)
	for _, wrapper := range c.Via {
		e.Facts = append(e.Facts, "run by "+wrapper)
	}
	if c.Opaque != nil {
		e.Facts = append(e.Facts, "opaque: "+*c.Opaque)
	}
	if !c.ArgsStatic && c.Opaque == nil {
		e.Facts = append(e.Facts, "not all words are known")
	}
	return e
}

// commandText is the command as it was written, with its assignments and redirects.
func commandText(c policy.Command) string {
	var words []string
	for _, a := range c.Assignments {
		words = append(words, a.Name+"="+a.Value.Raw)
	}
	for _, w := range c.Args {
		words = append(words, w.Raw)
	}
	for _, r := range c.Redirects {
		words = append(words, r.FD+r.Op+" "+r.Target.Raw)
	}
	if len(words) == 0 {
		words = []string{c.Name}
	}
	return strings.Join(words, " ")
}
