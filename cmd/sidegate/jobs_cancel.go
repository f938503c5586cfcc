package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func newJobsCancelCommand() *cobra.Command {
	var n native
	cmd := &cobra.Command{
		Use:   "cancel JOB...",
		Short: "End jobs, with everything that they have started",
		Long: `Cancel ends jobs. One that runs gets SIGTERM and, some seconds later, SIGKILL, with all processes that it has started; one that waits
never starts. Each has then the status killed, and its callback says so. One that has ended stays as it is, and that is no error.

It does not wait for the end: sidegate jobs logs -f does.`,
		Example: `  sidegate jobs cancel 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate jobs cancel $(sidegate jobs list -q --client func --status accepted,running --limit 0)`,
		Args: someArguments("a job", "sidegate jobs cancel 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := n.connect(cmd); err != nil {
				return err
			}
			defer n.close()
			return eachOf(args, func(name string) error { return n.cancel(cmd, name) })
		},
	}
	n.bind(cmd)
	return cmd
}

func (n *native) cancel(cmd *cobra.Command, name string) error {
	id, err := n.jobID(cmd.Context(), name)
	if err != nil {
		return err
	}
	was := new(job)
	status, err := n.ask(cmd.Context(), http.MethodDelete, "/v1/jobs/"+id, nil, was)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case n.json:
		err = printLine(out, was.raw)
	case status == http.StatusAccepted:
		_, err = fmt.Fprintf(out, "%s  cancelled\n", id)
	case was.ended():
		_, err = fmt.Fprintf(out, "%s  had ended: %s\n", id, was.state())
	}
	if err == nil && status != http.StatusAccepted && !was.ended() {
		err = errors.New("it does not run any more, and its end is not on record yet: look at the gateway's disk and its log")
	}
	return err
}
