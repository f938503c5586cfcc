package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// newCallbacksCommand holds the commands about the callbacks of a gateway.
func newCallbacksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "callbacks",
		Short: "List callbacks, and have them delivered again",
		Long: `Callbacks shows what a gateway has to deliver, has delivered, and has given up. It calls the gateway on its Unix socket, as
the user who calls it: a client with the scheme peercred has to list that user; or over a network, signed (see sidegate run). A client sees the callbacks of its own jobs,
and one with the role operator all of them. Of where a callback goes only scheme, host and port are shown.

The socket is named with --url or in SIDEGATE_URL; without either it is ` + systemSocket + `.

Exit codes: 0 when all that was asked for was done; 1 when something was not, and standard error says what; 130 or 143 when
SIGINT or SIGTERM stopped it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCallbacksListCommand(), newCallbacksRetryCommand())
	return cmd
}

// A delivery is what a gateway says of a callback. Members that this version does not know stay in raw.
type delivery struct {
	DeliveryID  string     `json:"delivery_id"`
	JobID       string     `json:"job_id"`
	Client      string     `json:"client"`
	State       string     `json:"state"`
	Destination string     `json:"destination"`
	Attempts    int        `json:"attempts"`
	CreatedAt   *time.Time `json:"created_at"`
	NextAt      *time.Time `json:"next_at"`
	SettledAt   *time.Time `json:"settled_at"`
	StatusCode  int        `json:"status_code"`
	LastError   string     `json:"last_error"`

	raw json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *delivery) UnmarshalJSON(text []byte) error {
	type plain delivery
	if err := json.Unmarshal(text, (*plain)(d)); err != nil {
		return err
	}
	d.raw = append(json.RawMessage(nil), text...)
	return nil
}

// stateCell is the state, in red where the callback was given up.
func (d *delivery) stateCell() cell {
	c := plainly(printable(d.State))
	switch {
	case d.State == "dead":
		c.colour = red
	case d.State == "pending" && d.Attempts > 0:
		c.colour = yellow
	}
	return c
}

// why is what came of the last attempt.
func (d *delivery) why() string {
	switch {
	case d.LastError != "":
		return oneLine(d.LastError)
	case d.State == "delivered" || d.Attempts == 0:
		return ""
	case d.StatusCode != 0:
		return "the receiver answered " + strconv.Itoa(d.StatusCode)
	}
	return "no answer"
}

// outbox is what one `sidegate callbacks list` shows.
type outbox struct {
	native
	state                    *choice
	client, job, destination string
	limit                    int
	quiet                    bool
}

func newCallbacksListCommand() *cobra.Command {
	o := outbox{state: &choice{"", []string{"pending", "delivered", "dead"}}}
	cmd := &cobra.Command{
		Use:     "list [flags]",
		Aliases: []string{"ls"},
		Short:   "List callbacks, the newest first",
		Long: `List shows callbacks, the newest first: ID, state, attempts made, when the job ended, when the next attempt is due, where it
goes, the job, and what came of the last attempt. Why there was no answer, operators alone are told. pending waits for its
next attempt, delivered was acknowledged, and dead was given up: sidegate callbacks retry has it delivered again.

