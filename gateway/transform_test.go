package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/auth"
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

// FuzzCallersRequestIsValid: what callers may send, plugins may leave as it is. So no plugin is charged with what a caller did.
func FuzzCallersRequestIsValid(f *testing.F) {
	f.Add([]byte(`{"command":"ls\u0000","wait":false,"workdir":"/srv/../x","envs":["A=1","B="],"callbackURL":"HTTP://Func.test:080/a%2fb?x=%zz"}`))
	f.Add([]byte(`{"command":"\ud83d\ude00 \u2028<>&","envs":{"A":"=\u001b","_":"\ufffd"}}`))
	f.Add([]byte(`{"argv":["ls","\u0000"],"workdir":"/","env":{"A":"1"},"stdin":"x","timeout":"1s","labels":{"a":"","\u200b":"b"},"callback":{"url":"https://[::1]/"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) (Order, error){decodeOrder, decodeJob} {
			order, err := decode(body)
			if err != nil {
				continue
			}
			shown, err := requestMessage(order)
			if err != nil {
				t.Fatalf("%q was taken and cannot be shown: %v", body, err)
			}
			same, err := Request{Order: order}.remade(shown)
			if len(order.Labels) == 0 {
				same.Labels = order.Labels
			}
			if len(order.Env) == 0 {
				same.Env = order.Env
			}
			if err != nil || !reflect.DeepEqual(same, order) {
				t.Fatalf("%q is %+v, and shown to plugins %+v, %v", body, order, same, err)
			}
		}
	})
}

// TestRemade: what plugins do not see of an order stays as it was, and a NUL character is the mistake of who wrote it.
func TestRemade(t *testing.T) {
	t.Parallel()
	text := "in"
	for _, tt := range []struct {
		name      string
		was, made Order
		want      string
	}{
		{"what is not seen", Order{Command: "a", Wait: true, Stdin: &text, Timeout: 7}, Order{Command: "b"}, ""},
		{"another command", Order{Command: "a\x00"}, Order{Command: "b"}, ""},
		{"the caller's NUL", Order{Command: "a\x00"}, Order{Command: "a\x00", Workdir: "/"}, ""},
		{"the caller's NUL in a word", Order{Argv: []string{"a\x00"}}, Order{Argv: []string{"a\x00"}, Workdir: "/"}, ""},
		{"NUL in the command", Order{Command: "a"}, Order{Command: "a\x00"}, "command: must not contain a NUL character"},
		{"NUL in a word", Order{Command: "a"}, Order{Argv: []string{"a", "\x00"}}, "argv: must not contain a NUL character"},
		{"NUL in a word of a command with one", Order{Command: "a\x00"}, Order{Argv: []string{"a\x00"}}, "argv: must not contain a NUL character"},
	} {
		message, err := requestMessage(tt.made)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Request{Order: tt.was}.remade(message)
		if tt.want != "" {
			if err == nil || err.Error() != tt.want {
				t.Errorf("%s: %+v, %v", tt.name, got, err)
			}
			continue
		}
		if err != nil || got.Command != tt.made.Command || got.Workdir != tt.made.Workdir || got.Wait != tt.was.Wait || got.Stdin != tt.was.Stdin || got.Timeout != tt.was.Timeout {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

// TestReading: what is not valid leaves what was.
func TestReading(t *testing.T) {
	t.Parallel()
	annotations := reading[map[string]string]{decode: decodeAnnotations}
	for _, tt := range []struct{ message, want, last string }{
		{`[]`, "annotations: must be an object of strings", ""},
		{`{"annotations":{"a":"b"}}`, "", "b"},
		{`{"annotations":{"a":1}}`, "annotations: must be an object of strings", "b"},
		{`{"annotations":{"a":"c"}}`, "", "c"},
	} {
		err := annotations.valid([]byte(tt.message))
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want || (annotations.last == nil) != (tt.last == "") {
			t.Errorf("%s: %v, %v", tt.message, err, annotations.last)
		}
		if annotations.last != nil && (*annotations.last)["a"] != tt.last {
			t.Errorf("%s: it says %v", tt.message, *annotations.last)
		}
	}
	callbacks := reading[callbackMessage]{decode: decodeCallbackMessage}
	for _, message := range []string{`{"headers":{},"attempt":1}`, `{"headers":{"a":1},"body":{}}`, `{"body":{}`, `null`} {
		if err := callbacks.valid([]byte(message)); err == nil || callbacks.last != nil {
			t.Errorf("%s: %+v, %v", message, callbacks.last, err)
		}
	}
	message := []byte(`{"url":"u","attempt":1,"headers":{"A":"b"},"body":{"k":1}}`)
	if err := callbacks.valid(message); err != nil {
		t.Fatal(err)
	}
	clear(message)
	if got := callbacks.last; string(got.Body) != `{"k":1}` || got.Headers["A"] != "b" {
		t.Errorf("it keeps what it was given: %s, %v", got.Body, got.Headers)
	}
}

// BenchmarkTransform is what plugins cost a request, by how many of three change it.
func BenchmarkTransform(b *testing.B) {
	for changing := range 4 {
		b.Run(fmt.Sprintf("changed by %d", changing), func(b *testing.B) {
			var plays []play
			for i := range 3 {
				script := ""
				if i < changing {
					script = fmt.Sprintf("=/labels/a='%d'", i)
				}
				plays = append(plays, on(wasm.PhaseRequest, fmt.Sprintf("p%d", i), script))
			}
			th := newTheatre(b, theatreOptions{}, plays...)
			req := Request{ID: newID(), Principal: auth.Principal{Client: "func"}, Order: Order{
				Command: "git log --oneline", Wait: true, Env: []Variable{{"LANG", "C"}, {"TEXT", strings.Repeat("x", 900)}}, Labels: map[string]string{"team": "x"},
			}}
			b.ReportAllocs()
			for b.Loop() {
				made, err := th.transform(b.Context(), req, false)
				if err != nil || len(made.request.Changes) != changing {
					b.Fatal(made, err)
				}
			}
		})
	}
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
