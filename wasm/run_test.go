package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

// chainOf is a set of plugins in one chain, in this order.
func (b *workbench) chainOf(phase Phase, names ...string) Set {
	set := Set{Chains: []Chain{{Name: "c", Phase: phase, Plugins: names}}}
	for _, name := range names {
		set.Plugins = append(set.Plugins, b.plugin(name))
	}
	return set
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestRunPassesOn(t *testing.T) {
	t.Parallel()
	second := strings.Replace(plainRequest, "git status", "git log", 1)
	third := strings.Replace(second, `"C"`, `"D"`, 1)
	var saw, metadata string
	b := newBench(t, map[string]behaviour{
		"first": writes(second), "second": {}, "third": writes(third),
		"last": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
			saw, metadata = string(x.Message), string(x.Metadata)
			return Continue, nil
		}},
	})
	set := b.chainOf(PhaseRequest, "first", "second", "third", "last")
	set.Plugins[2].KeepText = true
	b.load(set)
	m := request("func")
	m.Metadata = Metadata{
		Client: Party{Name: "func", Labels: map[string]string{"z": "1", "a": "\"\n\xff"}}, Host: Party{Name: "h"}, JobID: "j", DecisionID: "d",
	}
	out, err := b.run(PhaseRequest, m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"plugin":"last","phase":"request","client":{"name":"func","labels":{"a":"\"\n` + "\ufffd" + `","z":"1"}},` +
		`"host":{"name":"h","labels":{}},"job_id":"j","decision_id":"d"}`
	if saw != third || metadata != want {
		t.Errorf("the last plugin saw %s and %s", saw, metadata)
	}
	if out.Verdict != Continue || string(out.JSON) != third || !slices.Equal(out.ChangedBy, []string{"first", "third"}) {
		t.Errorf("got %+v", out)
	}
	changes := []Change{
		{Plugin: "first", Fields: []string{"command"}, Before: hexOf(plainRequest), After: hexOf(second)},
		{Plugin: "third", Fields: []string{"env"}, Before: hexOf(second), After: hexOf(third), BeforeText: second, AfterText: third},
	}
	if fmt.Sprint(out.Changes) != fmt.Sprint(changes) {
		t.Errorf("got changes %v\nwant %v", out.Changes, changes)
	}
}

func TestRunWithoutPlugins(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.load(Set{})
	m := Message{JSON: []byte("{}"), Stdout: []byte("o"), Stderr: []byte("e")}
	s := b.Select(PhaseResponse, Subject{})
	defer s.Close()
	out, err := s.Run(t.Context(), m)
	if err != nil || !s.Empty() || out.Verdict != Continue || string(out.JSON) != "{}" || string(out.Stdout) != "o" || string(out.Stderr) != "e" {
		t.Errorf("got %+v, %v", out, err)
	}
}

// TestNothingRunsUnknown keeps a host that does not know its plugins from passing anything.
func TestNothingRunsUnknown(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"*": {}})
	try := func(phase Phase, want string) {
		t.Helper()
		s := b.Select(phase, Subject{})
		out, err := s.Run(t.Context(), request("x"))
		if err == nil || err.Error() != want || out.Verdict != Deny || out.JSON != nil || s.Empty() {
			t.Errorf("got %+v, %v, empty %v", out, err, s.Empty())
		}
		s.Close()
		s.Close()
	}
	try(PhaseRequest, ErrNotLoaded.Error())
	b.load(b.chainOf(PhaseRequest, "p"))
	try("tcp", `wasm: there is no phase "tcp"`)
	s := b.Select(PhaseRequest, Subject{})
	s.Close()
	if _, err := s.Run(t.Context(), request("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	try(PhaseRequest, ErrClosed.Error())
	if err := b.Load(t.Context(), Set{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Load after Close: %v", err)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	ends := func(v Verdict, code int) behaviour {
		return behaviour{call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.NewMessage, x.MessageReplaced = []byte("not looked at"), true
			x.NewStdout, x.NewStderr, x.Reason, x.Code = []byte("out"), []byte("err"), "because", code
			return v, nil
		}}
	}
	second := strings.Replace(plainRequest, "git status", "git log", 1)
	for _, test := range []struct {
		name  string
		phase Phase
		does  behaviour
		want  string
	}{
		{"deny", PhaseRequest, ends(Deny, 401), "deny p because 401 out= err= by first"},
		{"deny without a code", PhaseRequest, ends(Deny, 0), "deny p because 403 out= err= by first"},
		{"deny with a code of its own", PhaseRequest, ends(Deny, 200), "deny p because 403 out= err= by first"},
		{"answer", PhaseRequest, ends(Answer, 0), "answer p  0 out=out err=err by first"},
		{"no verdict", PhaseRequest, ends(3, 0), "plugin p: request: abi: returned 3, which is no verdict"},
		{"deny a response", PhaseResponse, ends(Deny, 403), "plugin p: response: abi: its verdict is deny, which is for the request phase"},
		{"answer a callback", PhaseCallback, ends(Answer, 0), "plugin p: callback: abi: its verdict is answer, which is for the request phase"},
	} {
		b := newBench(t, map[string]behaviour{"first": writes(second), "p": test.does, "never": {call: func(string, *guest.Exchange) (Verdict, error) {
			t.Error("a plugin behind it was called")
			return Continue, nil
		}}})
		set := b.chainOf(test.phase, "first", "p", "never")
		if test.phase != PhaseRequest {
			set = b.chainOf(test.phase, "p", "never")
		}
		b.load(set)
		out, err := b.run(test.phase, request("x"))
		got := fmt.Sprintf("%v %s %s %d out=%s err=%s by %s", out.Verdict, out.Plugin, out.Reason, out.Code, out.Stdout, out.Stderr, strings.Join(out.ChangedBy, " "))
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	annotated := strings.Replace(aResponse, `"annotations":{}`, `"annotations":{"redacted":"1"}`, 1)
	b := newBench(t, map[string]behaviour{
		"same": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.NewStdout, x.StdoutReplaced = slices.Clone(x.Stdout), true
			return Continue, nil
		}},
		"redact": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.NewStdout, x.StdoutReplaced = []byte("***"), true
			x.NewMessage, x.MessageReplaced = []byte(annotated), true
			return Continue, nil
		}},
		"empty": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
			if string(x.Stdout) != "***" || string(x.Stderr) != "e" {
				return Deny, fmt.Errorf("saw %s and %s", x.Stdout, x.Stderr)
			}
			x.NewStderr, x.StderrReplaced = nil, true
			return Continue, nil
		}},
	})
	set := b.chainOf(PhaseResponse, "same", "redact", "empty")
	set.Plugins[1].KeepText = true
	b.load(set)
	out, err := b.run(PhaseResponse, Message{JSON: []byte(aResponse), Stdout: []byte("secret"), Stderr: []byte("e")})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.JSON) != annotated || string(out.Stdout) != "***" || len(out.Stderr) != 0 {
		t.Errorf("got %s, %s, %s", out.JSON, out.Stdout, out.Stderr)
	}
	digest := func(parts ...string) string {
		var all []byte
		for _, p := range parts {
			sum := sha256.Sum256([]byte(p))
			all = append(all, sum[:]...)
		}
		return hexOf(string(all))
	}
	want := []Change{
		{Plugin: "redact", Fields: []string{"annotations", "stdout"}, Before: digest(aResponse, "secret", "e"), After: digest(annotated, "***", "e"),
			BeforeText: aResponse, AfterText: annotated},
		{Plugin: "empty", Fields: []string{"stderr"}, Before: digest(annotated, "***", "e"), After: digest(annotated, "***", "")},
	}
	if fmt.Sprint(out.Changes) != fmt.Sprint(want) || strings.Contains(fmt.Sprint(out.Changes), "secret") {
		t.Errorf("got %v\nwant %v", out.Changes, want)
	}
}

// TestOutcomeIsOwned uses the chain again and looks whether the first outcome stays what it was.
func TestOutcomeIsOwned(t *testing.T) {
	t.Parallel()
	var buffer [8]byte
	n := byte('0')
	b := newBench(t, map[string]behaviour{"p": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
		n++
		x.NewStdout, x.StdoutReplaced = append(buffer[:0], "output "...), true
		x.NewStdout = append(x.NewStdout, n)
		return Continue, nil
	}}})
	b.load(b.chainOf(PhaseResponse, "p"))
	first, _ := b.run(PhaseResponse, Message{JSON: []byte(aResponse)})
	second, _ := b.run(PhaseResponse, Message{JSON: []byte(aResponse)})
	if string(first.Stdout) != "output 1" || string(second.Stdout) != "output 2" {
		t.Errorf("got %s and %s", first.Stdout, second.Stdout)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	changesEnv := writes(strings.Replace(plainRequest, `"C"`, `"D"`, 1))
	dropsLabels := writes(strings.Replace(plainRequest, `,"labels":{}`, "", 1))
	hosts := behaviour{call: func(string, *guest.Exchange) (Verdict, error) { return Deny, guest.ErrPhase }}
	for _, test := range []struct {
		name string
		does behaviour
		kind Kind
		text string
	}{
		{"trap", fails, guest.KindTrap, "unreachable executed"},
		{"change", changesEnv, KindChange, "changed env, which its may_change does not list"},
		{"form", dropsLabels, guest.KindABI, "removed the member labels"},
		{"host", hosts, KindHost, guest.ErrPhase.Error()},
	} {
		b := newBench(t, map[string]behaviour{"bad": test.does, "good": writes(strings.Replace(plainRequest, "git status", "git log", 1))})
		set := b.chainOf(PhaseRequest, "bad", "good")
		set.Plugins[0].MayChange = nil
		b.load(set)
		out, err := b.run(PhaseRequest, request("x"))
		var failure *Failure
		if !errors.As(err, &failure) || failure.Plugin != "bad" || failure.Phase != PhaseRequest || failure.Kind != test.kind || failure.Err.Error() != test.text {
			t.Errorf("%s: got %v", test.name, err)
		}
		if out.Verdict != Deny || out.JSON != nil || out.ChangedBy != nil {
			t.Errorf("%s: the outcome is %+v", test.name, out)
		}
		set.Plugins[0].Failure = FailureSkip
		b.does["bad"] = behaviour{phases: []Phase{PhaseRequest}, call: test.does.call}
		set.Plugins[0].Limits.Concurrency = 2 // so that it is loaded again
		b.load(set)
		out, err = b.run(PhaseRequest, request("x"))
		if err != nil || !slices.Equal(out.Skipped, []string{"bad"}) || !slices.Equal(out.ChangedBy, []string{"good"}) || !strings.Contains(string(out.JSON), `git log","argv":null,"workdir":"","env":{"LANG":"C"}`) {
			t.Errorf("%s, skipped: %+v, %v", test.name, out, err)
		}
		if got := b.Status()[0]; got.Failures[test.kind] != 2 || got.Calls != 2 || got.LastFailure != string(test.kind)+": "+test.text {
			t.Errorf("%s: status %+v", test.name, got)
		}
	}
}