With --json it prints one line of JSON for each callback, as GET /v1/callbacks has it.`,
		Example: `  sidegate callbacks list --state pending
  sidegate callbacks list --job 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate callbacks list --destination http://172.17.0.1:8088 --limit 0 --json
  sidegate callbacks retry $(sidegate callbacks list -q --state dead --limit 0)`,
		Args: noArgs,
		RunE: o.run,
	}
	f := cmd.Flags()
	f.Var(o.state, "state", "only callbacks in this state")
	f.StringVar(&o.client, "client", "", "only callbacks of this client's jobs")
	f.StringVar(&o.job, "job", "", "only the callback of this job")
	f.StringVar(&o.destination, "destination", "", "only callbacks to this scheme, host and port, such as http://172.17.0.1:8088")
	f.IntVar(&o.limit, "limit", 50, "how many at most; 0 for all")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print IDs only")
	o.bind(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "quiet")
	return cmd
}

func (o *outbox) run(cmd *cobra.Command, _ []string) error {
	for _, name := range []string{"client", "job", "destination"} {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "" {
			return fmt.Errorf("--%s is empty", name)
		}
	}
	if err := o.connect(cmd); err != nil {
		return err
	}
	defer o.close()
	query, err := o.query(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	list := table{head: []string{"CALLBACK", "STATE", "ATTEMPTS", "CREATED", "NEXT", "DESTINATION", "JOB", "LAST ATTEMPT"}, narrow: 60}
	more, err := limited(o.deliveryPages(cmd.Context(), query), o.limit, func(d *delivery) error {
		switch {
		case o.json:
			return printLine(out, d.raw)
		case o.quiet:
			_, err := fmt.Fprintln(out, printable(d.DeliveryID))
			return err
		}
		list.add(plainly(printable(d.DeliveryID)), d.stateCell(), plainly(strconv.Itoa(d.Attempts)), plainly(when(out, d.CreatedAt)), plainly(when(out, d.NextAt)),
			plainly(printable(d.Destination)), plainly(printable(d.JobID)), plainly(d.why()))
		return nil
	})
	if !o.json && !o.quiet {
		err = errors.Join(list.print(out), err)
	}
	if err == nil && more && isTerminal(out) {
		fmt.Fprintf(o.notes, "sidegate: these are the newest %d; --limit 0 shows all\n", o.limit)
	}
	return err
}

// query is what the gateway is asked.
func (o *outbox) query(ctx context.Context) (url.Values, error) {
	q := url.Values{}
	if o.job != "" {
		id, err := o.jobID(ctx, o.job)
		if err != nil {
			return nil, fmt.Errorf("--job %s: %w", shown(o.job, idLength), err)
		}
		q.Set("job", id)
	}
	for name, value := range map[string]string{"state": o.state.value, "client": o.client, "destination": o.destination} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q, pageSize(q, o.limit)
}

func (o *outbox) deliveryPages(ctx context.Context, query url.Values) iter.Seq2[[]*delivery, error] {
	return pagesOf(ctx, &o.native, "/v1/callbacks", query, 0, func(text []byte) ([]*delivery, string, error) {
		var page struct {
			Callbacks []*delivery `json:"callbacks"`
			Next      string      `json:"next"`
		}
		err := json.Unmarshal(text, &page)
		return page.Callbacks, page.Next, err
	})
}

func newCallbacksRetryCommand() *cobra.Command {
	var n native
	cmd := &cobra.Command{
		Use:   "retry CALLBACK...",
		Short: "Have callbacks delivered now",
		Long: `Retry makes callbacks due at once that wait for their next attempt or were given up. They get all their attempts and their time
anew, and keep their ID, by which a receiver knows one that it has taken already. What was delivered is not delivered again:
its message is not kept.`,
		Example: `  sidegate callbacks retry 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd
  sidegate callbacks retry $(sidegate callbacks list -q --state dead --destination http://172.17.0.1:8088 --limit 0)`,
		Args: someArguments("a callback", "sidegate callbacks retry 0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := n.connect(cmd); err != nil {
				return err
			}
			defer n.close()
			return eachOf(args, func(name string) error { return n.retry(cmd, name) })
		},
	}
	n.bind(cmd)
	return cmd
}

func (n *native) retry(cmd *cobra.Command, name string) error {
	id, err := idOf(name)
	if err != nil {
		return err
	}
	d := new(delivery)
	if _, err := n.ask(cmd.Context(), http.MethodPost, "/v1/callbacks/"+id+"/retry", nil, d); err != nil {
		return err
	}
	if n.json {
		return printLine(cmd.OutOrStdout(), d.raw)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  due now, to %s\n", id, printable(d.Destination))
	return err
}
