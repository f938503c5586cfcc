package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/wasm"
)

// hostile are plugins that take all they can get, by the command that goes through them.
var hostile = map[string]struct{ script, kind string }{
	"loop":      {"L", "deadline"},
	"recursion": {"R", "depth"},
	"branches":  {"X", "deadline"},
	"memory":    {"M", "memory"},
	"output":    {"B", "output_limit"},
	"log":       {"G", "log_limit"},
}

// goodClients are how many others there are, c1 and on.
const goodClients = 200

// besideHostile is a gateway in which the calls of client c0 go through hostile plugins, and those of all others through one
// that adds a label and one that redacts their output.
func besideHostile(tb testing.TB, limits wasm.Limits, breakAfter int) *theatre {
	tb.Helper()
	others := wasm.Selector{MatchExpressions: []wasm.Expression{{Key: "client.name", Operator: wasm.NotIn, Values: []string{"c0"}}}}
	label, redact := on(wasm.PhaseRequest, "label", "=/labels/seen='yes'"), on(wasm.PhaseResponse, "redact", "ps*")
	label.selector, redact.selector = others, others
	plays := []play{label, redact}
	for command, h := range hostile {
		p := on(wasm.PhaseRequest, command, h.script).but(func(p *wasm.Plugin) { p.Limits = limits })
		p.selector = wasm.Selector{MatchLabels: map[string]string{"client.name": "c0", "command": command}}
		plays = append(plays, p)
	}
	// The limits of clients are those that a configuration has by default.
	return newTheatre(tb, theatreOptions{concurrency: 64, length: 1024, clients: 1 + goodClients, breakAfter: breakAfter, rate: 200, burst: 400}, plays...)
}

// attack sends calls through every hostile plugin, so many at once for each, until stopped, and checks that each ends as it
// should.
func (th *theatre) attack(tb testing.TB, atOnce int) (stop func() (calls int64)) {
	var (
		attackers sync.WaitGroup
		over      atomic.Bool
		calls     atomic.Int64
	)
	for command, h := range hostile {
		for range atOnce {
			attackers.Go(func() {
				for !over.Load() {
					w := httptest.NewRecorder()
					th.Handler().ServeHTTP(w, signedCall(context.Background(), "/shell", "c0", auth.NewNonce(), body{"command": command}))
					said := w.Body.String()
					if w.Code == http.StatusTooManyRequests { // what a caller spends on being turned away is its own, and not measured
						time.Sleep(20 * time.Millisecond)
						continue
					}
					stopped := strings.Contains(said, "plugin "+command+" failed ("+h.kind+")") || strings.Contains(said, "failed (breaker)")
					// What waits for a processor longer than for its limit ends by its deadline.
					if w.Code != http.StatusForbidden || !stopped && !strings.Contains(said, "failed (deadline)") {
						tb.Errorf("%s: answered %d %s", command, w.Code, said)
						return
					}
					calls.Add(1)
				}
			})
		}
	}
	return func() int64 {
		over.Store(true)
		attackers.Wait()
		return calls.Load()
	}
}

// behave makes rounds of calls of POST path, one at a time for each of the other clients, and returns how long each took,
// shortest first.
func (th *theatre) behave(tb testing.TB, path string, rounds int) []time.Duration {
	took := make([]time.Duration, goodClients*rounds)
	var callers sync.WaitGroup
	for i := range goodClients {
		callers.Go(func() {
			for n := range rounds {
				w := httptest.NewRecorder()
				r := signedCall(context.Background(), path, fmt.Sprintf("c%d", i+1), auth.NewNonce(), body{"command": "echo set"})
				start := time.Now()
				th.Handler().ServeHTTP(w, r)
				took[i*rounds+n] = time.Since(start)
				good := strings.Contains(w.Body.String(), `"stdout":"*et\n"`) || strings.Contains(w.Body.String(), `"allow":true`)
				if w.Code != http.StatusOK || !good {
					tb.Errorf("answered %d %s", w.Code, w.Body)
				}
			}
		})
	}
	callers.Wait()
	slices.Sort(took)
	return took
}

// TestHostilePluginsHurtNobodyElse: while one client's calls go through plugins that take all they can get, 200 calls of
// others at once go through theirs and succeed.
func TestHostilePluginsHurtNobodyElse(t *testing.T) {
	th := besideHostile(t, wasm.Limits{Deadline: 200 * time.Millisecond, Memory: 4 << 20}, 1<<30)
	stop := th.attack(t, 2)
	until(t, "every hostile plugin was called", func() bool {
		return !slices.ContainsFunc(th.plugins.Status()[2:], func(s wasm.PluginStatus) bool { return s.Calls == 0 })
	})
	th.behave(t, "/shell", 1)
	if stop() == 0 {
		t.Error("nothing hostile went on meanwhile")
	}
	for _, s := range th.plugins.Status() {
		switch h, isHostile := hostile[s.Name]; {
		case !isHostile && (len(s.Failures) > 0 || s.Calls != goodClients || !s.Healthy):
			t.Errorf("%s: %+v", s.Name, s)
		case isHostile:
			for kind := range s.Failures {
				if string(kind) != h.kind && kind != "deadline" {
					t.Errorf("%s: %+v", s.Name, s)
				}
			}
		}
	}
	if got := len(th.jobs(t)); got != 100 { // a page of them; none is of the hostile client
		t.Errorf("%d jobs", got)
	}
	until(t, "the slots are free", func() bool { return th.queue.Stats().Running == 0 })
}

// BenchmarkBesideHostile compares, in one run, the latency of 200 calls at once on a quiet gateway with that beside a
// client whose calls go through hostile plugins. p99-ratio is what is promised to stay below 2.
func BenchmarkBesideHostile(b *testing.B) {
	const rounds = 10
	for _, breaker := range []struct {
		name  string
		after int
	}{{"breaker", 0}, {"no-breaker", 1 << 30}} {
		for _, path := range []string{"/shell", "/v1/decisions"} {
			b.Run(fmt.Sprintf("%s%s", breaker.name, path), func(b *testing.B) {
				th := besideHostile(b, wasm.Limits{}, breaker.after)
				th.behave(b, path, 2)
				var quiet, beside []time.Duration
				for b.Loop() {
					quiet = append(quiet, th.behave(b, path, rounds)...)
					stop := th.attack(b, 2)
					beside = append(beside, th.behave(b, path, rounds)...)
					b.ReportMetric(float64(stop()), "hostile-calls")
				}
				slices.Sort(quiet)
				slices.Sort(beside)
				ms := func(of []time.Duration, percent int) float64 {
					return float64(of[len(of)*percent/100].Microseconds()) / 1000
				}
				b.ReportMetric(0, "ns/op") // of no meaning here
				b.ReportMetric(ms(quiet, 50), "quiet-p50-ms")
				b.ReportMetric(ms(quiet, 99), "quiet-p99-ms")
				b.ReportMetric(ms(beside, 50), "beside-p50-ms")
				b.ReportMetric(ms(beside, 99), "beside-p99-ms")
				b.ReportMetric(ms(beside, 50)/ms(quiet, 50), "p50-ratio")
				b.ReportMetric(ms(beside, 99)/ms(quiet, 99), "p99-ratio")
			})
		}
	}
}
