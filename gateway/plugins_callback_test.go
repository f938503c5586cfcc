package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/wasm"
)

// due runs a command with a callback, and returns the delivery as its sender sees it.
func (th *theatre) due(t *testing.T, command string) callback.Delivery {
	t.Helper()
	return th.dueAs(t, "func", command)
}

func (th *theatre) dueAs(t *testing.T, client, command string) callback.Delivery {
	t.Helper()
	got := th.shellAs(t, client, body{"command": command, "callbackURL": "http://func.test/done"})
	if got.status != http.StatusOK && got.Reason != ResponseWithheld {
		t.Fatalf("answered %s", got.raw)
	}
	id := got.JobID
	if got.Data != nil {
		id = got.Data.JobID
	}
	d := th.callbackOf(t, id)
	return callback.Delivery{ID: d.ID, JobID: d.JobID, URL: d.URL, Attempt: d.Attempt, CreatedAt: d.CreatedAt}
}

// transformed is an attempt with the stored body.
func (th *theatre) transformed(ctx context.Context, d callback.Delivery) (callback.Message, error) {
	stored, err := th.journal.OpenBody(context.Background(), d.ID)
	if err != nil {
		return callback.Message{}, err
	}
	defer stored.Close()
	return th.TransformCallback(ctx, d, stored)
}

// TestCallbackIsWhatPluginsMade: headers and body of each attempt, with what changed for the record, made of the output as
// the response phase left it.
func TestCallbackIsWhatPluginsMade(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{},
		on(wasm.PhaseResponse, "redact", "ps*"),
		on(wasm.PhaseCallback, "token", "=/headers/Authorization='Bearer hunter2'"),
		on(wasm.PhaseCallback, "body", "=/body/kwargs/note='<new>'").but(func(p *wasm.Plugin) { p.KeepText = true }))
	d := th.due(t, "echo secret '<&>'")
	got, err := th.transformed(t.Context(), d)
	if err != nil || string(got.Body) != `{"kwargs":{"stdout":"*ecret \u003c\u0026\u003e\n","stderr":"","note":"<new>"}}` || got.Header.Get("Authorization") != "Bearer hunter2" {
		t.Fatalf("sends %s, %v, %v", got.Body, got.Header, err)
	}
	var changes []wasm.Change
	if err := json.Unmarshal([]byte(got.Changes), &changes); err != nil || len(changes) != 2 || !slices.Equal(changes[0].Fields, []string{"headers"}) || changes[0].AfterText != "" || changes[1].AfterText == "" {
		t.Errorf("the changes are %s, %v", got.Changes, err)
	}
	for _, secret := range []string{"hunter2", "secret"} {
		if strings.Contains(th.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// TestCallbackIsSentAsItIs where no plugin is meant, or none changes anything: byte for byte.
func TestCallbackIsSentAsItIs(t *testing.T) {
	t.Parallel()
	elsewhere := on(wasm.PhaseCallback, "elsewhere", "t")
	elsewhere.selector = wasm.Selector{MatchLabels: map[string]string{"callback.host": "other.test"}}
	sets := [][]play{nil, {elsewhere}, {on(wasm.PhaseCallback, "idle", "")}}
	for _, fails := range []string{"t", "=/attempt=7", "=/headers/Host='elsewhere.test'", "=/headers=null", "=/more='x'", "-/body", "w{}"} {
		sets = append(sets, []play{on(wasm.PhaseCallback, "p", fails).but(func(p *wasm.Plugin) { p.Failure = wasm.FailureSkip })})
	}
	for _, plays := range sets {
		th := newTheatre(t, theatreOptions{}, plays...)
		d := th.due(t, `printf '<\200>'`)
		got, err := th.transformed(t.Context(), d)
		if err != nil || got.Body != nil || got.Header != nil || got.Changes != "" {
			t.Errorf("sends %s, %v, %q, %v", got.Body, got.Header, got.Changes, err)
		}
	}
}

// TestFailingCallbackPlugin: nothing is sent, and the attempt's error names the plugin and how it failed.
func TestFailingCallbackPlugin(t *testing.T) {
	t.Parallel()
	all := slices.Concat(failures, []struct{ script, kind string }{
		{"d403no", "abi"}, {"v2", "abi"}, {"=/url='http://elsewhere.test/'", "change"}, {"=/attempt=7", "change"},
		{"=/headers/Host='elsewhere.test'", "change"}, {"=/headers/X-Sidegate-Delivery='1'", "change"}, {"=/headers/content-length='1'", "change"},
		{"=/headers/A B='1'", "change"}, {`=/headers/A=1`, "change"}, {"=/headers/content-type='text/html'", "change"},
	})
	var plays []play
	for _, f := range all {
		plays = append(plays, on(wasm.PhaseCallback, "", f.script).but(short(f.kind)))
	}
	th := newTheatreForEach(t, plays)
	for i, f := range all {
		got, err := th.transformed(t.Context(), th.dueAs(t, fmt.Sprintf("c%d", i), "echo hunter2"))
		if err == nil || err.Error() != fmt.Sprintf("plugin p%d failed (%s)", i, f.kind) {
			t.Errorf("%s: sends %s, %v, want %s", f.script, got.Body, err, f.kind)
		}
		if got.Body != nil || got.Header != nil || got.Changes != "" {
			t.Errorf("%s: it left %+v", f.script, got)
		}
	}
	if log := th.log.String(); strings.Contains(log, "hunter2") || strings.Count(log, `"msg":"a callback was not sent, because of a plugin"`) != len(all) {
		t.Errorf("the log is %s", log)
	}
}

// TestCallbackOfAGatewayThatStops: its attempt is not sent, and no plugin is blamed.
func TestCallbackOfAGatewayThatStops(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseCallback, "p", "=/headers/A='1'"))
	d := th.due(t, "true")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got, err := th.transformed(ctx, d); err == nil {
		t.Errorf("sends %+v", got)
	}
	if log := th.log.String(); strings.Contains(log, "a plugin failed") {
		t.Errorf("the log is %s", log)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if got, err := th.transformed(late, d); err == nil {
		t.Errorf("sends %+v", got)
	}
	if err := th.plugins.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := th.transformed(t.Context(), d); err == nil {
		t.Errorf("without plugins it sends %+v", got)
	}
}

// TestCallbackWithoutItsJob: what cannot be read is not sent past the plugins.
func TestCallbackWithoutItsJob(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseCallback, "p", "=/headers/A='1'"))
	d := th.due(t, "true")
	d.JobID = newID()
	if got, err := th.transformed(t.Context(), d); err == nil {
		t.Errorf("sends %+v", got)
	}
	l := accepted(t, th.Gateway, "true") // asked for no callback
	d.JobID = l.request.ID
	if got, err := th.transformed(t.Context(), d); err == nil {
		t.Errorf("sends %+v", got)
	}
}

