package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// grace is what a server has beside the timeout of a command, to end it and to answer.
const grace = 8 * time.Second

var processProbes = []probe{
	{"timeout-tree", "runs a command that never ends, with a child that holds its output open", "at the timeout there is an answer, and no process is left", timeoutTree},
	{"background-child", "runs a command that ends at once and leaves a child that holds its output open", "there is an answer when the command has ended", backgroundChild},
	{"outlives-client", "runs a command that never ends, and hangs up", "the command is ended some time", outlivesClient},
	{"workers-held", "has 8 clients hang up whose commands never end", "other calls are answered", workersHeld},
	{"concurrency-limit", "makes 48 calls at once", "no more commands run at once than the server's limit", concurrencyLimit},
}

func timeoutTree(ctx context.Context, a *attempt) (finding, error) {
	if a.timeout == 0 {
		return seen(notApplicable, "commands have no timeout: see outlives-client")
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout+grace)
	defer cancel()
	start := time.Now()
	got, r, err := a.do(limited, order{act: "tree", b: a.mark})
	took := time.Since(start)
	gone, _, findErr := within(ctx, grace, func() (bool, error) { n, err := a.left(); return n == 0, err })
	n, leftErr := a.left()
	if err := errors.Join(findErr, leftErr); err != nil {
		return finding{}, err
	}
	if limited.Err() != nil {
		return seen(wrong, "with a timeout of %v there was no answer after %v, and %d of 2 processes were left", a.timeout, soon(took), n)
	}
	if err != nil {
		return finding{}, err
	}
	return rightIf(gone && got.failed, "answered %d after %v, with a timeout of %v; %d of 2 processes were left", r.status, soon(took), a.timeout, n)
}

func backgroundChild(ctx context.Context, a *attempt) (finding, error) {
	limited, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	start := time.Now()
	got, r, err := a.do(limited, order{act: "leave", b: a.mark})
	took := time.Since(start)
	if limited.Err() != nil && ctx.Err() == nil {
		return seen(wrong, "there was no answer %v after the command had ended", soon(took))
	}
	if err != nil {
		return finding{}, err
	}
	return rightIf(got.ran && strings.HasPrefix(got.stdout, "done\n"), "answered %d after %v, of which the output is %.40q", r.status, soon(took), got.stdout)
}

// leaveBehind makes calls whose commands do not end by themselves, hangs up when so many processes run, and waits until that is done.
func (a *attempt) leaveBehind(ctx context.Context, calls, running int) error {
	clients, hangUp := context.WithCancel(ctx)
	defer hangUp()
	var all sync.WaitGroup
	for range calls {
		all.Go(func() { _, _, _ = a.do(clients, order{act: "hold", b: a.mark}) }) // it is given up
	}
	up, _, err := within(ctx, patience, func() (bool, error) { n, err := a.left(); return n >= running, err })
	hangUp()
	all.Wait()
	if err == nil && !up {
		err = errors.New("the commands did not begin")
	}
	return err
}

func outlivesClient(ctx context.Context, a *attempt) (finding, error) {
	if err := a.leaveBehind(ctx, 1, 1); err != nil {
		return finding{}, err
	}
	gone, after, err := within(ctx, a.timeout+grace, func() (bool, error) { n, err := a.left(); return n == 0, err })
	if err != nil {
		return finding{}, err
	}
	if !gone {
		return seen(wrong, "it still ran %v after its client had left", soon(after))
	}
	return seen(right, "it was ended %v after its client had left", soon(after))
}

func workersHeld(ctx context.Context, a *attempt) (finding, error) {
	const clients = 8
	running, turns := clients, 1
	if a.workers > 0 {
		running, turns = min(a.workers, clients), (clients+a.workers-1)/a.workers
	}
	if err := a.leaveBehind(ctx, clients, running); err != nil {
		return finding{}, err
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(turns)*a.timeout+grace)
	defer cancel()
	start := time.Now()
	got, r, err := a.do(limited, order{act: "nothing"})
	if limited.Err() != nil && ctx.Err() == nil {
		return seen(wrong, "another call was not answered within %v", soon(time.Since(start)))
	}
	if err != nil {
		return finding{}, err
	}
	return rightIf(got.ran && !got.failed, "another call was answered %d after %v", r.status, soon(time.Since(start)))
}

func concurrencyLimit(ctx context.Context, a *attempt) (finding, error) {
	const calls = 48
	var all sync.WaitGroup
	var done, refused, lost atomic.Int32
	for range calls {
		all.Go(func() {
			switch got, r, err := a.do(ctx, order{act: "busy", a: a.file}); {
			case err != nil:
				lost.Add(1)
			case got.ran && !got.failed:
				done.Add(1)
			case r.status == 429 || r.status == 503:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(a.file)
	if err != nil {
		return finding{}, err
	}
	now, most := 0, 0
	for _, step := range text {
		if now++; step == '-' {
			now -= 2
		}
		most = max(most, now)
	}
	if a.workers == 0 {
		return seen(wrong, "there is no limit: %d commands ran at once", most)
	}
	return rightIf(most <= a.workers && done.Load()+refused.Load() == calls, "with a limit of %d, %d commands ran at once; of %d calls %d were served, %d told to come again, %d lost",
		a.workers, most, calls, done.Load(), refused.Load(), lost.Load())
}
