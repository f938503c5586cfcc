package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// logs is what one `sidegate jobs logs` prints.
type logs struct {
	native
	follow bool
	stream *choice
}

func newJobsLogsCommand() *cobra.Command {
	l := logs{stream: &choice{"both", []string{"both", "stdout", "stderr"}}}
	cmd := &cobra.Command{
		Use:   "logs [-f] JOB",
		Short: "Print the output of a job",
		Long: `Logs prints the output of a job byte for byte: what the command wrote to standard output goes to standard output, and what it
wrote to standard error to standard error. Of a job that runs it prints what there is so far, and with -f what comes until
the command ends. Where the gateway has not kept the middle of a long output, a line says how many bytes are left out.

With -f a connection that is lost is made again, and goes on where it was; standard error says so. Ctrl-C ends the
following and not the job. The two streams come each in its own order; which line of one was written before which line of
the other is not known.

Exit codes: 0 when the output was printed to its end, whatever the command's exit code is (sidegate jobs show has it); 1 when
it was not; 130 or 143 when SIGINT or SIGTERM stopped it.`,
		Example: `  sidegate jobs logs 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate jobs logs -f 0198c2d2-3f9a
  sidegate jobs logs --stream stdout 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd > backup.tar`,
		Args: oneArgument("a job", "sidegate jobs logs 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"),
		RunE: l.run,
	}
	l.bindReach(cmd)
	cmd.Flags().BoolVarP(&l.follow, "follow", "f", false, "print what comes, until the command ends")
	cmd.Flags().Var(l.stream, "stream", "which output to print")
	return cmd
}

func (l *logs) run(cmd *cobra.Command, args []string) error {
	if err := l.connect(cmd); err != nil {
		return err
	}
	defer l.close()
	id, err := l.jobID(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if l.follow {
		return l.followBoth(cmd, id)
	}
	running := false
	for _, s := range l.streams(cmd) {
		complete, err := l.print(cmd.Context(), id, s)
		if err != nil {
			return err
		}
		running = running || !complete
	}
	if running {
		fmt.Fprintln(l.notes, "sidegate: the job has not ended, and this is what there is so far; -f prints what comes")
	}
	return nil
}

// A sink is one of a command's outputs and where it goes.
type sink struct {
	name string
	to   io.Writer
}

func (l *logs) streams(cmd *cobra.Command) (wanted []sink) {
	for _, s := range []sink{{"stdout", cmd.OutOrStdout()}, {"stderr", cmd.ErrOrStderr()}} {
		if l.stream.value == "both" || l.stream.value == s.name {
			wanted = append(wanted, s)
		}
	}
	return wanted
}

// print prints what there is of an output, and tells whether that is all that there will be.
func (l *logs) print(ctx context.Context, id string, s sink) (complete bool, err error) {
	resp, err := l.do(ctx, http.MethodGet, "/v1/jobs/"+id+"/output/"+s.name, nil)
	if refused := new(refusal); errors.As(err, &refused) && refused.Reason == "output_held" {
		return false, errors.New("the output goes through a plugin, and is held until the command has ended; -f waits for it")
	}
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(s.to, resp.Body)
	if err != nil {
		return false, fmt.Errorf("%s was cut off after %d bytes: %w", s.name, n, err)
	}
	complete = resp.Header.Get("Sidegate-Complete") != "false"
	if !complete && resp.Trailer.Get("Sidegate-Truncated") == "true" {
		fmt.Fprintf(l.notes, "sidegate: %s is longer than the gateway keeps, and its middle is missing\n", s.name)
	}
	return complete, nil
}

// followBoth prints outputs until the command ends.
func (l *logs) followBoth(cmd *cobra.Command, id string) error {
	j, err := l.job(cmd.Context(), id)
	if err != nil {
		return err
	}
	tell := &teller{to: l.notes}
	if j.Status == "accepted" {
		tell.say("the job waits for its turn")
	}
	both, ctx := errgroup.WithContext(cmd.Context())
	for _, s := range l.streams(cmd) {
		f := follower{native: &l.native, job: id, sink: s, tell: tell, pauses: followPauses}
		both.Go(func() error { return f.follow(ctx) })
	}
	err = both.Wait()
	switch {
	case cmd.Context().Err() != nil:
		return fmt.Errorf("this has no effect on the job; to follow it again: sidegate jobs logs -f %s", id)
	case err != nil:
		return err
	}
	return l.lastWords(cmd.Context(), id)
}

// lastWords says how a job ended whose output may not be all that it wrote, and on a terminal how any other did.
func (l *logs) lastWords(ctx context.Context, id string) error {
	j, err := l.job(ctx, id)
	switch {
	case err != nil || !j.ended(): // its output has ended, and that is what was asked for
		return nil
	case j.Status == "interrupted":
		fmt.Fprintln(l.notes, "sidegate: the gateway ended before the command did, so its output is not whole (status interrupted)")
	case isTerminal(l.notes) && j.stateCell().colour == red:
		fmt.Fprintf(l.notes, "sidegate: the job has ended: %s\n", j.state())
	}
	return nil
}

// followPauses are those between tries to connect again: they last longer than a gateway takes to restart.
var followPauses = []time.Duration{
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second,
}