// TestMessageIsTheCallersFault keeps a malformed message from counting against a plugin, and from being skipped.
func TestMessageIsTheCallersFault(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"p": {phases: []Phase{PhaseRequest}, call: writes("{}").call}})
	set := b.chainOf(PhaseRequest, "p")
	set.Plugins[0].Failure = FailureSkip
	b.load(set)
	for range 2 * DefaultBreakAfter {
		_, err := b.run(PhaseRequest, Message{JSON: []byte("[]")})
		if failure := (*Failure)(nil); !errors.Is(err, errMessage) || errors.As(err, &failure) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestCancelledIsNotSkipped(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{"p": {phases: []Phase{PhaseRequest}}})
	set := b.chainOf(PhaseRequest, "p")
	set.Plugins[0].Failure = FailureSkip
	b.load(set)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := b.Select(PhaseRequest, Subject{})
	defer s.Close()
	for range 2 * DefaultBreakAfter {
		out, err := s.Run(ctx, request("x"))
		var failure *Failure
		if !errors.As(err, &failure) || failure.Kind != guest.KindCancelled || !errors.Is(err, context.Canceled) || out.Skipped != nil {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	if _, err := s.Run(t.Context(), request("x")); err != nil {
		t.Errorf("after cancelled calls: %v", err)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]behaviour{
		"fetches": {call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.FetchWanted = x.NoFetch
			return Continue, nil
		}},
		"fails": fails,
	})
	b.load(b.chainOf(PhaseRequest, "fetches", "fails"))
	m := request("x")
	m.NoFetch = true
	for range 2 * DefaultBreakAfter {
		out, err := b.run(PhaseRequest, m)
		var failure *Failure
		if !errors.As(err, &failure) || failure.Kind != guest.KindTrap || !out.Incomplete {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	for _, s := range b.Status() {
		if s.Calls != 0 || len(s.Failures) != 0 || !s.Healthy {
			t.Errorf("dry runs were counted: %+v", s)
		}
	}
}
