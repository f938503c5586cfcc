package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// tricks are what somebody may put into a label, a command, or an answer, for whoever looks at it on a terminal: clear it, change its title, turn the writing, hide.
const tricks = "a\x1b[2J\x1b]0;t\a\u009b31m\u0090\u202egpj.exe\u200b\u2028\U000E0041\x7f\r\x85z"

func harmful(text string) bool {
	return strings.ContainsAny(text, "\x1b\a\u009b\u0090\u202e\u200b\u2028\U000E0041\x7f\r\u0085")
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable(tricks); harmful(got) || !strings.HasPrefix(got, "a\uFFFD[2J") {
		t.Errorf("%q", got)
	}
	if got := printable("df -h /srv/übung — 日本"); got != "df -h /srv/übung — 日本" {
		t.Errorf("%q", got)
	}
}

// TestHarmless: JSON stays what it says, and has nothing in it that a terminal acts on.
func TestHarmless(t *testing.T) {
	t.Parallel()
	// json.Marshal writes some of them as they are.
	want := map[string]any{"labels": map[string]any{"a": strings.ToValidUTF8(tricks, "?")}}
	text, err := json.MarshalIndent(want, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if !harmful(string(text)) {
		t.Errorf("nothing to take out of %q", text)
	}
	var got map[string]any
	if safe := harmless(text); harmful(string(safe)) || json.Unmarshal(safe, &got) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q is %v", safe, got)
	}
	if got := harmless([]byte("no json \x1b[2J \x9b31m\r\n")); harmful(string(got)) || strings.Contains(string(got), "\x9b") {
		t.Errorf("%q", got)
	}
	if same := `{"a": "\u001b ü"}` + "\n"; string(harmless([]byte(same))) != same {
		t.Errorf("%q was changed", same)
	}
}

// TestAnswersOnATerminal: whatever answers in the place of a gateway, nothing of it but what a command wrote gets to the terminal as it is.
func TestAnswersOnATerminal(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal(strings.ToValidUTF8(tricks, "?"))
	if err != nil {
		t.Fatal(err)
	}
	word := string(quoted)
	answers := map[string]string{
		"no JSON":  tricks,
		"job":      `{"job_id":` + word + `,"client":` + word + `,"status":` + word + `,"labels":{` + word + `:` + word + `},"command":` + word + `,"accepted_at":"2026-01-01T00:00:00Z"}`,
		"list":     `{"jobs":[{"job_id":` + word + `,"client":` + word + `,"status":` + word + `,"command":` + word + `}]}`,
		"accepted": `{"ok":true,"message":"","data":{"job_id":` + word + `,"status":"accepted","annotations":{` + word + `:` + word + `}}}`,
		"refusal":  `{"ok":false,"message":` + word + `,"detail":` + word + `,"reason":"denied","decision_id":` + word + `}`,
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, answer := range answers {
		for _, status := range []int{200, 403} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(answer))
			}))
			for _, args := range [][]string{
				{"jobs", "list", "--as", "c"}, {"jobs", "list", "--as", "c", "--json"}, {"jobs", "list", "--as", "c", "-q"},
				{"jobs", "show", "--as", "c", "0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"}, {"jobs", "show", "--as", "c", "--json", "0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"},
				{"run", "--as", "c", "--json", "--", "true"}, {"run", "--json", "--no-wait", "--", "true"}, {"run", "--no-wait", "--", "true"}, {"run", "--dry-run", "--json", "--", "true"},
			} {
				at := len(args)
				if args[0] == "run" {
					at = len(args) - 2
				}
				full := append(append(append([]string{}, args[:at]...), "--url", server.URL, "--secret-file", file), args[at:]...)
				var out strings.Builder
				cmd := newRootCommand()
				cmd.SetArgs(full)
				cmd.SetOut(&out)
				cmd.SetErr(&out)
				if err := cmd.ExecuteContext(t.Context()); err != nil {
					out.WriteString(err.Error())
				}
				if harmful(out.String()) {
					t.Errorf("%s with %d, %q prints %q", name, status, args, out.String())
				}
			}
			server.Close()
		}
	}
}

// TestPrintedJSON: what others wrote does nothing to a terminal where commands print it as JSON either, and is the same for programs.
func TestPrintedJSON(t *testing.T) {
	t.Parallel()
	const text = "\x1b[2J \u009b2J \u202egpj \u200b\u2028 \U000e0041 päth 漢"
	var b bytes.Buffer
	if err := printJSON(&b, map[string]string{"command": text}); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(strings.ReplaceAll(b.String(), "\n", ""), tricky); i >= 0 {
		t.Errorf("printed is %q", b.String())
	}
	var read map[string]string
	if err := json.Unmarshal(b.Bytes(), &read); err != nil || read["command"] != text {
		t.Errorf("read back is %q, %v", read["command"], err)
	}
}
