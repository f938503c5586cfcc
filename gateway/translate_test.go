package gateway

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// TestShellInputLosesNothing compares the JSON of the analyzer's words with that of the policy's, over command lines that
// use every part of an analysis: a field that only one side knows shows here.
func TestShellInputLosesNothing(t *testing.T) {
	t.Parallel()
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"", "ls -l", "ls (", "ls\x00", "A=b B=$c ls > x 2>&1 < /dev/tcp/h/1 | sudo env X=y sh -c 'cat <<< z' &", "f() { ls; }; for x in a; do f; done",
		"cat <<E\n$(x)\nE\n", "[[ a == b ]] && ((x=1)) || let y=2", "export LD_PRELOAD=x", "find / -exec rm {} +", "echo {1..3} ~ * ${x@P} <(y)",
	} {
		a := analyzer.Analyze(command, "/")
		if got, want := object(t, shellInput(a)), object(t, a); !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\nthe policy sees %v\nthe analysis is %v", command, got, want)
		}
	}
}

func object(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestInputNamesTheDangerousVariables(t *testing.T) {
	t.Parallel()
	req := Request{Order: Order{Env: []Variable{{"LANG", "C"}, {"LD_PRELOAD", "/x"}, {"BASH_ENV", "/y"}}}}
	in := inputOf(req, "", shell.Analysis{}, policy.Host{})
	if want := []string{"BASH_ENV", "LD_PRELOAD"}; !reflect.DeepEqual(in.Request.EnvDangerous, want) {
		t.Errorf("got %v, want %v", in.Request.EnvDangerous, want)
	}
	if len(in.Request.Env) != 3 {
		t.Errorf("got %v", in.Request.Env)
	}
}

func TestCallbackBodyHasTwoKeys(t *testing.T) {
	t.Parallel()
	killed := executor.Result{Status: executor.StatusKilled}
	with := func(r executor.Result, stdout, stderr string) conclusion {
		r.Stdout, r.Stderr = executor.OutputOf([]byte(stdout)), executor.OutputOf([]byte(stderr))
		return conclusion{Result: r}
	}
	for _, tt := range []struct {
		c    conclusion
		want string
	}{
		{conclusion{}, `{"kwargs":{"stdout":"","stderr":""}}`},
		{with(executor.Result{}, "a\xffb\n", "中"), `{"kwargs":{"stdout":"a\ufffdb\n","stderr":"中"}}`},
		{conclusion{Result: killed}, `{"kwargs":{"stdout":"","stderr":"sidegate: the command was ended before it was done\n"}}`},
		{with(killed, "", "a"), `{"kwargs":{"stdout":"","stderr":"a\nsidegate: the command was ended before it was done\n"}}`},
		{with(killed, "", "a\n"), `{"kwargs":{"stdout":"","stderr":"a\nsidegate: the command was ended before it was done\n"}}`},
	} {
		var got, again strings.Builder
		n, err := callbackBody{c: tt.c}.WriteTo(&got)
		if _, err := (callbackBody{c: tt.c}).WriteTo(&again); err != nil || again.String() != got.String() {
			t.Errorf("a second time it is %s, %v", again.String(), err)
		}
		same := strings.ReplaceAll(got.String(), "\ufffd", `\ufffd`) == tt.want
		if err != nil || n != int64(got.Len()) || !same {
			t.Errorf("got %s (%d bytes), %v; want %s", got.String(), n, err, tt.want)
		}
	}
}

// TestCallbackBodyHasMoreKeysWhereAsked: only those that the client's configuration names, whatever their order there.
func TestCallbackBodyHasMoreKeysWhereAsked(t *testing.T) {
	t.Parallel()
	began := time.Unix(1, 0)
	killed := executor.Result{Status: executor.StatusSignaled, ExitCode: 137, Signal: "SIGKILL", Truncated: true, Started: began, Ended: began.Add(1500 * time.Millisecond)}
	interrupted := executor.Result{Status: executor.StatusInterrupted}
	for _, tt := range []struct {
		result executor.Result
		names  []string
		want   string
	}{
		{killed, nil, ""}, {killed, []string{"exit_code"}, `,"exit_code":137`}, {killed, []string{"exit_code", "status"}, `,"status":"signaled","exit_code":137`},
		{killed, []string{"signal", "duration_ms", "job_id", "truncated"}, `,"job_id":"j","signal":"SIGKILL","truncated":true,"duration_ms":1500`},
		{interrupted, []string{"status", "exit_code"}, `,"status":"interrupted","exit_code":null`},
	} {
		c := conclusion{Result: tt.result}
		var got, plain strings.Builder
		n, err := callbackBody{c, moreOf("j", c, tt.names)}.WriteTo(&got)
		_, err2 := callbackBody{c: c}.WriteTo(&plain)
		if want := strings.TrimSuffix(plain.String(), "}}") + tt.want + "}}"; err != nil || err2 != nil || got.String() != want || n != int64(len(want)) {
			t.Errorf("%v: got %s (%d), %v; want %s", tt.names, got.String(), n, err, want)
		}
	}
}

func TestOutcomeOwesACallback(t *testing.T) {
	t.Parallel()
	dest, err := callback.ParseDestination("http://172.17.0.1:8088/done?token=x")
	if err != nil {
		t.Fatal(err)
	}
	result := executor.Result{Status: executor.StatusInterrupted}
	o := outcomeOf(Request{ID: "j", Order: Order{Callback: &dest}}, conclusion{Result: result}, nil)
	if o.Callback == nil || o.Callback.URL != "http://172.17.0.1:8088/done?token=x" || o.Callback.DeliveryID == "" {
		t.Errorf("got %+v", o.Callback)
	}
	if o := outcomeOf(Request{ID: "j"}, conclusion{Result: result}, nil); o.Callback != nil {
		t.Error("a callback that nobody asked for")
	}
}

// TestEndingTellsOfMemory: 137 alone may be anybody's SIGKILL.
func TestEndingTellsOfMemory(t *testing.T) {
	t.Parallel()
	for _, oom := range []bool{false, true} {
		text, err := json.Marshal(endingOf(nil, conclusion{Result: executor.Result{ExitCode: 137, Signal: "SIGKILL", OOM: oom}}))
		if err != nil || strings.Contains(string(text), `"oom":true`) != oom {
			t.Errorf("%v: %s, %v", oom, text, err)
		}
	}
}
