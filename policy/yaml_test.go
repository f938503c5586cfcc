package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestYAMLProblem(t *testing.T) {
	t.Parallel()
	head := "# A comment, so that the mapping\n# does not begin in the first line.\nls:\n  flags: [-a,\n    -l]\n"
	for name, test := range map[string]struct{ text, want string }{
		"a list that is not closed": {head + "rm:\n  operands: path\n cp: [\n", "d.yaml:8: not valid YAML: did not find expected key"},
		"a wrong indentation":       {head + "rm:\n  operands: path\n   min: 1\ncp: {}\nmv: {}\n", "d.yaml:8: not valid YAML: mapping values are not allowed in this context"},
		"a tab":                     {head + "rm:\n\toperands: path\n", "d.yaml:7: not valid YAML: found character that cannot start any token"},
		"two keys":                  {head + "ls: {}\n", `d.yaml:6: mapping key "ls" already defined at line 3`},
		"a list that never ends":    {head + "rm:\n  flags: [-a\ncp: {}\n", "d.yaml:7: not valid YAML: did not find expected ',' or ']'"},
		"nothing":                   {head, ""},
		"too long to look closer":   {head + strings.Repeat("# x\n", mostBrokenLines) + " cp: {}\n", "d.yaml:2: did not find expected key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, bad := YAMLProblem("d.yaml", []byte(test.text))
			if bad != (test.want != "") || bad && !strings.HasPrefix(p.String(), test.want) {
				t.Errorf("%q, %t, want %q", p, bad, test.want)
			}
			_, err := parseData(sourceFile{name: "d.yaml", path: "d.yaml", content: []byte(test.text)})
			if bad != (err != nil) || bad && !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("the error is %v", err)
			}
			if bad {
				if all := Problems(errors.Join(err)); len(all) != 1 || all[0] != p {
					t.Errorf("the problems are %v", all)
				}
			}
		})
	}
}
