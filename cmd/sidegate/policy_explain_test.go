package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// word is a static word.
func word(raw string) policy.Word { return policy.Word{Value: &raw, Static: true, Raw: raw} }

func explained(allow bool, reasons []string, commands ...policy.Command) daemon.Explanation {
	return daemon.Explanation{
		Input:    policy.Input{Request: policy.Request{Command: "line"}, Shell: policy.Shell{Class: "compound", Commands: commands}},
		Decision: policy.Decision{Allow: allow, Reasons: reasons, Grants: []string{}},
	}
}

// What a policy tells of commands stands at them; what is told of another decision, or of other commands, does not.
func TestExplanationFitsItsDecision(t *testing.T) {
	t.Parallel()
	two := []policy.Command{
		{ID: 0, Parent: -1, Kind: "simple", Args: []policy.Word{word("a")}},
		{ID: 1, Parent: 0, Kind: "simple", Args: []policy.Word{word("b")}},
	}
	one := authoring.ExplainedCommand{ID: 0, Grants: []string{"r.a"}}
	other := authoring.ExplainedCommand{ID: 1, Reasons: []string{"is not covered"}}
	for name, test := range map[string]struct {
		told *authoring.Explanation
		err  error
		note string // "" when the explanation is taken
	}{
		"the same":               {&authoring.Explanation{Request: []string{"frozen"}, Commands: []authoring.ExplainedCommand{one, other}}, nil, ""},
		"none":                   {nil, nil, "has no rule data.sidegate.explanation"},
		"an error":               {nil, errors.New("broken"), "data.sidegate.explanation failed: broken"},
		"another verdict":        {&authoring.Explanation{Allow: true, Commands: []authoring.ExplainedCommand{one, {ID: 1}}}, nil, "something else than its decision"},
		"too few commands":       {&authoring.Explanation{Request: []string{"frozen"}, Commands: []authoring.ExplainedCommand{one}}, nil, "something else"},
		"commands mixed up":      {&authoring.Explanation{Commands: []authoring.ExplainedCommand{other, one}}, nil, "something else"},
		"a denial of no reasons": {&authoring.Explanation{Commands: []authoring.ExplainedCommand{one, {ID: 1}}}, nil, "something else"},
	} {
		e := newExplanation(explained(false, []string{"command 1 (b) is not covered", "frozen"}, two...), &gate{})
		e.tell(test.told, test.err)
		if test.note == "" {
			if e.Source != fromExplanation || len(e.Notes) > 0 || !slices.Equal(e.Reasons, []string{"frozen"}) ||
				!slices.Equal(e.Commands[0].Grants, one.Grants) || !slices.Equal(e.Commands[1].Reasons, other.Reasons) {
				t.Errorf("%s: %+v", name, e)
			}
			continue
		}
		if e.Source != fromDecision || len(e.Notes) != 1 || !strings.Contains(e.Notes[0], test.note) || len(e.Reasons) != 2 || len(e.Commands[0].Grants) > 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestObserveNote(t *testing.T) {
	t.Parallel()
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if note := observeNote("f", until, until.Add(-1)); note != "f is in observe mode until 2030-01-01T00:00:00Z: a gateway runs what the policy denies all the same, and marks it" {
		t.Error(note)
	}
	if note := observeNote("f", until, until); note != "the observe mode of f is over since 2030-01-01T00:00:00Z: the policy is enforced" {
		t.Error(note)
	}
}

func TestExplanationTree(t *testing.T) {
	t.Parallel()
	path := "/usr/bin/ls"
	e := newExplanation(explained(false, nil,
		policy.Command{
			ID: 0, Parent: -1, Kind: "simple", ArgsStatic: true, ResolvedPath: &path, Args: []policy.Word{word("ls"), word("-l")},
			Assignments: []policy.Assignment{{Name: "A", Value: word("1")}}, Redirects: []policy.Redirect{{Op: ">", FD: "2", Target: word("x")}},
		},
		policy.Command{ID: 1, Parent: 0, Kind: "simple", ArgsStatic: true, Args: []policy.Word{word("\x1b[31m")}, Via: []string{"env"}},
		policy.Command{ID: 2, Parent: -1, Kind: "func", Name: "f", ArgsStatic: true},
	), &gate{})
	e.tell(&authoring.Explanation{Request: []string{"no\ndice"}, Commands: []authoring.ExplainedCommand{
		{ID: 0, Grants: []string{"r.ls"}}, {ID: 1, Reasons: []string{"is refused \x1b[31m"}}, {ID: 2},
	}}, nil)
	e.Commands[1].Places = []authoring.Place{{Key: "k", File: "f\x1b", Line: 3}, {Key: "l", File: "g"}}
	var out strings.Builder
	if err := e.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `line
compound, 3 commands
├─ ✓ 0  A=1 ls -l 2> x  r.ls
│  │    /usr/bin/ls
│  └─ ✗ 1  �[31m           not covered
│          run by env
│          is refused �[31m
│          k is in f�:3
│          l is in g
└─ · 2  f               no grant, and no reason of its own
        func

denied
  no�dice
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &out, want)
	}
}

func TestExplainCommandJSON(t *testing.T) {
	t.Parallel()
	dir := policyDir(t, "p.rego", `package sidegate

decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {"timeout": "5s", "network": "none", "filesystem": {"read": ["/srv"], "write": []}}} if {
	input.client == {"name": "c", "scheme": "func", "key_id": "1", "roles": ["r", "s"], "labels": {}}
	input.request.env == {"A": "b=c"}
	input.request.callback.host == "172.17.0.1"
	input.request.wait == false
}
`)
	out, _, err := runPolicy(t, "", "explain", "--policies", dir, "--client", "c", "--role", "r", "--role", "s", "--env", "A=b=c",
		"--callback", "http://172.17.0.1:8088/x", "--no-wait", "--json", "--", "echo", "two words")
	if err != nil {
		t.Fatalf("error %v, out %s", err, out)
	}
	var got struct {
		Allowed  bool
		Commands []explainedCommand
		Run      *explainedRun
		Input    policy.Input
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Allowed || len(got.Commands) != 1 || got.Commands[0].Text != "echo 'two words'" || got.Input.Request.Command != "echo 'two words'" {
		t.Errorf("got %+v", got)
	}
	if r := got.Run; r == nil || r.Timeout != 5*time.Second || r.Mode != "direct" || r.Network != "none" || !slices.Equal(r.Argv, []string{"echo", "two words"}) || !slices.Equal(r.Read, []string{"/srv"}) {
		t.Errorf("run %+v", r)
	}
	_, _, err = runPolicy(t, "", "explain", "--policies", dir, "--", "echo")
	if exit, ok := err.(*exitError); !ok || exit.code != exitNo {
		t.Errorf("error %v", err)
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	took := make([]time.Duration, 200)
	for i := range took {
		took[i] = time.Duration(200 - i)
	}
	var all, one timing
	all.set(took)
	one.set(took[:1])
	if all.P50 != 100 || all.P99 != 198 || all.Max != 200 || all.Count != 200 || one.P50 != 200 || one.P99 != 200 {
		t.Errorf("all %+v, one %+v", all, one)
	}
}

func TestPolicyBenchCommand(t *testing.T) {
	t.Parallel()
	dir := policyDir(t, "p.rego", `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["no"], "obligations": {}}

decision := {"allow": true, "grants": [], "reasons": [], "obligations": {}} if {
	input.client.roles == ["own"]
	input.request.workdir == "/"
}
`)
	call := `{"command": "ls", "workdir": "/", "client": {"roles": ["own"]}}` + "\n" + `{"command": "ls", "workdir": "/"}` + "\n"
	out, _, err := runPolicy(t, call, "bench", "--policies", dir, "--count", "3", "--json", "-")
	var report benchReport
	if jsonErr := json.Unmarshal([]byte(out), &report); jsonErr != nil || err != nil {
		t.Fatalf("out %s, error %v", out, err)
	}
	if report.Allowed != 1 || report.Denied != 1 || report.Faults != 0 || len(report.Requests) != 2 || report.Total.Count != 6 ||
		!report.Requests[0].Allowed || report.Requests[1].Line != 2 || report.Requests[0].Allocs == 0 || report.Total.P99 <= 0 {
		t.Errorf("report %+v", report)
	}
	// The flags say who asks where the file does not; a whole input is taken as it is.
	whole, _, err := runPolicy(t, "", "explain", "--policies", dir, "--role", "own", "--workdir", "/", "--json", "--", "ls")
	var e struct{ Input json.RawMessage }
	if jsonErr := json.Unmarshal([]byte(whole), &e); jsonErr != nil || err != nil {
		t.Fatalf("out %s, error %v", whole, err)
	}
	line := strings.ReplaceAll(string(e.Input), "\n", "") + "\n" + `{"command": "ls", "workdir": "/"}` + "\n"
	if out, _, err = runPolicy(t, line, "bench", "--policies", dir, "--role", "own", "--count", "1", "-"); err != nil || !strings.Contains(out, "2 allowed, 0 denied") {
		t.Errorf("out %s, error %v", out, err)
	}
	for input, want := range map[string]string{
		"[]\n":                      "-:1: ",
		`{"command": "l", "x": 1}`:  `unknown field "x"`,
		`{"shell": {}, "other": 1}`: `unknown field "other"`,
		`{"command": 1}`:            "-:1: ",
		"":                          "holds no request",
	} {
		if _, _, err := runPolicy(t, input, "bench", "--policies", dir, "-"); !errorHas(err, want) {
			t.Errorf("%s: error %v", input, err)
		}
	}
	if _, _, err := runPolicy(t, "", "bench", "--policies", dir, "--count", "0", "-"); !errorHas(err, "--count") {
		t.Errorf("error %v", err)
	}
}

// A file is replaced whole or not at all, and nothing is left beside it.
func TestWriteBeside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writeBeside(dir+"/a", []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir + "/a")
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("info %v, error %v", info, err)
	}
	if err := os.Mkdir(dir+"/d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeBeside(dir+"/d", []byte("over a directory"), 0o640); err == nil {
		t.Error("a directory was written over")
	}
	if err := os.Symlink("a", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(dir+"/link", []byte("through")); err != nil {
		t.Error(err)
	}
	content, _ := os.ReadFile(dir + "/a")
	entries, _ := os.ReadDir(dir)
	if string(content) != "through" || len(entries) != 3 {
		t.Errorf("content %q, entries %v", content, entries)
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	progress(&out, "half")
	if out.Len() > 0 || isTerminal(io.Discard) {
		t.Errorf("progress %q", out.String())
	}
}
