package durability

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/trial"
)

// TestMemory has a gateway run many commands, with callbacks, and forget them soon. Its memory does not grow with their number.
func TestMemory(t *testing.T) {
	t.Parallel()
	calls := setting(t, "DURABILITY_CALLS", 500)
	r := receive(t)
	r.calm, r.forgetful = true, true
	s := newSite(t, layout{receiver: r.url, executor: "concurrency: 16, max_output: 64KiB", skew: "5s", extra: "retention: {bytes: 2MiB}"})
	p := s.start(t)
	s.await(t, p)
	const tenths = 10
	var memory [tenths]float64
	began := time.Now()
	for tenth := range tenths {
		work, ctx := errgroup.WithContext(t.Context())
		left, mu := calls/tenths, sync.Mutex{}
		for range callers {
			work.Go(func() error {
				for {
					mu.Lock()
					left--
					more := left >= 0
					mu.Unlock()
					if !more {
						return nil
					}
					signed, err := s.signer.Sign(trial.Order{Command: "printf some%020000d", Wait: true, CallbackURL: r.url + "/x"})
					if err != nil {
						return err
					}
					a, err := s.signer.Send(ctx, s.client, signed)
					if err != nil {
						return err
					}
					if a.Status != http.StatusOK || a.Data.ExitCode != 0 {
						return a.Unexpected("200 and exit code 0")
					}
				}
			})
		}
		must(t, work.Wait())
		memory[tenth] = resident(t, p.cmd.Process.Pid)
		t.Logf("%7d commands after %6.1fs: %.1f MiB of memory, %d jobs kept", calls/tenths*(tenth+1), time.Since(began).Seconds(), memory[tenth], s.jobs(t))
	}
	if early, last := memory[tenths/2], memory[tenths-1]; last > early*1.25+16 {
		t.Errorf("%.1f MiB of memory were used after half of the commands, and %.1f are at the end", early, last)
	}
	p.stop(t)
}

// jobs counts the jobs in the journal.
func (s *site) jobs(t *testing.T) int {
	t.Helper()
	r, err := journal.OpenReadOnly(t.Context(), s.state)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	return len(allJobs(t, r))
}
