package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/wasm"
)

// A door is where calls of a plugin wait that fetches: each says who it is by its path, and goes on when it is let.
type door struct {
	arrived chan string
	pass    chan struct{}
	open    sync.Once
}

func newDoor(t *testing.T) *door {
	d := &door{arrived: make(chan string, 64), pass: make(chan struct{})}
	t.Cleanup(d.openForAll)
	return d
}

func (d *door) fetch(r *http.Request) (*http.Response, error) {
	d.arrived <- r.URL.Path
	<-d.pass
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil))}, nil
}

func (d *door) openForAll() { d.open.Do(func() { close(d.pass) }) }

// fetching is a plugin of the phase that fetches from the door, of which so many calls may go on at once.
func fetching(phase wasm.Phase, path string, slots int, deadline time.Duration) play {
	return on(phase, "p", "f{'url':'http://auth.test"+path+"'}").but(func(p *wasm.Plugin) {
		p.Fetch = []string{"http://auth.test/*"}
		p.Limits.Concurrency, p.Limits.Deadline = slots, deadline
	})
}

const noTurn = "plugin p is busy (limits.concurrency is 1, and the turn of this call did not come within 2s)"

// TestBusyRequestMayComeAgain: a request whose turn does not come is turned away with its nonce, also where the plugin may be
// skipped, and the very same one passes when there is a slot.
func TestBusyRequestMayComeAgain(t *testing.T) {
	t.Parallel()
	for _, failure := range []wasm.FailureMode{wasm.FailureDeny, wasm.FailureSkip} {
		t.Run(string(failure), func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			th := newTheatre(t, theatreOptions{fetch: d.fetch, clients: 1},
				on(wasm.PhaseRequest, "first", "=/labels/a='b'"),
				fetching(wasm.PhaseRequest, "/", 1, time.Second).but(func(p *wasm.Plugin) { p.Failure = failure }))
			var holder, callers sync.WaitGroup
			holder.Go(func() { th.shellAs(t, "c0", body{"command": "true"}) })
			<-d.arrived
			calls := []struct{ path, nonce string }{{"/shell", auth.NewNonce()}, {"/v1/decisions", auth.NewNonce()}}
			send := func(i int) said {
				return th.send(t, signedCall(context.Background(), calls[i].path, "func", calls[i].nonce, body{"command": "echo hunter2"}))
			}
			for i := range calls {
				callers.Go(func() {
					var problem struct{ Detail string }
					got := send(i)
					if err := json.Unmarshal([]byte(got.raw), &problem); err != nil {
						t.Error(err)
					}
					want := noTurn + ", so nothing was run: wait, and send the same request again; if that goes on, the operator sees with " +
						"`sidegate plugin chain --admin` how the plugin fares, and can raise that limit"
					if got.status != http.StatusServiceUnavailable || got.Reason != PluginBusy || got.Message+problem.Detail != want || got.head.Get("Retry-After") != "2" || got.DecisionID != "" {
						t.Errorf("%s: answered %d %v %s", calls[i].path, got.status, got.head, got.raw)
					}
				})
			}
			callers.Wait()
			s := th.plugins.Status()[1]
			if len(th.jobs(t)) > 0 || s.Failures[wasm.KindBusy] != 1 || len(s.Failures) != 1 || s.Calls != 1 || !s.Healthy {
				t.Errorf("%d jobs, status %+v", len(th.jobs(t)), s)
			}
			th.nowhere(t, "hunter2")
			d.openForAll()
			holder.Wait()
			if got := send(0); got.status != http.StatusOK || got.Data.Stdout != "hunter2\n" {
				t.Errorf("again: answered %d %s", got.status, got.raw)
			}
			if got := send(1); got.status != http.StatusOK || !got.Incomplete {
				t.Errorf("again: answered %d %s", got.status, got.raw)
			}
			for i := range calls { // once they were decided they were for the last time
				if got := send(i); got.Reason != ReplayedNonce {
					t.Errorf("%s once more: answered %s", calls[i].path, got.raw)
				}
			}
		})
	}
}

