package gateway

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/wasm"
)

// TestRequestMessage: what plugins see of an order is all that they may change of it, and comes back as it was.
func TestRequestMessage(t *testing.T) {
	t.Parallel()
	dest, err := callback.ParseDestination("http://func.test:8088/api?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		order Order
		want  string
	}{
		{Order{Command: "echo <&> \u2028"}, `{"command":"echo <&> \u2028","argv":null,"workdir":"","env":{},"labels":{},"callback":null}`},
		{
			Order{Argv: []string{"ls", ""}, Workdir: "/srv", Env: []Variable{{"Z", "1"}, {"A", "2\n"}}, Labels: map[string]string{"b": "c"}, Callback: &dest},
			`{"command":null,"argv":["ls",""],"workdir":"/srv","env":{"Z":"1","A":"2\n"},"labels":{"b":"c"},"callback":"http://func.test:8088/api?x=1"}`,
		},
	} {
		got, err := requestMessage(tt.order)
		if err != nil || string(got) != tt.want {
			t.Errorf("the message is\n%s, %v\nwant\n%s", got, err, tt.want)
			continue
		}
		back, err := decodeRequestMessage(got)
		if len(back.Labels) == 0 {
			back.Labels = nil
		}
		if err != nil || !reflect.DeepEqual(back, tt.order) {
			t.Errorf("%s comes back as %+v, %v", got, back, err)
		}
	}
}

// TestRequestMessageRefuses: what a plugin makes of a request is held to the rules of callers.
func TestRequestMessageRefuses(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"command": `"ls"`, "argv": "null", "workdir": `""`, "env": "{}", "labels": "{}", "callback": "null"}
	for _, tt := range []struct{ member, value, want string }{
		{"command", "null", "command: exactly one of command and argv must not be null"},
		{"argv", `["ls"]`, "command: exactly one of command and argv must not be null"},
		{"argv", `[]`, "argv: must hold at least the program's name"},
		{"command", "", "message: must have all of its members"},
		{"workdir", `"srv"`, "workdir: must be an absolute path"},
		{"workdir", "null", "workdir: must be a string, not null"},
		{"env", `{"A=B":"1"}`, "env.A=B: the name of a variable must be letters, digits and _, and not begin with a digit"},
		{"env", `{"A":1}`, "env.A: must be a string, not a number"},
		{"env", `{"A":"1","A":"2"}`, "env.A: is given twice"},
		{"env", `["A=B"]`, "env: must be an object, not a list"},
		{"labels", `{"":"x"}`, "labels.: must be a short name with a short value"},
		{"callback", `"http://u@h/"`, "callback: "},
		{"stdin", `"x"`, "stdin: is not a field of this object"},
	} {
		var members []string
		for _, name := range []string{"command", "argv", "workdir", "env", "labels", "callback", "stdin"} {
			value := whole[name]
			if name == tt.member {
				value = tt.value
			}
			if value != "" {
				members = append(members, `"`+name+`":`+value)
			}
		}
		message := "{" + strings.Join(members, ",") + "}"
		_, err := decodeRequestMessage([]byte(message))
		var field *FieldError
		if !errors.As(err, &field) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want %s", message, err, tt.want)
		}
	}
}

// FuzzRequestMessage: nothing that a plugin writes panics, and what is taken says the same when it is shown to the next
// plugin.
func FuzzRequestMessage(f *testing.F) {
	f.Add([]byte(`{"command":"ls","argv":null,"workdir":"","env":{},"labels":{},"callback":null}`))
	f.Add([]byte(`{"command":null,"argv":["ls"],"workdir":"/srv","env":{"A":"\ud83d\ude00"},"labels":{"a":"b"},"callback":"http://a:1/b"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		order, err := decodeRequestMessage(message)
		if err != nil {
			return
		}
		shown, err := requestMessage(order)
		if err != nil {
			t.Fatalf("%q was taken and cannot be shown: %v", message, err)
		}
		again, err := decodeRequestMessage(shown)
		if err != nil || !reflect.DeepEqual(again, order) {
			t.Fatalf("%q became %+v, and then %+v, %v", message, order, again, err)
		}
	})
}

// TestDenialOfPlugin: a plugin's own words and number reach the caller, and nothing that plays tricks on a terminal.
func TestDenialOfPlugin(t *testing.T) {
	t.Parallel()
	g := &Gateway{}
	for _, tt := range []struct {
		code   int
		reason string
		status int
		want   string
	}{
		{401, "no token", 401, "plugin auth denies the request: no token"},
		{403, "a\x1b[31mb", 403, "plugin auth denies the request: a\uFFFD[31mb"},
		{429, "", 429, "plugin auth denies the request"},
		{503, "later", 503, "plugin auth denies the request: later"},
		{200, "odd", 403, "plugin auth denies the request: odd"},
	} {
		e := g.deniedByPlugin(wasm.Outcome{Plugin: "auth", Code: tt.code, Reason: tt.reason})
		if e.Status() != tt.status || e.Message != tt.want || e.DecisionID == "" || e.undecided() {
			t.Errorf("%d %q became %d %+v", tt.code, tt.reason, e.Status(), e)
		}
	}
}
