package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/sidegate/sidegate/internal/seed"
)

// decodeJSON decodes as an evaluation's answer, which holds json.Number.
func decodeJSON(text string) (Decision, error) {
	var answer any
	if err := util.UnmarshalJSON([]byte(text), &answer); err != nil {
		return Decision{}, err
	}
	return decode(answer)
}

func withObligations(obligations string) string {
	return `{"allow": true, "grants": [], "reasons": [], "obligations": ` + obligations + `}`
}

const everyObligation = `{"mode": "direct", "profile": "confined", "best_effort": true, "timeout": "1h30m", "max_output": "1MiB",
	"run_as": "nobody", "limits": {"memory": "256MiB", "pids": 64, "cpu_seconds": 60, "open_files": 256, "file_size": "1GiB"},
	"filesystem": {"read": ["/srv", "/"], "write": [], "read_if_present": ["/run/log"], "execute": ["gzip", "/usr/lib/git-core"]}, "network": "none",
	"env": {"set": {"GIT_PAGER": "cat"}, "pass": ["LANG"]}, "on_disconnect": "kill"}`

func TestDecodeWhole(t *testing.T) {
	t.Parallel()
	want := Decision{
		Allow: true, Grants: []string{"g"}, Reasons: []string{},
		Obligations: Obligations{
			Mode: "direct", Profile: "confined", BestEffort: true, Timeout: 90 * time.Minute, MaxOutput: 1 << 20, RunAs: "nobody",
			Limits:     Limits{Memory: 256 << 20, PIDs: 64, CPUSeconds: 60, OpenFiles: 256, FileSize: 1 << 30},
			Filesystem: &Filesystem{Read: []string{"/srv", "/"}, Write: []string{}, ReadIfPresent: []string{"/run/log"}, Execute: []string{"gzip", "/usr/lib/git-core"}},
			Network:    "none", Env: Env{Set: map[string]string{"GIT_PAGER": "cat"}, Pass: []string{"LANG"}}, OnDisconnect: "kill",
		},
	}
	got, err := decodeJSON(strings.Replace(withObligations(everyObligation), `"grants": []`, `"grants": ["g"]`, 1))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, error %v", got, err)
	}
	none, err := decodeJSON(withObligations(`{}`))
	if err != nil || !reflect.DeepEqual(none.Obligations, Obligations{}) {
		t.Errorf("got %+v, error %v", none, err)
	}
	empty, err := decodeJSON(withObligations(`{"filesystem": {}}`))
	if err != nil || empty.Obligations.Filesystem == nil {
		t.Errorf("an empty filesystem was taken for an absent one: %+v, error %v", empty, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`:   "decision must be an object",
		`{}`:   "decision.allow is missing",
		`true`: "decision must be an object",
		`{"allow": true, "reasons": [], "obligations": {}}`:                                "decision.grants is missing",
		`{"allow": true, "grants": [], "obligations": {}}`:                                 "decision.reasons is missing",
		`{"allow": true, "grants": [], "reasons": []}`:                                     "decision.obligations is missing",
		`{"allow": true, "grants": null, "reasons": [], "obligations": {}}`:                "decision.grants must be an array of strings",
		`{"allow": true, "grants": [1], "reasons": [], "obligations": {}}`:                 "decision.grants must be an array of strings",
		`{"allow": 1, "grants": [], "reasons": [], "obligations": {}}`:                     "decision.allow must be true or false",
		`{"allow": null, "grants": [], "reasons": [], "obligations": {}}`:                  "decision.allow must be true or false",
		`{"allow": true, "grants": [], "reasons": ["no"], "obligations": {}}`:              "allows and gives 1 reasons",
		`{"allow": true, "grants": [], "reasons": [], "obligations": {}, "Allow": 1}`:      `decision."Allow" is unknown`,
		`{"allow": true, "grants": [], "reasons": [], "obligations": {}, "revision": "a"}`: `decision."revision" is unknown`,
		`{"allow": true, "grants": [], "reasons": [], "obligations": {}, "fault": ""}`:     `decision."fault" is unknown`,
		withObligations(`null`):                                         "decision.obligations must be an object",
		withObligations(`[]`):                                           "decision.obligations must be an object",
		withObligations(`{"Mode": "direct"}`):                           `"Mode" is unknown`,
		withObligations(`{"mode": ""}`):                                 "mode must be a non-empty string",
		withObligations(`{"mode": null}`):                               "mode must be a non-empty string",
		withObligations(`{"mode": "Direct"}`):                           "mode must be one of direct, shell",
		withObligations(`{"profile": "none"}`):                          "profile must be one of host, confined, isolated",
		withObligations(`{"network": "host"}`):                          "network must be one of none, netlink, full",
		withObligations(`{"on_disconnect": "ignore"}`):                  "on_disconnect must be one of",
		withObligations(`{"best_effort": "false"}`):                     "best_effort must be true or false",
		withObligations(`{"best_effort": null}`):                        "best_effort must be true or false",
		withObligations(`{"timeout": "30"}`):                            "timeout must be a duration",
		withObligations(`{"timeout": "0s"}`):                            "timeout must be a duration",
		withObligations(`{"timeout": "-1s"}`):                           "timeout must be a duration",
		withObligations(`{"timeout": "+1s"}`):                           "timeout must be a duration",
		withObligations(`{"timeout": "0.0000001ms"}`):                   "timeout must be a duration",
		withObligations(`{"timeout": "9999999999h"}`):                   "timeout must be a duration",
		withObligations(`{"max_output": "1 MiB"}`):                      "max_output must be a size",
		withObligations(`{"max_output": "1.5MiB"}`):                     "max_output must be a size",
		withObligations(`{"max_output": "10"}`):                         "max_output must be a size",
		withObligations(`{"max_output": "0B"}`):                         "max_output must be a size",
		withObligations(`{"max_output": "-1B"}`):                        "max_output must be a size",
		withObligations(`{"max_output": "8388608TiB"}`):                 "max_output must be a size", // 2^63
		withObligations(`{"max_output": "999999999999TiB"}`):            "max_output must be a size",
		withObligations(`{"max_output": 1048576}`):                      "max_output must be a non-empty string",
		withObligations(`{"run_as": "root:root"}`):                      "run_as must be a user name",
		withObligations(`{"run_as": "a b"}`):                            "run_as must be a user name",
		withObligations(`{"limits": []}`):                               "limits must be an object",
		withObligations(`{"limits": null}`):                             "limits must be an object",
		withObligations(`{"limits": {"cpu": 1}}`):                       `limits."cpu" is unknown`,
		withObligations(`{"limits": {"pids": 0}}`):                      "limits.pids must be a whole number above 0",
		withObligations(`{"limits": {"pids": -1}}`):                     "limits.pids must be a whole number above 0",
		withObligations(`{"limits": {"pids": 1.5}}`):                    "limits.pids must be a whole number above 0",
		withObligations(`{"limits": {"pids": 1e3}}`):                    "limits.pids must be a whole number above 0",
		withObligations(`{"limits": {"pids": "64"}}`):                   "limits.pids must be a whole number above 0",
		withObligations(`{"limits": {"pids": 9223372036854775808}}`):    "limits.pids must be a whole number above 0",
		withObligations(`{"filesystem": {"read": ["srv"]}}`):            "read must hold absolute, cleaned paths",
		withObligations(`{"filesystem": {"read": ["/srv/../etc"]}}`):    "read must hold absolute, cleaned paths",
		withObligations(`{"filesystem": {"write": ["/srv/"]}}`):         "write must hold absolute, cleaned paths",
		withObligations(`{"filesystem": {"write": ["/a\u0000b"]}}`):     "write must hold absolute, cleaned paths",
		withObligations(`{"filesystem": {"write": "/srv"}}`):            "write must be an array of strings",
		withObligations(`{"filesystem": {"exec": []}}`):                 `filesystem."exec" is unknown`,
		withObligations(`{"filesystem": {"read_if_present": ["run"]}}`): "read_if_present must hold absolute, cleaned paths",
		withObligations(`{"filesystem": {"execute": ["bin/sh"]}}`):      "execute must hold names of programs and absolute, cleaned paths",
		withObligations(`{"filesystem": {"execute": [".."]}}`):          "execute must hold names of programs and absolute, cleaned paths",
		withObligations(`{"filesystem": {"execute": [""]}}`):            "execute must hold names of programs and absolute, cleaned paths",
		withObligations(`{"filesystem": {"execute": ["/bin/"]}}`):       "execute must hold names of programs and absolute, cleaned paths",
		withObligations(`{"filesystem": {"execute": ["a\u0000b"]}}`):    "execute must hold names of programs and absolute, cleaned paths",
		withObligations(`{"env": {"set": {"A=B": "c"}}}`):               "set must have keys that are names of environment variables",
		withObligations(`{"env": {"set": {"": "c"}}}`):                  "set must have keys that are names of environment variables",
		withObligations(`{"env": {"set": {"A": "b\u0000c"}}}`):          "set must have values without NUL",
		withObligations(`{"env": {"set": {"A": 1}}}`):                   "set must be an object of strings",
		withObligations(`{"env": {"set": ["A"]}}`):                      "set must be an object of strings",
		withObligations(`{"env": {"pass": ["*"]}}`):                     "pass must hold names of environment variables",
		withObligations(`{"env": {"unset": []}}`):                       `env."unset" is unknown`,
	} {
		d, err := decodeJSON(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
		if !reflect.DeepEqual(d, Decision{}) {
			t.Errorf("%s: an error, and the decision %+v", text, d)
		}
	}
}

func TestDecodeBoundsSizes(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", maxString+1) + `"`
	many := `[` + strings.Repeat(`"x",`, maxItems) + `"x"]`
	for _, text := range []string{
		`{"allow": false, "grants": [], "reasons": [` + long + `], "obligations": {}}`,
		`{"allow": false, "grants": ` + many + `, "reasons": [], "obligations": {}}`,
		withObligations(`{"env": {"set": {"A": ` + long + `}}}`),
	} {
		if _, err := decodeJSON(text); err == nil {
			t.Errorf("accepted %.60s…", text)
		}
	}
}

// What is written for a journal is what the policy said.
func TestObligationsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range []string{everyObligation, `{}`, `{"filesystem": {}}`, `{"max_output": "1025B", "timeout": "1.5s"}`, `{"env": {"set": {"A": ""}}}`} {
		d, err := decodeJSON(withObligations(text))
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(d.Obligations)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeJSON(withObligations(string(encoded)))
		if err != nil || !equalObligations(again.Obligations, d.Obligations) {
			t.Errorf("%s became %s, error %v", text, encoded, err)
		}
	}
}

