package wasm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	aResponse = `{"status":"exited","exit_code":0,"signal":"","truncated":false,"annotations":{}}`
	aCallback = `{"url":"http://func/api","attempt":1,"headers":{"Content-Type":"application/json","X-Sidegate-Delivery":"7","Host":"func"},"body":{"n":10000000000000001}}`
)

func TestApply(t *testing.T) {
	t.Parallel()
	all := []string{"command", "workdir", "env", "labels", "callback"}
	aRequest := plainRequest
	in := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%s is not in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	headers := func(h string) string {
		return in(aCallback, `{"Content-Type":"application/json","X-Sidegate-Delivery":"7","Host":"func"}`, h)
	}
	own := `"X-Sidegate-Delivery":"7","Host":"func"`
	annotations := func(a string) string { return in(aResponse, `"annotations":{}`, `"annotations":`+a) }
	many := func(n int, name, value string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%s%d":"%s"`, name, i, value)
		}
		return b.String()[1:]
	}
	for _, test := range []struct {
		name            string
		phase           Phase
		mayChange       []string
		before, written string
		after           string // "" means as before
		changed         string
		err             string // and of form if it begins with a star
	}{
		// What is no change.
		{"the same", PhaseRequest, nil, aRequest, aRequest, "", "", ""},
		{"other space", PhaseRequest, nil, aRequest, " \n" + strings.ReplaceAll(aRequest, ",", " ,\t ") + "\r\n", "", "", ""},
		{"other order", PhaseRequest, nil, `{"env":{"a":"1","b":"2"},"labels":{}}`, `{"labels":{},"env":{"b":"2","a":"1"}}`, "", "", ""},
		{"other escapes", PhaseRequest, nil, `{"command":"a/é"}`, `{"command":"\u0061\/\u00e9"}`, "", "", ""},
		{"an escaped member", PhaseRequest, nil, `{"command":"a"}`, `{"\u0063ommand":"a"}`, "", "", ""},

		// What may change.
		{"command", PhaseRequest, all, aRequest, in(aRequest, "git status", "git log"), in(aRequest, "git status", "git log"), "command", ""},
		{"command to argv", PhaseRequest, []string{"command"}, aRequest, in(aRequest, `"git status","argv":null`, `null,"argv":["git","log"]`),
			in(aRequest, `"git status","argv":null`, `null,"argv":["git","log"]`), "argv,command", ""},
		{"env only, the rest is as it was", PhaseRequest, []string{"env"}, `{"labels":{"a":"\u0061","b":"2"},"env":{}}`, `{"env" : { "X" : "1" } , "labels":{"b":"2","a":"a"}}`,
			`{"labels":{"a":"\u0061","b":"2"},"env":{ "X" : "1" }}`, "env", ""},
		{"remove a variable", PhaseRequest, []string{"env"}, aRequest, in(aRequest, `{"LANG":"C"}`, `{}`), in(aRequest, `{"LANG":"C"}`, `{}`), "env", ""},
		{"callback", PhaseRequest, all, aRequest, in(aRequest, `"callback":null`, `"callback":"http://x/"`), in(aRequest, `"callback":null`, `"callback":"http://x/"`), "callback", ""},
		{"annotations", PhaseResponse, nil, aResponse, annotations(`{"a":"1"}`), annotations(`{"a":"1"}`), "annotations", ""},
		{"a header", PhaseCallback, nil, aCallback, headers(`{"Authorization":"Bearer x",` + own + `}`), headers(`{"Authorization":"Bearer x",` + own + `}`), "headers", ""},
		{"protected headers in another case", PhaseCallback, nil, aCallback, headers(`{"x-sidegate-delivery":"7","HOST":"func"}`), headers(`{"x-sidegate-delivery":"7","HOST":"func"}`), "headers", ""},
		{"body", PhaseCallback, nil, aCallback, in(aCallback, `{"n":10000000000000001}`, `null`), in(aCallback, `{"n":10000000000000001}`, `null`), "body", ""},

		// What may not.
		{"env without leave", PhaseRequest, []string{"command", "workdir"}, aRequest, in(aRequest, `"C"`, `"D"`), "", "", "changed env, which its may_change does not list"},
		{"nothing is listed", PhaseRequest, nil, aRequest, in(aRequest, "git status", "git log"), "", "", "changed command, which its may_change does not list"},
		{"argv without command", PhaseRequest, []string{"env"}, aRequest, in(aRequest, `"argv":null`, `"argv":[]`), "", "", "changed argv, which its may_change does not list"},
		{"one that may and one that may not", PhaseRequest, []string{"env"}, aRequest, in(in(aRequest, `"C"`, `"D"`), `"workdir":""`, `"workdir":"/"`), "", "", "changed workdir, which its may_change does not list"},
		{"status", PhaseResponse, all, aResponse, in(aResponse, "exited", "failed"), "", "", "changed status, which no plugin may change"},
		{"exit code", PhaseResponse, all, aResponse, in(aResponse, `"exit_code":0`, `"exit_code":1`), "", "", "changed exit_code, which no plugin may change"},
		{"a number in other digits", PhaseResponse, all, aResponse, in(aResponse, `"exit_code":0`, `"exit_code":0.0`), "", "", "changed exit_code, which no plugin may change"},
		{"minus zero", PhaseResponse, all, aResponse, in(aResponse, `"exit_code":0`, `"exit_code":-0`), "", "", "changed exit_code, which no plugin may change"},
		{"a large number by one", PhaseRequest, nil, `{"env":[9007199254740992]}`, `{"env":[9007199254740993]}`, "", "", "changed env, which its may_change does not list"},
		{"the order of a list", PhaseRequest, nil, `{"argv":["a","b"]}`, `{"argv":["b","a"]}`, "", "", "changed argv, which its may_change does not list"},
		{"the kind of a value", PhaseResponse, nil, aResponse, in(aResponse, `"exit_code":0`, `"exit_code":"0"`), "", "", "changed exit_code, which no plugin may change"},
		{"destination", PhaseCallback, all, aCallback, in(aCallback, "func/api", "evil/api"), "", "", "changed url, which no plugin may change"},
		{"attempt", PhaseCallback, all, aCallback, in(aCallback, `"attempt":1`, `"attempt":2`), "", "", "changed attempt, which no plugin may change"},
		{"a word of may_change is no member", PhaseResponse, all, `{"command":"x"}`, `{"command":"y"}`, "", "", "changed command, which no plugin may change"},

		// Headers.
		{"set Host", PhaseCallback, nil, aCallback, headers(`{"X-Sidegate-Delivery":"7","Host":"evil"}`), "", "", `set the header "host", which is the gateway's`},
		{"remove Host", PhaseCallback, nil, aCallback, headers(`{"X-Sidegate-Delivery":"7"}`), "", "", `removed the header "host", which is the gateway's`},
		{"Content-Length", PhaseCallback, nil, aCallback, headers(`{"content-length":"0",` + own + `}`), "", "", `set the header "content-length", which is the gateway's`},
		{"Transfer-Encoding", PhaseCallback, nil, aCallback, headers(`{"Transfer-encoding":"chunked",` + own + `}`), "", "", `set the header "transfer-encoding", which is the gateway's`},
		{"Connection", PhaseCallback, nil, aCallback, headers(`{"CONNECTION":"close",` + own + `}`), "", "", `set the header "connection", which is the gateway's`},
		{"Upgrade", PhaseCallback, nil, aCallback, headers(`{"Upgrade":"h2c",` + own + `}`), "", "", `set the header "upgrade", which is the gateway's`},
		{"another delivery", PhaseCallback, nil, aCallback, headers(`{"X-Sidegate-Delivery":"8","Host":"func"}`), "", "", `set the header "x-sidegate-delivery", which is the gateway's`},
		{"a new X-Sidegate", PhaseCallback, nil, aCallback, headers(`{"x-SIDEGATE-anything":"8",` + own + `}`), "", "", `set the header "x-sidegate-anything", which is the gateway's`},
		{"twice in two cases", PhaseCallback, nil, aCallback, headers(`{"a":"1","A":"1",` + own + `}`), "", "", `wrote the header "a" twice`},
		{"a line end", PhaseCallback, nil, aCallback, headers(`{"A":"1\r\nHost: evil",` + own + `}`), "", "", `wrote the header "a" with a value that is not one`},
		{"NUL", PhaseCallback, nil, aCallback, headers(`{"A":"\u0000",` + own + `}`), "", "", `wrote the header "a" with a value that is not one`},
		{"DEL", PhaseCallback, nil, aCallback, headers(`{"A":"x\u007f",` + own + `}`), "", "", `wrote the header "a" with a value that is not one`},
		{"space around a value", PhaseCallback, nil, aCallback, headers(`{"A":" x",` + own + `}`), "", "", `wrote the header "a" with a value that is not one`},
		{"a colon in a name", PhaseCallback, nil, aCallback, headers(`{"Host:":"x",` + own + `}`), "", "", `wrote a header whose name is not one: "Host:"`},
		{"space in a name", PhaseCallback, nil, aCallback, headers(`{"Host ":"x",` + own + `}`), "", "", `wrote a header whose name is not one: "Host "`},
		{"a long s in a name", PhaseCallback, nil, aCallback, headers(`{"Hoſt":"x",` + own + `}`), "", "", `wrote a header whose name is not one: "Hoſt"`},
		{"an empty name", PhaseCallback, nil, aCallback, headers(`{"":"x",` + own + `}`), "", "", `wrote a header whose name is not one: ""`},
		{"a list as value", PhaseCallback, nil, aCallback, headers(`{"A":["x"],` + own + `}`), "", "", "made headers something else than an object of strings"},
		{"no object", PhaseCallback, nil, aCallback, headers(`null`), "", "", "made headers something else than an object of strings"},
		{"many headers", PhaseCallback, nil, aCallback, headers(`{` + own + `,` + many(maxHeaders, "a", "") + `}`), "", "", "wrote more than 64 headers"},
		{"long headers", PhaseCallback, nil, aCallback, headers(`{"A":"` + strings.Repeat("x", maxHeaderBytes) + `",` + own + `}`), "", "", "wrote headers of more than 16384 bytes"},
		{"a long name", PhaseCallback, nil, aCallback, headers(`{"` + strings.Repeat("x", 257) + `":"",` + own + `}`), "", "",
			`wrote a header whose name is not one: "` + strings.Repeat("x", 64) + `"…`},

		// Shapes.
		{"a number in annotations", PhaseResponse, nil, aResponse, annotations(`{"a":1}`), "", "", "made annotations something else than an object of strings"},
		{"annotations as list", PhaseResponse, nil, aResponse, annotations(`["a"]`), "", "", "made annotations something else than an object of strings"},
		{"many annotations", PhaseResponse, nil, aResponse, annotations(`{` + many(maxAnnotations+1, "a", "") + `}`), "", "", "wrote more than 64 annotations"},
		{"long annotations", PhaseResponse, nil, aResponse, annotations(`{"a":"` + strings.Repeat("x", maxAnnotationBytes) + `"}`), "", "", "wrote annotations of more than 16384 bytes"},
		{"a nameless annotation", PhaseResponse, nil, aResponse, annotations(`{"":"x"}`), "", "", "wrote an annotation whose name is empty or longer than 256 bytes"},
		{"command as list", PhaseRequest, all, aRequest, in(aRequest, `"git status"`, `["git"]`), "", "", "made command something else than a string"},
		{"workdir null", PhaseRequest, all, aRequest, in(aRequest, `"workdir":""`, `"workdir":null`), "", "", "made workdir something else than a string"},
		{"numbers in argv", PhaseRequest, all, aRequest, in(aRequest, `"argv":null`, `"argv":["a",1]`), "", "", "made argv something else than a list of strings"},
		{"argv as string", PhaseRequest, all, aRequest, in(aRequest, `"argv":null`, `"argv":"a"`), "", "", "made argv something else than a list of strings"},
		{"env as list", PhaseRequest, all, aRequest, in(aRequest, `{"LANG":"C"}`, `["LANG=C"]`), "", "", "made env something else than an object of strings"},
		{"env null", PhaseRequest, all, aRequest, in(aRequest, `{"LANG":"C"}`, `null`), "", "", "made env something else than an object of strings"},
		{"a nested label", PhaseRequest, all, aRequest, in(aRequest, `"labels":{}`, `"labels":{"a":{}}`), "", "", "made labels something else than an object of strings"},
		{"callback false", PhaseRequest, all, aRequest, in(aRequest, `"callback":null`, `"callback":false`), "", "", "made callback something else than a string"},

		// What is no message at all.
		{"a member more", PhaseRequest, all, aRequest, in(aRequest, `"env"`, `"client":{"name":"root"},"env"`), "", "", `*added the member "client"`},
		{"a member in another case", PhaseRequest, all, aRequest, in(aRequest, `"env"`, `"Env":{},"env"`), "", "", `*added the member "Env"`},
		{"a member less", PhaseRequest, all, aRequest, in(aRequest, `,"labels":{}`, ""), "", "", "*removed the member labels"},
		{"no members", PhaseRequest, all, aRequest, "{}", "", "", "*removed the member command"},
		{"a name twice", PhaseRequest, all, aRequest, in(aRequest, `"env":{"LANG":"C"}`, `"env":{"LANG":"C"},"env":{}`), "", "", "*the message it wrote has a name twice in one object, at byte 68"},
		{"a name twice by escape", PhaseRequest, all, aRequest, in(aRequest, `"labels"`, `"\u0065nv":{},"labels"`), "", "", "*the message it wrote has a name twice in one object, at byte 68"},
		{"a name twice inside", PhaseRequest, all, aRequest, in(aRequest, `{"LANG":"C"}`, `{"LANG":"C","LANG":"D"}`), "", "", "*the message it wrote has a name twice in one object, at byte 67"},
		{"invalid UTF-8", PhaseRequest, all, aRequest, in(aRequest, "git status", "git \xff"), "", "", "*the message it wrote is not JSON in UTF-8, at byte 16"},
		{"half a surrogate", PhaseRequest, all, aRequest, in(aRequest, "git status", `\ud800`), "", "", "*the message it wrote is not JSON in UTF-8, at byte 12"},
		{"something behind", PhaseRequest, all, aRequest, aRequest + "{}", "", "", "*the message it wrote has something behind the JSON value"},
		{"garbage behind", PhaseRequest, all, aRequest, aRequest + "x", "", "", "*the message it wrote has something behind the JSON value"},
		{"a NUL behind", PhaseRequest, all, aRequest, aRequest + "\x00", "", "", "*the message it wrote has something behind the JSON value"},
		{"cut off", PhaseRequest, all, aRequest, aRequest[:20], "", "", "*the message it wrote is not JSON: it ends too early"},
		{"empty", PhaseRequest, all, aRequest, "", "", "", "*the message it wrote is not JSON: it ends too early"},
		{"a list", PhaseRequest, all, aRequest, "[" + aRequest + "]", "", "", "*the message it wrote is not a JSON object"},
		{"a byte order mark", PhaseRequest, all, aRequest, "\xef\xbb\xbf" + aRequest, "", "", "*the message it wrote is not JSON in UTF-8, at byte 0"},
		{"nested too deep", PhaseCallback, all, aCallback, in(aCallback, `{"n":10000000000000001}`, strings.Repeat("[", 256)+strings.Repeat("]", 256)), "", "",
			"*the message it wrote is nested deeper than 256 levels"},
		{"nested far too deep", PhaseCallback, all, aCallback, in(aCallback, `{"n":10000000000000001}`, strings.Repeat("[", 1<<20)), "", "",
			"*the message it wrote is not JSON in UTF-8, at byte 10129"},
	} {
		r := newRule(test.phase, &Plugin{MayChange: test.mayChange})
		after, changed, err := r.apply([]byte(test.before), []byte(test.written))
		want, form := strings.CutPrefix(test.err, "*")
		if want != "" {
			if err == nil || err.Error() != want || errors.Is(err, errForm) != form || after != nil {
				t.Errorf("%s: got %v; want %s", test.name, err, want)
			}
			continue
		}
		if test.after == "" {
			test.after = test.before
		}
		if err != nil || string(after) != test.after || strings.Join(changed, ",") != test.changed {
			t.Errorf("%s:\ngot  %s, %v, %v\nwant %s, %s", test.name, after, changed, err, test.after, test.changed)
		}
	}
}

// TestApplyBlamesTheCaller keeps a malformed message from being a plugin's fault.
func TestApplyBlamesTheCaller(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "[]", `{"a":1,"a":1}`, `{"headers":{"a:":"x"}}`, `{"headers":1}`} {
		_, _, err := newRule(PhaseCallback, &Plugin{}).apply([]byte(before), []byte(`{"headers":{}}`))
		if !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", before, err)
		}
	}
}
