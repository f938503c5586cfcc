package gateway

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeOrder(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxPath)
	for _, c := range []struct {
		name, body string
		want       Order
		problem    string // the whole text of the error
	}{
		{name: "least", body: `{"command":"true"}`, want: Order{Command: "true", Wait: true}},
		{name: "empty command", body: `{"command":""}`, want: Order{Wait: true}},
		{name: "all", body: ` {"command":"a","wait":false,"workdir":"/srv","envs":["A=b=c","_B="],"callbackURL":"http://h/p?q"} `,
			want: Order{Command: "a", Workdir: "/srv", Env: []Variable{{"A", "b=c"}, {"_B", ""}}}},
		{name: "escapes", body: `{"command":"echo \u4e2d\u6587 \/srv \ud83d\ude00"}`, want: Order{Command: "echo 中文 /srv 😀", Wait: true}},
		{name: "env object", body: `{"command":"a","envs":{"A":"b"}}`, want: Order{Command: "a", Wait: true, Env: []Variable{{"A", "b"}}}},
		{name: "no envs", body: `{"command":"a","envs":[]}`, want: Order{Command: "a", Wait: true}},
		{name: "no workdir", body: `{"command":"a","workdir":""}`, want: Order{Command: "a", Wait: true}},

		{name: "nothing", body: ``, problem: "body: is not valid JSON: it ends too early"},
		{name: "white space", body: " \n", problem: "body: is not valid JSON: it ends too early"},
		{name: "cut", body: `{"command":"a"`, problem: "body: is not valid JSON: it ends too early"},
		{name: "not JSON", body: `command=a`, problem: "body: is not valid JSON at byte 0"},
		{name: "single quotes", body: `{'command':'a'}`, problem: "body: is not valid JSON at byte 1"},
		{name: "trailing comma", body: `{"command":"a",}`, problem: "body: is not valid JSON at byte 14"},
		{name: "NaN", body: `{"command":NaN}`, problem: "command: is not valid JSON at byte 11"},
		{name: "byte order mark", body: "\ufeff" + `{"command":"a"}`, problem: "body: is not valid JSON at byte 0"},
		{name: "trailing object", body: `{"command":"a"}{}`, problem: "body: must be one JSON object with nothing behind it"},
		{name: "trailing junk", body: `{"command":"a"}x`, problem: "body: must be one JSON object with nothing behind it"},
		{name: "trailing NUL", body: "{\"command\":\"a\"}\x00", problem: "body: must be one JSON object with nothing behind it"},
		{name: "list", body: `["a"]`, problem: "body: must be an object, not a list"},
		{name: "null", body: `null`, problem: "body: must be an object, not null"},
		{name: "string", body: `"a"`, problem: "body: must be an object, not a string"},
		{name: "no command", body: `{}`, problem: "command: is required"},
		{name: "null command", body: `{"command":null}`, problem: "command: must be a string, not null"},
		{name: "list command", body: `{"command":["ls","-l"]}`, problem: "command: must be a string, not a list"},
		{name: "twice", body: `{"command":"a","command":"b"}`, problem: "command: is given twice"},
		{name: "twice by escape", body: `{"command":"a","\u0063ommand":"b"}`, problem: "command: is given twice"},
		{name: "other case", body: `{"command":"a","Wait":false}`,
			problem: "Wait: is not a field of this object, which may have: command, wait, workdir, envs, callbackURL"},
		{name: "unknown", body: `{"command":"a","stdin":{"a":{"b":1}}}`,
			problem: "stdin: is not a field of this object, which may have: command, wait, workdir, envs, callbackURL"},
		{name: "unknown and long", body: `{"` + strings.Repeat("中", 100) + `":1}`,
			problem: strings.Repeat("中", 21) + "…: is not a field of this object, which may have: command, wait, workdir, envs, callbackURL"},
		{name: "unknown with control", body: `{"a\nb":1}`,
			problem: "a\uFFFDb: is not a field of this object, which may have: command, wait, workdir, envs, callbackURL"},
		{name: "invalid UTF-8", body: "{\"command\":\"a\xff\"}", problem: "command: is not valid JSON at byte 13"},
		{name: "lone surrogate", body: `{"command":"\ud800"}`, problem: "command: is not valid JSON at byte 12"},
		{name: "raw newline", body: "{\"command\":\"a\nb\"}", problem: "command: is not valid JSON at byte 13"},
		{name: "wait number", body: `{"command":"a","wait":1}`, problem: "wait: must be true or false, not a number"},
		{name: "wait null", body: `{"command":"a","wait":null}`, problem: "wait: must be true or false, not null"},
		{name: "workdir null", body: `{"command":"a","workdir":null}`, problem: "workdir: must be a string, not null"},
		{name: "workdir relative", body: `{"command":"a","workdir":"../x"}`, problem: "workdir: must be an absolute path"},
		{name: "workdir NUL", body: `{"command":"a","workdir":"/srv\u0000"}`, problem: "workdir: must not contain a NUL character"},
		{name: "workdir long", body: `{"command":"a","workdir":"/` + long + `"}`, problem: "workdir: is longer than a path can be"},
		{name: "envs null", body: `{"command":"a","envs":null}`, problem: `envs: must be a list of "KEY=VALUE" or an object, not null`},
		{name: "envs element", body: `{"command":"a","envs":["A=b",2]}`, problem: "envs[1]: must be a string, not a number"},
		{name: "envs no equals", body: `{"command":"a","envs":["A"]}`, problem: `envs[0]: must be "KEY=VALUE"`},
		{name: "envs empty name", body: `{"command":"a","envs":["=b"]}`,
			problem: "envs[0]: the name of a variable must be letters, digits and _, and not begin with a digit"},
		{name: "envs function", body: `{"command":"a","envs":["BASH_FUNC_ls%%=() { rm x; }"]}`,
			problem: "envs[0]: the name of a variable must be letters, digits and _, and not begin with a digit"},
		{name: "envs value NUL", body: `{"command":"a","envs":["A=\u0000"]}`, problem: "envs[0]: must not contain a NUL character"},
		{name: "envs twice", body: `{"command":"a","envs":["A=b","A=b"]}`, problem: "envs[1]: A is given twice"},
		{name: "envs object twice", body: `{"command":"a","envs":{"A":"b","A":"c"}}`, problem: "envs.A: is given twice"},
		{name: "envs object null", body: `{"command":"a","envs":{"A":null}}`, problem: "envs.A: must be a string, not null"},
		{name: "callback null", body: `{"command":"a","callbackURL":null}`, problem: "callbackURL: must be a string, not null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := decodeOrder([]byte(c.body))
			if c.problem != "" {
				var field *FieldError
				if !errors.As(err, &field) || err.Error() != c.problem {
					t.Fatalf("got error %v, want %s", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (got.Callback != nil) != (c.name == "all") {
				t.Errorf("callback is %v", got.Callback)
			}
			got.Callback = nil
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecodeOrderNamesTheCallback(t *testing.T) {
	t.Parallel()
	_, err := decodeOrder([]byte(`{"command":"a","callbackURL":"http://user:hunter2@h/"}`))
	var field *FieldError
	if !errors.As(err, &field) || field.Field != "callbackURL" || strings.Contains(err.Error(), "hunter2") {
		t.Fatalf("got %v", err)
	}
}

// FuzzDecodeOrder holds what the pipeline relies on, whatever the bytes.
func FuzzDecodeOrder(f *testing.F) {
	for _, seed := range []string{
		`{"command":"true"}`, `{"command":"a","wait":false,"workdir":"/srv","envs":["A=b"],"callbackURL":"http://h/p"}`,
		`{"command":"\u4e2d\/","envs":{"A":"b"}}`, `{"command":"a","command":"b"}`, `[]`, `{"envs":[[]]}`, "{\"command\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		order, err := decodeOrder(body)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) || field.Field == "" && !strings.Contains(string(body), `""`) || field.Problem == "" {
				t.Fatalf("%q: the error does not name a field: %v", body, err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: the error is not text: %q", body, err)
			}
			return
		}
		if !utf8.ValidString(order.Command) || order.Workdir != "" && order.Workdir[0] != '/' || strings.ContainsRune(order.Workdir, 0) {
			t.Fatalf("%q: accepted %+v", body, order)
		}
		keys := map[string]bool{}
		for _, v := range order.Env {
			if !envKey.MatchString(v.Key) || strings.ContainsRune(v.Value, 0) || keys[v.Key] {
				t.Fatalf("%q: accepted variable %+v", body, v)
			}
			keys[v.Key] = true
		}
	})
}
