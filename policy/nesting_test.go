package policy

import (
	"strings"
	"testing"
)

// Each of these, 30 levels deep, would keep the compiler busy for hours or is
// a kin of one that does.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	const tooDeep = 30
	for name, form := range map[string][3]string{ // before, inside and after
		"array comprehensions":  {"x := ", "[y | y := HERE]", "1"},
		"set comprehensions":    {"x := ", "{y | y := HERE}", "1"},
		"object comprehensions": {"x := ", `{"a": y | y := HERE}`, "1"},
		"in heads":              {"x := ", "[HERE | true]", "1"},
		"every":                 {"x if ", "every y in [1] { y == 1; HERE }", "true"},
		"in function arguments": {"x := ", "count([y | y := HERE])", "[1]"},
		"in data":               {"x := ", `{"a": [y | y := HERE]}`, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nested := func(depth int) string {
				inner := form[2]
				for range depth {
					inner = strings.Replace(form[1], "HERE", inner, 1)
				}
				return allows("a") + "\n" + form[0] + inner + "\n"
			}
			e, _, _ := openFiles(t, map[string]string{"p.rego": nested(4)})
			if err := e.Status().LastError; err != nil {
				t.Errorf("refused: %v", err)
			}
			e, _, _ = openFiles(t, map[string]string{"p.rego": nested(tooDeep)})
			if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "p.rego:5: ") || !strings.Contains(err.Error(), "bodies are nested more than 8 deep") {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("in a bundle file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		deep := allows("a") + "\nx := " + strings.Repeat("[y | y := ", tooDeep) + "1" + strings.Repeat("]", tooDeep) + "\n"
		write(t, dir, map[string]string{"b.tar.gz": string(rules("1", deep).bytes(t))})
		e, _ := open(t, Config{Paths: []string{dir + "/b.tar.gz"}})
		if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "nested more than 8 deep") {
			t.Errorf("error %v", err)
		}
	})
}

// Data may be as deep as its parsers take, and no deeper.
func TestDeepData(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file, text string
		depth      int
		want       string
	}{
		"JSON in bounds": {"data.json", `{"sidegate": {"x": NEST}}`, 9_000, ""},
		"JSON":           {"data.json", `{"sidegate": {"x": NEST}}`, 100_000, "data.json: jsontext: exceeded max depth"},
		"YAML in bounds": {"data.yaml", `sidegate: {x: NEST}`, 9_000, ""},
		"YAML":           {"data.yaml", `sidegate: {x: NEST}`, 100_000, "data.yaml: yaml: exceeded max depth"},
		"Rego":           {"x.rego", "package sidegate.x\n\ny := NEST\n", 200_000, "x.rego:3: rego_parse_error: max parsing recursion depth exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nest := strings.Repeat("[", test.depth) + strings.Repeat("]", test.depth)
			e, _, _ := openFiles(t, map[string]string{"p.rego": allows("a"), test.file: strings.Replace(test.text, "NEST", nest, 1)})
			err := e.Status().LastError
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q, got %.300v", test.want, err)
			}
		})
	}
}
