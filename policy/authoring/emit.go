package authoring

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/sidegate/sidegate/policy"
)

// A Case is a request, and what of the decision on it a test is to hold fast.
type Case struct {
	Name  string   // becomes the end of the test's name, as far as it can
	About []string // comments, one line each
	Input policy.Input
	Keys  []string // of the decision, such as allow and obligations
}

// Tests writes a file of tests in the package sidegate.NAME_test, as `opa fmt` would, that pass with the policies at paths: each case has the whole
// input, and what the policies answer to it now. Nothing that a case holds can be taken for Rego. about stands above all. A case that no file can hold,
// because something in it is not UTF-8, is left out, with a comment that says so.
func Tests(ctx context.Context, paths []string, name string, about []string, cases []Case, allowBuiltins []string) ([]byte, error) {
	about = slices.Clone(about)
	cases = slices.DeleteFunc(slices.Clone(cases), func(c Case) bool {
		_, err := c.Input.MarshalJSON()
		if err != nil {
			about = append(about, "left out, as it is not UTF-8: "+strings.Join(c.About, " "))
		}
		return err != nil
	})
	answers, err := answersTo(ctx, paths, cases, allowBuiltins)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, line := range about {
		writeComment(&b, line)
	}
	if len(about) > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "package sidegate.%s_test\n\nimport data.sidegate\n", NameOf(name))
	for i, c := range cases {
		b.WriteByte('\n')
		for _, line := range c.About {
			writeComment(&b, line)
		}
		fmt.Fprintf(&b, "test_%03d_%s if {\n\tdecision := sidegate.decision with input as %s\n", i+1, NameOf(c.Name), regoOf(c.Input))
		for _, key := range c.Keys {
			fmt.Fprintf(&b, "\tdecision.%s == %s\n", key, regoOf(answers[i][key]))
		}
		b.WriteString("}\n")
	}
	return FormatSource("tests", b.Bytes())
}

// answersTo asks the policies about all cases at once, as they are loaded once.
func answersTo(ctx context.Context, paths []string, cases []Case, allowBuiltins []string) ([]map[string]any, error) {
	inputs := make([]policy.Input, len(cases))
	for i, c := range cases {
		inputs[i] = c.Input
	}
	text, err := json.Marshal(inputs)
	if err != nil {
		return nil, err
	}
	const query = `answers := [{"decided": decided} | some x in input; decided := [d | d := data.sidegate.decision with input as x]]`
	results, err := Eval(ctx, paths, query, text, EvalOptions{AllowBuiltins: allowBuiltins})
	if err != nil {
		return nil, err
	}
	answers := make([]map[string]any, len(cases))
	all, _ := results[0].Bindings["answers"].([]any)
	for i := range answers {
		if i < len(all) {
			decided, _ := all[i].(map[string]any)["decided"].([]any)
			if len(decided) == 1 {
				answers[i], _ = decided[0].(map[string]any)
			}
		}
		for _, key := range cases[i].Keys {
			if _, ok := answers[i][key]; !ok {
				return nil, fmt.Errorf("the policies give no decision with %s to test %d", key, i+1)
			}
		}
	}
	return answers, nil
}

// regoOf writes a value as Rego, which takes JSON. Characters that are not seen, or turn the direction of what is, are escaped.
func regoOf(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("\t", "\t")
	if err := e.Encode(value); err != nil { // was JSON before
		panic(err)
	}
	return escaped(strings.TrimSpace(b.String()))
}

// escaped replaces, in JSON, what is no visible character.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n', r == '\t', r <= unicode.MaxASCII && r != 0x7f, unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		}
	}
	return b.String()
}

// maxComment is how much of somebody's text stands in a comment, in characters.
const maxComment = 150

// writeComment writes one line, whatever the text is.
func writeComment(b *bytes.Buffer, text string) {
	fmt.Fprintf(b, "# %s\n", plainLine(text, maxComment))
}

// plainLine is text in one line without what plays tricks.
func plainLine(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

var noName = regexp.MustCompile(`[^a-z0-9]+`)

// NameOf makes a part of the name of a rule or a package of a text.
func NameOf(text string) string {
	name := strings.Trim(noName.ReplaceAllString(strings.ToLower(text), "_"), "_")
	if len(name) > 60 {
		name = strings.TrimRight(name[:60], "_")
	}
	switch {
	case name == "":
		return "case"
	case name[0] <= '9':
		return "n" + name
	}
	return name
}
