package shell

import (
	"slices"
	"testing"
)

// TestQuoteSurvivesAnalysis: what is quoted comes out of the analysis as it went in.
func TestQuoteSurvivesAnalysis(t *testing.T) {
	t.Parallel()
	a, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"ls"}, {"echo", "a  b", "$HOME", "`id`", "$(id)", "'", `"`, `\`, "*", "~", "{a,b}", "#x", "", "-n", "中文", "a;b|c&d>e<f", "!!", "=x", "A=b"},
		{"A=b"}, {"if"}, {"!"}, {"time"}, {"{"},
	} {
		command, err := Quote(args)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		got := a.Analyze(command, "/")
		if got.Class != ClassSimple || len(got.Commands) == 0 {
			t.Errorf("%q is quoted as %s, which is %s", args, command, got.Class)
			continue
		}
		var words []string
		for _, w := range got.Commands[0].Argv {
			words = append(words, *w)
		}
		if !slices.Equal(words, args) {
			t.Errorf("%q comes back as %q", args, words)
		}
	}
	if _, err := Quote([]string{"a\x00b"}); err == nil {
		t.Error("a NUL byte was quoted")
	}
	if _, err := Quote(nil); err == nil {
		t.Error("nothing was quoted")
	}
}
