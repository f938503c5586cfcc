package shell

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestArgvIsWhatItsQuotationIs: an argument vector is analyzed as the command string that quotes it, but for the words'
// spelling and for builtins, which no shell is there to run.
func TestArgvIsWhatItsQuotationIs(t *testing.T) {
	t.Parallel()
	a, err := New(Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"ls", "-l", "/srv/a b"}, {"/bin/ls"}, {"./ls"}, {"env", "A=b", "sh", "-c", "ls | cat"}, {"sudo", "rm", "x"}, {"find", "/", "-exec", "rm", "{}", "+"},
		{"bash", "-c", "rm $x"}, {"echo", "$HOME", "`id`", "*", "~", ""}, {"timeout", "5", "xargs", "rm"}, {"nosuchprogram"}, {"a;b"},
	} {
		command, err := Quote(argv)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := spelled(t, a.AnalyzeArgv(argv, "/")), spelled(t, a.Analyze(command, "/")); got != want {
			t.Errorf("%q:\nas argv   %s\nas string %s", argv, got, want)
		}
	}
}

// spelled is the JSON of an analysis without what differs by design.
func spelled(t *testing.T, a Analysis) string {
	t.Helper()
	for i := range a.Commands {
		a.Commands[i].Builtin = false
		for j := range a.Commands[i].Args {
			a.Commands[i].Args[j].Raw = ""
		}
		for j := range a.Commands[i].Assignments {
			a.Commands[i].Assignments[j].Value.Raw = ""
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestArgvRefusals(t *testing.T) {
	t.Parallel()
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv   []string
		class  Class
		reason string
	}{
		{nil, ClassEmpty, ""},
		{[]string{"ls", "a\x00b"}, ClassInvalid, "forbidden characters: nul"},
		{[]string{"l\u200bs"}, ClassInvalid, "forbidden characters: bidi_or_invisible"},
		{[]string{"ls", "\xff"}, ClassInvalid, "forbidden characters: invalid_utf8"},
		{[]string{"ls", strings.Repeat("a", 8<<10)}, ClassInvalid, "longer than 8192 bytes"},
		{[]string{"eval", "rm x"}, ClassSimple, ""},
	} {
		got := a.AnalyzeArgv(c.argv, "/")
		reason := ""
		if got.ParseError != nil {
			reason = *got.ParseError
		}
		if got.Class != c.class || reason != c.reason {
			t.Errorf("%q: class %s, %q; want %s, %q", c.argv, got.Class, reason, c.class, c.reason)
		}
		for _, command := range got.Commands {
			if command.Builtin {
				t.Errorf("%q: a builtin without a shell", c.argv)
			}
		}
	}
}
