package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"size", "number", "name", "unit", "time", "text"}
	for given, want := range map[string]string{
		"nubmer": "number", "numbr": "number", "numbers": "number", "Number": "number", "nmae": "name", "txt": "text", "unti": "unit",
		"date": "", "": "", "x": "", strings.Repeat("number", 20): "",
	} {
		if got := nearest(given, known); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
	if got := nearest("flgs", []string{"flogs", "flags"}); got != "flags" {
		t.Errorf("of two that are as near, %q", got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"abcd", "badc", 2}, {"ca", "abc", 3}} {
		if got := distance(test.a, test.b); got != test.want || distance(test.b, test.a) != got {
			t.Errorf("%q, %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// A policy's own account of its mistakes never keeps it from deciding, however long, wrong or slow it is.
func TestWarningsOfMistakes(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`mistakes contains {"at": ["a", "b"], "what": "x"}`:                                                       "[bad_data: x]",
		`mistakes contains {"at": ["a"], "what": sprintf("%d", [i])} if some i in numbers.range(1,50)`:            "bad_data: and 30 more: see sidegate policy check]",
		`mistakes contains {"at": ["a"], "what": concat("", [s | some _ in numbers.range(1, 600)])} if s := "é "`: strings.Repeat("é ", 333) + "…]",
		"mistakes := 1":                    "the data of roles and types cannot be checked: data.sidegate.lib.specs.mistakes has another form",
		"mistakes contains to_number(`a`)": "the data of roles and types cannot be checked: ",
		"mistakes contains x if {\n\tsome x in numbers.range(1, 1000000)\n\tsome y in numbers.range(1, 1000000)\n\tx + y < 0\n}": "cannot be checked: ",
		"mistakes := set()": "[]",
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"p.rego": allows("a"), "q.rego": "package sidegate.lib.specs\n\n" + rule + "\n"})
		e, _ := open(t, Config{Paths: []string{dir}, Deadline: 100 * time.Millisecond})
		s := e.Status()
		if !s.Ready || !strings.Contains(fmt.Sprint(s.Warnings), want) || len(s.Warnings) > 21 {
			t.Errorf("%s: %q, error %v", rule, s.Warnings, s.LastError)
		}
	}
}
