package wasm

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm/guest"
)

// noRoot is a rule that a message must keep beside those of this package, and a record of what was asked.
type noRoot struct{ asked []string }

func (n *noRoot) valid(text []byte) error {
	n.asked = append(n.asked, string(text))
	if strings.Contains(string(text), "root") {
		return errors.New("it says root")
	}
	return nil
}

// changeOf is a message of each phase with a member that plugins may change, made to say value.
func changeOf(phase Phase, value string) (message, changed string) {
	switch phase {
	case PhaseRequest:
		return plainRequest, strings.Replace(plainRequest, `"git status"`, `"`+value+`"`, 1)
	case PhaseResponse:
		return aResponse, strings.Replace(aResponse, `"annotations":{}`, `"annotations":{"a":"`+value+`"}`, 1)
	}
	return aCallback, strings.Replace(aCallback, `"body":{`, `"body":{"a":"`+value+`",`, 1)
}

// TestInvalidResultIsThePluginsFault: what whoever reads the outcome would refuse is charged to the plugin that made it, in
// every phase, and not to those around it.
func TestInvalidResultIsThePluginsFault(t *testing.T) {
	t.Parallel()
	for _, phase := range phases {
		for _, failure := range []FailureMode{FailureDeny, FailureSkip} {
			if phase == PhaseResponse && failure == FailureSkip {
				continue // there is no such plugin
			}
			t.Run(string(phase)+" "+string(failure), func(t *testing.T) {
				t.Parallel()
				message, good := changeOf(phase, "good")
				_, bad := changeOf(phase, "root")
				_, last := changeOf(phase, "last")
				b := newBench(t, map[string]behaviour{"good": writes(good), "bad": {phases: []Phase{phase}, call: writes(bad).call}, "last": writes(last)})
				set := b.chainOf(phase, "good", "bad", "last")
				set.Plugins[1].Failure = failure
				b.load(set)
				for range DefaultBreakAfter {
					var rules noRoot
					out, err := b.run(phase, Message{JSON: []byte(message), Valid: rules.valid, Metadata: Metadata{Client: Party{Name: "x"}}})
					if failure == FailureSkip {
						if err != nil || !slices.Equal(out.Skipped, []string{"bad"}) || !slices.Equal(out.ChangedBy, []string{"good", "last"}) || string(out.JSON) != last {
							t.Fatalf("got %+v, %v", out, err)
						}
						if !slices.Equal(rules.asked, []string{good, bad, last}) {
							t.Errorf("asked about %q", rules.asked)
						}
						continue
					}
					want := "plugin bad: " + string(phase) + ": change: made a " + string(phase) + " that is not valid: it says root"
					if err == nil || err.Error() != want || out.JSON != nil || !slices.Equal(out.ChangedBy, []string{"good"}) {
						t.Fatalf("got %+v, %v\nwant %s", out, err, want)
					}
				}
				for _, s := range b.Status() {
					blamed := s.Name == "bad"
					if (s.Failures[KindChange] == DefaultBreakAfter) != blamed || (s.OpenFor == 1) != blamed || s.Healthy == blamed || strings.Contains(s.LastFailure, "it says root") != blamed {
						t.Errorf("status %+v", s)
					}
				}
			})
		}
	}
}

// TestValidIsAskedOfChangesOnly: a message that is as it came costs nothing, and the caller's own faults are no plugin's.
func TestValidIsAskedOfChangesOnly(t *testing.T) {
	t.Parallel()
	says := strings.Replace(plainRequest, "git status", "root", 1) // by the caller
	verdict := func(v Verdict) behaviour {
		return behaviour{call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.NewMessage, x.MessageReplaced = []byte("{}"), true
			return v, nil
		}}
	}
	for _, tt := range []struct {
		name  string
		phase Phase
		does  behaviour
		fails Kind
	}{
		{"nothing written", PhaseRequest, behaviour{}, ""},
		{"the same written", PhaseRequest, writes(says), ""},
		{"the same meant", PhaseRequest, writes(strings.Replace(says, `"command":"root"`, `"command" : "r\u006fot"`, 1)), ""},
		{"what may not change", PhaseRequest, writes(strings.Replace(says, `"C"`, `"D"`, 1)), KindChange},
		{"no message", PhaseRequest, writes("root"), guest.KindABI},
		{"deny", PhaseRequest, verdict(Deny), ""},
		{"answer", PhaseRequest, verdict(Answer), ""},
		{"output", PhaseResponse, behaviour{call: func(_ string, x *guest.Exchange) (Verdict, error) {
			x.NewStdout, x.StdoutReplaced = []byte("root"), true
			return Continue, nil
		}}, ""},
	} {
		b := newBench(t, map[string]behaviour{"p": tt.does})
		set := b.chainOf(tt.phase, "p")
		set.Plugins[0].MayChange = []string{"command"}
		b.load(set)
		var rules noRoot
		m := Message{JSON: []byte(says), Valid: rules.valid}
		if tt.phase == PhaseResponse {
			m.JSON = []byte(aResponse)
		}
		if _, err := b.run(tt.phase, m); kindOf(err) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if rules.asked != nil {
			t.Errorf("%s: asked about %q", tt.name, rules.asked)
		}
	}
}
