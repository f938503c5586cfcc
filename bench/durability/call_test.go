package durability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// A call is one signed message, and what was answered to it. Its command writes the call's ID to a file, and that is how it is known how often it ran.
type call struct {
	id     string
	order  trial.Order
	signed trial.Signed
	denied bool // the policy does
	twice  bool // two copies are sent at once

	sent    int // copies that may have reached a gateway
	lost    int // of them, those to which nothing came back
	answers []*trial.Answer
}

// commands are what callers want, each with its share, in the form of load.add. The shell of the last one stays, to be found by its arguments.
var commands = []struct {
	share  int
	text   string
	denied bool
}{
	{42, "sh -c 'echo %[2]s >>%[1]s; echo out %[2]s'", false},
	{14, "echo %[2]s >>%[1]s && echo out %[2]s", false}, // in mode shell
	{20, "sh -c 'echo %[2]s >>%[1]s; sleep 0.2; echo out %[2]s'", false},
	{5, "sh -c 'echo %[2]s >>%[1]s; head -c 200000 /dev/zero | tr \"\\0\" x; echo out %[2]s'", false}, // more than stands in a row
	{5, "sh -c 'echo %[2]s >>%[1]s; exit 7'", false},
	{3, "sh -c 'echo %[2]s >>%[1]s; kill -TERM $$'", false},
	{10, "sh -c 'echo %[2]s >>%[1]s # forbidden'", true},
	{1, "sh -c 'echo %[2]s >>%[1]s; sleep 600; :'", false},
}

// marker finds a call's ID in its command.
var marker = regexp.MustCompile(`echo (call-\d+) >>`)

// load is what callers send to the gateways of a site, one gateway after the other.
type load struct {
	site     *site
	receiver *receiver
	ran      string // the file that commands append to

	mu    sync.Mutex
	calls []*call
	open  []*call // without an answer
}

// next returns a call to send: a new one, or one without an answer, whose message is sent once more as it was.
func (l *load) next(fresh bool) (*call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.open); n >= callers || n > 0 && (!fresh || rand.IntN(3) == 0) {
		i := rand.IntN(n)
		c := l.open[i]
		l.open[i] = l.open[n-1]
		l.open = l.open[:n-1]
		return c, nil
	}
	if !fresh {
		return nil, nil
	}
	pick := rand.IntN(100)
	for _, command := range commands {
		if pick -= command.share; pick < 0 {
			c, err := l.add(command.text, rand.IntN(2) == 0, rand.IntN(3) > 0)
			if err == nil {
				c.denied, c.twice = command.denied, rand.IntN(20) == 0
			}
			return c, err
		}
	}
	panic("the shares are 100 together")
}

// add makes a call that has not been sent. In the text of its command the first verb is the file, the second the ID.
func (l *load) add(text string, wait, callback bool) (*call, error) {
	c := &call{id: fmt.Sprintf("call-%06d", len(l.calls))}
	c.order = trial.Order{Command: fmt.Sprintf(text, l.ran, c.id), Wait: wait}
	if callback {
		c.order.CallbackURL = l.receiver.url + "/" + c.id
	}
	var err error
	if c.signed, err = l.site.signer.Sign(c.order); err != nil {
		return nil, err
	}
	l.calls = append(l.calls, c)
	return c, nil
}

// callers sends calls, so many at a time, until ctx ends; without fresh, until there is none left without an answer.
func (l *load) callers(ctx context.Context, n int, fresh bool) error {
	var (
		group sync.WaitGroup
		errs  = make([]error, n)
	)
	for i := range n {
		group.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				c, err := l.next(fresh)
				if c == nil {
					errs[i] = err
					return
				}
				l.send(ctx, c)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// send sends a call to the gateway of this moment, and puts it back if there was no answer.
func (l *load) send(ctx context.Context, c *call) {
	copies := 1
	if c.twice && c.sent == 0 {
		copies = 2
	}
	answers, errs := make([]*trial.Answer, copies), make([]error, copies)
	var group sync.WaitGroup
	for i := range copies {
		group.Go(func() { answers[i], errs[i] = l.site.signer.Send(context.WithoutCancel(ctx), l.site.client, c.signed) })
	}
	group.Wait()
	for i := range copies {
		switch {
		case errs[i] == nil:
			c.sent++
			c.answers = append(c.answers, answers[i])
		case !neverSent(errs[i]):
			c.sent++
			c.lost++
		}
	}
	pause := time.Duration(0)
	switch {
	case len(c.answers) == 0:
		l.mu.Lock()
		l.open = append(l.open, c)
		l.mu.Unlock()
		pause = 20 * time.Millisecond // nobody listens
	case c.answers[0].Status == http.StatusServiceUnavailable || c.answers[0].Status == http.StatusTooManyRequests:
		pause = 20 * time.Millisecond
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

// neverSent tells whether a call failed before there was a connection.
func neverSent(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// postponed is what a caller is told who waited for a job that a gateway did not start before it stopped.
var postponed = regexp.MustCompile(`job (\S+) is accepted and runs when the gateway is back`)

// acknowledged returns the job that an answer promises, or "".
func acknowledged(a *trial.Answer) string {
	if a.Status == http.StatusOK && a.Data != nil {
		return a.Data.JobID
	}
	if found := postponed.FindStringSubmatch(a.Message); found != nil {
		return found[1]
	}
	return ""
}

// jobs are all that were promised for a call.
func (c *call) jobs() (ids []string) {
	for _, a := range c.answers {
		if id := acknowledged(a); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// refused tells whether it is certain that the call did not become a job: each copy was answered, and with a refusal.
func (c *call) refused() bool {
	if c.lost > 0 {
		return false
	}
	for _, a := range c.answers {
		if acknowledged(a) != "" || a.Status == http.StatusConflict || a.Status == http.StatusInternalServerError {
			return false
		}
	}
	return true // also where nothing was sent
}