// TestBusyResponseIsWithheld: output that cannot be taken through its plugin in time is not told, and the plugin is named.
func TestBusyResponseIsWithheld(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	cache := on(wasm.PhaseRequest, "cache", "ahunter2")
	cache.selector = wasm.Selector{MatchLabels: map[string]string{"command": "ask"}}
	th := newTheatre(t, theatreOptions{fetch: d.fetch, clients: 1, concurrency: 3, patience: 1}, cache, fetching(wasm.PhaseResponse, "/", 1, time.Second))
	var holder, callers sync.WaitGroup
	holder.Go(func() { th.shellAs(t, "c0", body{"command": "true"}) })
	<-d.arrived
	order := body{"command": "cat " + secretFile(t, "hunter2"), "callbackURL": "http://func.test/"}
	callers.Go(func() {
		got := th.shell(t, order)
		want := "the command ended (exited, exit code 0), and its output is withheld, because " + noTurn + "; the gateway's log says why"
		if got.status != http.StatusBadGateway || got.Reason != ResponseWithheld || got.Message != want || *got.ExitCode != 0 {
			t.Errorf("answered %d %s", got.status, got.raw)
		}
		if r := th.recorded(t, th.row(t, got.JobID)); r.Withheld != want {
			t.Errorf("the journal has %+v", r)
		}
		if c := th.callbackOf(t, got.JobID); !strings.Contains(string(c.Body), noTurn) {
			t.Errorf("the callback is %s", c.Body)
		}
	})
	callers.Go(func() {
		got := th.shell(t, body{"command": "ask"})
		want := "plugin cache answered, and its answer is withheld, because " + noTurn + "; the gateway's log says why"
		if got.status != http.StatusBadGateway || got.Message != want || got.JobID != "" {
			t.Errorf("answered %d %s", got.status, got.raw)
		}
	})
	callers.Wait()
	if s := th.plugins.Status()[1]; s.Failures[wasm.KindBusy] != 2 || !s.Healthy || !strings.HasPrefix(s.LastFailure, "busy: ") {
		t.Errorf("status %+v", s)
	}
	if log := th.log.String(); !strings.Contains(log, `"msg":"plugin is busy","plugin":"p","phase":"response"`) {
		t.Errorf("the log is %s", log)
	}
	th.nowhere(t, "hunter2")
	d.openForAll()
	holder.Wait()
	if got := th.shell(t, order); got.status != http.StatusOK || got.Data.Stdout != "hunter2\n" {
		t.Errorf("with a slot free: answered %d %s", got.status, got.raw)
	}
}

// TestBusyCallbackIsSentLater: the attempt has failed, and says why; nothing is sent past the plugin.
func TestBusyCallbackIsSentLater(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	th := newTheatre(t, theatreOptions{fetch: d.fetch, clients: 1, patience: 1},
		fetching(wasm.PhaseCallback, "/", 1, time.Second).but(func(p *wasm.Plugin) { p.Failure = wasm.FailureSkip }))
	held, due := th.dueAs(t, "c0", "true"), th.due(t, "echo out")
	var holder sync.WaitGroup
	holder.Go(func() { _, _ = th.transformed(t.Context(), held) })
	<-d.arrived
	if got, err := th.transformed(t.Context(), due); err == nil || err.Error() != noTurn || got.Body != nil {
		t.Errorf("sends %s, %v", got.Body, err)
	}
	d.openForAll()
	holder.Wait()
	if got, err := th.transformed(t.Context(), due); err != nil || got.Body != nil {
		t.Errorf("sends %s, %v", got.Body, err)
	}
}

// TestQuietClientIsNextAfterAGreedyOne: whoever has none of a plugin's slots gets the next, however many calls of another have
// waited longer.
func TestQuietClientIsNextAfterAGreedyOne(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	p := fetching(wasm.PhaseRequest, "/greedy", 2, time.Minute)
	th := newTheatre(t, theatreOptions{fetch: d.fetch, clients: 1, concurrency: 8})
	set := stageOf(t, th.dir, []play{p})
	set.Configs = append([]wasm.PluginConfig{{
		Plugin: "p", Selector: wasm.Selector{MatchLabels: map[string]string{"client.name": "c0"}}, Config: []byte(`"f{'url':'http://auth.test/quiet'}"`),
	}}, set.Configs...)
	if err := th.plugins.Load(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	call := func(client string, total int) {
		callers.Go(func() {
			if got := th.shellAs(t, client, body{"command": "true"}); got.status != http.StatusOK {
				t.Errorf("%s: answered %d %s", client, got.status, got.raw)
			}
		})
		until(t, fmt.Sprintf("%d calls are there", total), func() bool {
			s := th.plugins.Status()[0]
			return s.Running+s.Waiting == total
		})
	}
	for i := range 6 {
		call("func", i+1)
	}
	<-d.arrived
	<-d.arrived
	call("c0", 7)
	d.pass <- struct{}{} // one of greedy's two ends
	if next := <-d.arrived; next != "/quiet" {
		t.Errorf("the next slot went to %s", next)
	}
	d.openForAll()
	callers.Wait()
}
