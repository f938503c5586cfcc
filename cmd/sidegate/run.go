package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/shell"
)

// Exit codes of `sidegate run` that are not the command's own, numbered as env, timeout and container tools do.
const (
	exitTimedOut = 124 // the command ran longer than it may
	exitFailed   = 125 // the call itself failed: no connection, no secret, a refused signature
	exitDenied   = 126 // the gateway refused to run the command
)

// maxReply bounds what is read of a reply, far above what a gateway keeps of a command's output unless told otherwise.
const maxReply = 256 << 20

// call is what one `sidegate run` sends, and to whom.
type call struct {
	native
	workdir  string
	env      []string
	labels   []string
	noWait   bool
	callback string
	dryRun   bool
	stdin    bool
	timeout  time.Duration
}

func newRunCommand() *cobra.Command {
	var c call
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT]...",
		Short: "Run a command through a gateway",
		Long: `Run has a gateway run a command, prints its output as it comes, byte for byte, and exits with the command's exit code.

One argument is taken as a command line as it is: 'df -h /srv'. Several arguments are quoted, so that the gateway sees
exactly these: df -h "/srv/my files".

It calls on a Unix socket, where the kernel says which user calls; or over a network, signed as --client with --key-file or
--secret-file. With a secret and no client it signs as the Func connector does: then the output comes when the command has
ended, and --stdin and --label are not to be had.

Ctrl-C cancels the command, and run waits for its end; a second Ctrl-C leaves at once, and the command goes on. A connection
that is lost is made again, and goes on at the byte where it was. The Func scheme has neither: there a command whose caller
leaves goes on.

Exit codes: the command's own, which is 128 and the signal's number where a signal ended it; 124 when its time was over; 125
when the call failed; 126 when the gateway refused to run the command; 130 or 143 when SIGINT or SIGTERM ended it here.`,
		Example: `  sidegate run -- uptime
  sidegate run --url https://gate.example.com --client deploy --key-file deploy.key -- systemctl restart web
  sidegate run --url http://127.0.0.1:8099 --secret-file func.secret --workdir /srv -- ls -l
  sidegate run --dry-run -- rm -rf /srv
  sidegate run --no-wait --callback http://172.17.0.1:8088/done -- du -sh /var/log`,
		Annotations: map[string]string{ownSignals: "it cancels the job"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &exitError{exitFailed, errors.New("no command: write it behind --, as in: sidegate run -- uptime")}
			}
			return nil
		},
		RunE: c.run,
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &exitError{exitFailed, misusedFlag(cmd, err)} })
	f := cmd.Flags()
	f.SetInterspersed(false)
	c.bindReach(cmd)
	f.StringVar(&c.workdir, "workdir", "", "directory to run in; without it a private empty one")
	f.StringArrayVar(&c.env, "env", nil, "environment variable KEY=VALUE; may be repeated")
	f.StringArrayVar(&c.labels, "label", nil, "label NAME=VALUE, to find the job by; may be repeated")
	f.BoolVar(&c.stdin, "stdin", false, "read standard input to its end, and give it to the command (UTF-8)")
	f.BoolVar(&c.noWait, "no-wait", false, "do not wait: print the job ID and leave")
	f.StringVar(&c.callback, "callback", "", "URL that gets the output when the command has ended")
	f.BoolVar(&c.dryRun, "dry-run", false, "ask for the decision only, and run nothing")
	f.BoolVar(&c.json, "json", false, "print the gateway's answer as JSON")
	f.DurationVar(&c.timeout, "timeout", 0, "how long the command may run, within what the gateway allows; with a Func secret: how long to wait for the reply")
	return cmd
}

func (c *call) run(cmd *cobra.Command, args []string) error {
	c.settle(cmd)
	funcScheme := c.secretFile != "" && !c.signs() && (!c.onSocket() || cmd.Flags().Changed("secret-file"))
	if c.url == "" && !funcScheme && !c.signs() {
		_ = c.findSocket()
	}
	if c.url == "" {
		c.url = defaultURL
	}
	c.notes = cmd.ErrOrStderr()
	if err := c.plausible(funcScheme); err != nil {
		return &exitError{exitFailed, err}
	}
	if funcScheme {
		return c.overFunc(cmd, args)
	}
	err := c.overNative(cmd, args)
	if errors.Is(err, errOtherScheme) {
		fmt.Fprintf(cmd.ErrOrStderr(), "sidegate: the gateway refuses a message signature of client %s; trying Func's scheme with the same secret, as without --client\n", printable(c.clientName))
		return c.overFunc(cmd, args)
	}
	return err
}

// errOtherScheme says that the secret may be one of the Func scheme.
var errOtherScheme = errors.New("the signature is refused")

// mayBeFunc tells whether the call can be made by the Func scheme too. Who names a client with that scheme, and its secret, has said all that is needed; a secret
// of another scheme signs nothing there that anybody takes.
func (c *call) mayBeFunc() bool {
	return c.secretFile != "" && c.keyFile == "" && !c.onSocket() && !c.stdin && len(c.labels) == 0
}

// plausible refuses what cannot be meant.
func (c *call) plausible(funcScheme bool) error {
	switch {
	case funcScheme && (c.stdin || len(c.labels) > 0):
		return errors.New("--stdin and --label need the native API: call on a Unix socket, or sign with --client")
	case !funcScheme && !c.signs() && !c.onSocket():
		return errors.New("no secret: give --secret-file, or set SIDEGATE_SECRET_FILE; or sign with --client and --key-file, or call on a Unix socket with --url unix:/path")
	case c.dryRun && c.noWait:
		return errors.New("--dry-run runs nothing, so there is nothing not to wait for: leave --no-wait out")
	case c.timeout < 0:
		return errors.New("--timeout must not be negative")
	}
	return nil
}

// commandLine is one argument as it is, or several quoted.
func commandLine(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	return shell.Quote(args)
}

// pairs reads KEY=VALUE of a flag.
func pairs(flag string, entries []string) (map[string]string, error) {
	all := map[string]string{}
	for _, entry := range entries {
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("--%s %s: want KEY=VALUE", flag, entry)
		}
		all[key] = value
	}
	return all, nil
}

// exitOf is the exit code of a result. A command that did not end by itself has failed, also if it said 0 when it was made
// to end.
func exitOf(status string, code int) error {
	switch {
	case status == "timed_out":
		return &exitError{code: exitTimedOut} // whatever ended it
	case code != 0:
		return &exitError{code: code}
	case status != "exited" && status != "accepted" && status != "answered":
		return &exitError{code: exitFailed}
	}
	return nil
}

// describe turns a refusal into what a person reads.
func describe(message, decision string) error {
	message = printable(message)
	if decision != "" {
		message += "\ndecision " + printable(decision)
	}
	return errors.New(message)
}

// unlessJSON drops the text where the reply itself was printed.
func (c *call) unlessJSON(err error) error {
	if c.json {
		return nil
	}
	return err
}

func notSidegate(url string, status int) error {
	return fmt.Errorf("%s answered %d, and not as a Sidegate does", url, status)
}
