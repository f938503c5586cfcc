package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/internal/shell"
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

With --config, the policies are those that its gateway would use: policy.paths, and the remote bundles as the gateway keeps
them in its state directory, which must be on this host and readable; no server is asked. Where the configuration is in
observe mode, a gateway runs what the policy denies all the same until policy.observe_until, and the answer says so.

Exit codes: 0 when policy and configuration allow the call; 2 when one of them does not, in observe mode too; 1 when there
is no answer.`,
		Example: `  sidegate policy explain --policies policies -- ls -l /srv
  sidegate policy explain --policies policies --role deployer --workdir /srv/app -- 'git pull --ff-only && systemctl restart app'
  sidegate policy explain --config /etc/sidegate/sidegate.yaml --client func --json -- uptime
  sidegate policy explain --policies policies --trace=fails -- rm -rf /srv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no command: write it behind --, as in: sidegate policy explain --policies policies -- uptime")
			}
			return nil
		},
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
	asked, err := o.open(cmd.Context())
	if err != nil {
		return cannotLoad(cmd, err)
	}
	defer asked.Close(cmd.Context())
	answer, err := asked.Explain(cmd.Context(), daemon.Call{
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
	e := newExplanation(answer, asked)
	told, err := authoring.Explain(cmd.Context(), asked.Paths(), input, asked.builtins)
	e.tell(told, err)
	e.locate(asked)
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

func (o *explaining) writeTrace(ctx context.Context, w io.Writer, asked *gate, input []byte) error {
	if o.trace.value == "" {
		return nil
	}
	var trace bytes.Buffer
	// That the policy fails has been said already: the trace shows where.
	_, _ = authoring.Eval(ctx, asked.Paths(), "data.sidegate.decision", input, authoring.EvalOptions{
		Trace: &trace, Explain: o.trace.value, Prints: w, AllowBuiltins: asked.builtins,
	})
	_, err := w.Write(trace.Bytes())
	return err
}
