package authoring

import (
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/policy"
)

func TestLintMissingData(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rego string
		want string // of the warning; "" for none
	}{
		"a rule":                     {"x if data.sidegate.denials.deny", ""},
		"a rule that is misspelt":    {"x if data.sidegate.denials.dney", "there is no data.sidegate.denials.dney,"},
		"a package that is not":      {"x if data.sidegte.denials.deny", "there is no data.sidegte,"},
		"data":                       {"x if data.own.list[_] == 1", ""},
		"data that is misspelt":      {"x if data.own.lst[_] == 1", "there is no data.own.lst,"},
		"below a value":              {"x if data.own.deep.name == 1", ""},
		"below no value":             {"x if data.own.deep.nme == 1", "there is no data.own.deep.nme,"},
		"below a word":               {"x if data.own.word.name == 1", ""}, // a type error is another matter
		"behind a variable":          {"x if data.own[input.version].whatever", ""},
		"by an import":               {"import data.own.nothing\n\nx if nothing.at.all", "there is no data.own.nothing,"},
		"what a rule makes":          {"y := {\"a\": 1}\n\nx if y.b == 1\n\nz if data.sidegate.mine.y.b == 1", ""},
		"in a comprehension":         {"x := [v | v := data.own.lst[_]]", "there is no data.own.lst,"},
		"in a call":                  {"x := count(data.own.lst)", "there is no data.own.lst,"},
		"in an argument, negated":    {"x if not data.own.lst", "there is no data.own.lst,"},
		"twice in a line, told once": {"x if data.own.lst == data.own.lst", "there is no data.own.lst,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := shipped(t, map[string]string{
				"sidegate/mine/mine.rego": "package sidegate.mine\n\n" + test.rego + "\n",
				"own/data.yaml":           "list: [1]\ndeep: {name: 1}\nword: w\n",
			})
			warnings, err := Lint(t.Context(), []string{dir}, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if len(warnings) > 0 {
					t.Errorf("warnings %v", warnings)
				}
				return
			}
			if len(warnings) != 1 || !strings.Contains(warnings[0].Message, test.want) || !strings.HasSuffix(warnings[0].File, "mine.rego") || warnings[0].Line < 3 {
				t.Errorf("warnings %v, want %s", warnings, test.want)
			}
			if part, err := Lint(t.Context(), []string{dir}, nil, true); err != nil || slices.ContainsFunc(part, func(p policy.Problem) bool { return p.Code == "missing_data" }) {
				t.Errorf("of a part of the policies: %v, %v", part, err)
			}
		})
	}
}