// TestCallbackOfWithheldOutput: what the response phase withheld does not reach plugins of the callback phase.
func TestCallbackOfWithheldOutput(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseResponse, "r", "t"), on(wasm.PhaseCallback, "c", "=/headers/A='1'").but(func(p *wasm.Plugin) { p.KeepText = true }))
	got, err := th.transformed(t.Context(), th.due(t, "cat "+secretFile(t, "hunter2")))
	if err != nil || strings.Contains(string(got.Body)+got.Changes, "hunter2") || !strings.Contains(string(got.Body), "withheld") {
		t.Errorf("sends %s, %s, %v", got.Body, got.Changes, err)
	}
	th.nowhere(t, "hunter2")
}

// TestChainsAreForOperators: GET /v1/chains is on the admin listener only, and shows no configuration.
func TestChainsAreForOperators(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, theatreOptions{}, on(wasm.PhaseRequest, "p", "=/labels/a='hunter2'"), on(wasm.PhaseCallback, "c", "t;hunter2"))
	ask := func(h http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := ask(th.Handler(), "/v1/chains"); code != http.StatusUnauthorized {
		t.Errorf("callers get %d", code)
	}
	d := th.due(t, "true")
	for range 2 * wasm.DefaultBreakAfter {
		if _, err := th.transformed(t.Context(), d); err == nil {
			t.Error("it did not fail")
		}
	}
	code, text := ask(th.AdminHandler(), "/v1/chains")
	var reply struct {
		Generation int
		Stages     []struct{ Name, Phase string }
		Plugins    []struct {
			Name    string
			Healthy bool
		}
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil || code != http.StatusOK || strings.Contains(text, "hunter2") {
		t.Fatalf("answered %d %s, %v", code, text, err)
	}
	if reply.Generation != 1 || len(reply.Plugins) != 2 || !reply.Plugins[0].Healthy || reply.Plugins[1].Healthy {
		t.Errorf("answered %s", text)
	}
	var order []string
	for _, s := range reply.Stages {
		if s.Phase == "request" {
			order = append(order, s.Name)
		}
	}
	if got := strings.Join(order, " "); got != "verify decode p analyze decide tighten commit" {
		t.Errorf("the order is %s", got)
	}
	// A plugin that keeps failing is noted, and the gateway is ready all the same.
	th.SetReloadProblem(journal.ErrNotFound)
	code, text = ask(th.AdminHandler(), "/readyz")
	if code != http.StatusOK || !strings.Contains(text, "it keeps failing: trap") || !strings.Contains(text, journal.ErrNotFound.Error()) || strings.Contains(text, "hunter2") {
		t.Errorf("answered %d %s", code, text)
	}
	th.SetReloadProblem(nil)
	if _, text = ask(th.AdminHandler(), "/readyz"); strings.Contains(text, "reload") {
		t.Errorf("answered %s", text)
	}
}
