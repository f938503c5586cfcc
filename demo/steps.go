package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/trial"
)

// stage is where the steps are shown: a running gateway and a receiver of callbacks.
type stage struct {
	gateway  *trial.Gateway
	receiver *receiver
	last     trial.Signed // the newest call
}

func (s *stage) allowed(ctx context.Context) error {
	heading("A command that the starter policy allows")
	a, err := s.call(ctx, trial.Order{Command: "uptime", Wait: true})
	if err != nil {
		return err
	}
	if a.Status != 200 || a.Data == nil || a.Data.Status != "exited" || a.Data.ExitCode != 0 || !strings.Contains(a.Data.Stdout, "load average") {
		return a.Unexpected("200 and the output of uptime")
	}
	fmt.Printf("  output    %s  enforced  %s\n  missing   %s\n", a.Data.Stdout, strings.Join(a.Data.Enforced, " "), cmp.Or(strings.Join(a.Data.Missing, " "), "nothing"))
	return nil
}

func (s *stage) pipeline(ctx context.Context) error {
	heading("A pipeline: it runs in a shell that can start these two programs and no other")
	a, err := s.call(ctx, trial.Order{Command: "ps aux | head -5", Wait: true})
	if err != nil {
		return err
	}
	if a.Status != 200 || a.Data == nil || a.Data.ExitCode != 0 || !strings.Contains(a.Data.Stdout, "COMMAND") {
		return a.Unexpected("200 and the first lines of ps")
	}
	for line := range strings.Lines(a.Data.Stdout) {
		fmt.Print("  output    ", line)
	}
	return nil
}

func (s *stage) denied(ctx context.Context) error {
	heading("A command that nobody granted")
	a, err := s.call(ctx, trial.Order{Command: "rm -rf /srv", Wait: true})
	if err != nil {
		return err
	}
	if a.Status != 403 || a.Reason != "denied" || len(a.Reasons) == 0 || a.DecisionID == "" {
		return a.Unexpected("403 with reasons and a decision ID")
	}
	printReasons(a)
	return nil
}

func (s *stage) redacted(ctx context.Context) error {
	heading("A command whose output holds a password: the plugin redact takes it out")
	a, err := s.call(ctx, trial.Order{Command: "echo 'user=app " + password + " host=db1'", Wait: true})
	if err != nil {
		return err
	}
	if a.Status != 200 || a.Data == nil || a.Data.Stdout != "user=app [redacted] host=db1\n" || a.Data.Annotations["redacted"] != "1" ||
		!slices.Contains(a.Data.HeldBy, "redact") {
		return a.Unexpected("200 and the output without the password")
	}
	fmt.Printf("  output    %s  plugins   %s (places taken out: %s)\n", a.Data.Stdout, strings.Join(a.Data.HeldBy, " "), a.Data.Annotations["redacted"])
	return nil
}

func (s *stage) asynchronous(ctx context.Context) error {
	heading("A command whose caller does not wait, and gets a callback; the plugin token-injector adds a token to it")
	a, err := s.call(ctx, trial.Order{Command: "echo 'all is well: 一切正常'", CallbackURL: s.receiver.url + "/done"})
	if err != nil {
		return err
	}
	if a.Status != 200 || a.Data == nil || a.Data.Status != "accepted" || a.Data.JobID == "" {
		return a.Unexpected("200 and a job that is accepted")
	}
	fmt.Printf("  job       %s\n", a.Data.JobID)
	c, err := s.receiver.next(ctx)
	if err != nil {
		return err
	}
	if c.Kwargs.Stdout != "all is well: 一切正常\n" || c.delivery == "" || c.authorization != "Bearer "+token {
		return fmt.Errorf("the callback holds %q, delivery ID %q and Authorization %q", c.Kwargs.Stdout, c.delivery, c.authorization)
	}
	fmt.Printf("  callback  %s (delivery %s)\n  header    Authorization: %s\n", strings.TrimSpace(c.Kwargs.Stdout), c.delivery, c.authorization)
	return nil
}

func (s *stage) replayed(ctx context.Context) error {
	heading("The same signed call, sent a second time by somebody who overheard it")
	a, err := s.repeat(ctx)
	if err != nil {
		return err
	}
	if a.Status != 409 || a.Reason != "replayed_nonce" {
		return a.Unexpected("409 replayed_nonce")
	}
	fmt.Printf("  message   %s\n", a.Message)
	return nil
}

// call signs an order, sends it, and shows the status of the answer.
func (s *stage) call(ctx context.Context, o trial.Order) (*trial.Answer, error) {
	signed, err := s.gateway.Sign(o)
	if err != nil {
		return nil, err
	}
	s.last = signed
	fmt.Printf("  command   %s\n", o.Command)
	return s.repeat(ctx)
}

// repeat sends the newest call, with the nonce and the signature it has.
func (s *stage) repeat(ctx context.Context) (*trial.Answer, error) {
	a, err := s.gateway.Send(ctx, http.DefaultClient, s.last)
	if err != nil {
		return nil, err
	}
	fmt.Printf("  answer    %d %s\n", a.Status, http.StatusText(a.Status))
	if a.DecisionID != "" {
		fmt.Printf("  decision  %s\n", a.DecisionID)
	}
	return a, nil
}

func printReasons(a *trial.Answer) {
	for _, reason := range a.Reasons {
		fmt.Printf("  reason    %s\n", reason)
	}
}