func equalObligations(a, b Obligations) bool {
	left, errA := json.Marshal(a)
	right, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(left) == string(right)
}

// FuzzDecode: whatever a policy answers, the decoder allows only what says so
// and what schemas/decision.json accepts, and an error never comes with a
// decision.
func FuzzDecode(f *testing.F) {
	schema, err := os.ReadFile("../schemas/decision.json")
	if err != nil {
		f.Fatal(err)
	}
	conforms, err := rego.New(rego.Query(`json.match_schema(input.answer, input.schema)[0]`)).PrepareForEval(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		fine, `true`, `null`, `[` + fine + `]`, withObligations(everyObligation), withObligations(`{"timeout": "1h1h0.5s"}`),
		withObligations(`{"max_output": "000000000000001B"}`), `{"allow": true, "allow": false, "grants": [], "reasons": [], "obligations": {}}`,
		`{"allow": false, "grants": ["a"], "reasons": ["b"], "obligations": {"run_as": "é"}}`,
	} {
		f.Add(text)
	}
	for _, text := range seed.Corpus(f, "FuzzDecode") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var answer any
		if err := util.UnmarshalJSON([]byte(text), &answer); err != nil {
			t.Skip("not JSON, which no evaluation answers")
		}
		d, err := decode(answer)
		if err != nil {
			if !reflect.DeepEqual(d, Decision{}) {
				t.Fatalf("%s: error %v with %+v", text, err, d)
			}
			return
		}
		said, ok := answer.(map[string]any)["allow"].(bool)
		if !ok || said != d.Allow || d.Allow == (len(d.Reasons) > 0) {
			t.Fatalf("%s: decoded to %+v", text, d)
		}
		rs, err := conforms.Eval(t.Context(), rego.EvalInput(map[string]any{"answer": answer, "schema": string(schema)}))
		if err != nil || len(rs) != 1 || rs[0].Expressions[0].Value != true {
			t.Fatalf("%s: accepted against the schema (%v, %v)", text, rs, err)
		}
		encoded, err := json.Marshal(d.Obligations)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeJSON(withObligations(string(encoded)))
		if err != nil || !equalObligations(again.Obligations, d.Obligations) {
			t.Fatalf("%s: written as %s, read with error %v", text, encoded, err)
		}
	})
}
