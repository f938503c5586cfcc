package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	rollingCallers  = 16
	rollingRestarts = 5
)

// A caller of TestRollingRestart makes one call after the other, each of which appends a line of its own to a file.
type rollingCaller struct {
	name    string
	client  *http.Client
	address string

	calls, again, refused int
	answered, promised    []string
}

// run makes calls until over. A refusal that names a job promises that it runs later. A call whose connection ended without an answer is sent again as it was: its nonce says whether it had been accepted, which must
// not be, for then its answer was lost.
func (c *rollingCaller) run(t *testing.T, y *yard, over *atomic.Bool) {
	for !over.Load() {
		c.calls++
		id := fmt.Sprintf("%s-%d", c.name, c.calls)
		e := newErrand(fmt.Sprintf("sh -c 'echo %s >> %s/lines'", id, y.out))
		for end := time.Now().Add(patience); ; {
			reply, err := e.send(c.client, c.address)
			stopping := err == nil && reply.Status == http.StatusServiceUnavailable && reply.Reason == "shutting_down"
			switch {
			case err != nil:
				c.again++
			case reply.Status == http.StatusOK && reply.Data.ExitCode == 0:
				c.answered = append(c.answered, id)
			case stopping && strings.Contains(reply.Message, "is accepted and runs when the gateway is back"):
				c.promised = append(c.promised, id)
			case stopping:
				c.refused++
			default: // replayed_nonce among them
				t.Errorf("%s: answered %+v", id, reply)
				return
			}
			if n := len(c.answered) + len(c.promised); n == c.calls {
				break
			}
			if time.Now().After(end) {
				t.Errorf("%s: no answer: %+v, %v", id, reply, err)
				return
			}
			time.Sleep(10 * time.Millisecond) // nobody listens, or the gateway said so
		}
	}
}

// TestRollingRestart replaces a gateway again and again while callers keep calling: every call is answered, and every command has run once. With the sockets held
// by somebody else new connections wait for the next gateway; without, they are refused meanwhile, and made again.
func TestRollingRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("-short was given, and replacing a gateway ten times takes half a minute")
	}
	for _, hold := range []bool{true, false} {
		t.Run(map[bool]string{true: "sockets held", false: "in place"}[hold], func(t *testing.T) {
			y := newYard(t, hold, "executor: {concurrency: 8, queue: 64}\n")
			y.hear(t)
			p := y.serve(t)
			y.await(t, "READY=1")
			var (
				callers []*rollingCaller
				all     sync.WaitGroup
				over    atomic.Bool
			)
			for i := range rollingCallers {
				transport, address := &http.Transport{}, y.address
				if i%4 >= 2 {
					transport, address = toSocket(y.socket), "gateway"
				}
				transport.DisableKeepAlives = i%2 == 0
				defer transport.CloseIdleConnections()
				callers = append(callers, &rollingCaller{name: fmt.Sprint(i), client: &http.Client{Transport: transport}, address: address})
			}
			for _, c := range callers {
				all.Go(func() { c.run(t, y, &over) })
			}
			for i := range rollingRestarts {
				linesGrow(t, y) // calls go through this one
				if code := p.stop(t, syscall.SIGTERM); code != 0 {
					t.Errorf("gateway %d ended with %d: %s", i, code, &p.said)
				}
				p = y.serve(t)
				y.await(t, "READY=1")
			}
			linesGrow(t, y)
			over.Store(true)
			all.Wait()
			total, promised, again, refused, fresh := 0, 0, 0, 0, 0
			for _, c := range callers {
				total, promised = total+len(c.answered), promised+len(c.promised)
			}
			for end := time.Now().Add(patience); len(strings.Fields(string(written(t, y)))) < total+promised && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			if code := p.stop(t, syscall.SIGTERM); code != 0 {
				t.Errorf("the last gateway ended with %d: %s", code, &p.said)
			}
			ran := map[string]int{}
			for _, line := range strings.Fields(string(written(t, y))) {
				ran[line]++
			}
			for i, c := range callers {
				again, refused = again+c.again, refused+c.refused
				if i%2 == 0 {
					fresh += c.again
				}
				for _, id := range slices.Concat(c.answered, c.promised) {
					if ran[id] != 1 {
						t.Errorf("%s was answered or promised, and has run %d times", id, ran[id])
					}
					delete(ran, id)
				}
			}
			if len(ran) > 0 {
				t.Errorf("ran without being answered: %v", ran)
			}
			if hold && fresh > 0 {
				t.Errorf("%d new connections failed although somebody held the sockets", fresh)
			}
			t.Logf("%d calls answered and %d promised over %d restarts; %d sent again after their connection had ended, %d after a refusal", total, promised, rollingRestarts, again, refused)
		})
	}
}

func written(t *testing.T, y *yard) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(y.out, "lines"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return text
}

// linesGrow waits until commands have run that were called for from now on.
func linesGrow(t *testing.T, y *yard) {
	t.Helper()
	before := len(written(t, y))
	for end := time.Now().Add(patience); len(written(t, y)) < before+300; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no command runs")
		}
	}
}
