package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

const referencePage = "../docs/policy-reference.md"

// TestReferencePage: the page of what policies are asked and what they answer is
// what the schemas say, member by member. UPDATE=1 writes it anew.
func TestReferencePage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Input and decision

What a policy is asked (` + "`input`" + `) and what ` + "`data.sidegate.decision`" + ` must be. The page is made from [schemas/input.json](../schemas/input.json) and
[schemas/decision.json](../schemas/decision.json), which ` + "`opa check -s`" + ` and editors take:
` + "`UPDATE=1 go test -run TestReferencePage ./policy`" + `. [policies/README.md](../policies/README.md) says how to write policies.
`)
	for _, file := range []string{"input.json", "decision.json"} {
		text, err := os.ReadFile("../schemas/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var root member
		if err := json.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(file, ".json"))
		writeMembers(t, &b, &root)
		for _, name := range definitionsOf(text) {
			if d := root.Definitions[name]; len(d.Properties) > 0 {
				fmt.Fprintf(&b, "\n### %s\n", name)
				writeMembers(t, &b, d)
			}
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(referencePage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(referencePage); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the schemas say (%v); run: UPDATE=1 go test -run TestReferencePage ./policy", referencePage, err)
	}
}

// member is a schema, as far as the page shows it.
type member struct {
	Description string             `json:"description"`
	Type        json.RawMessage    `json:"type"`
	Enum        []any              `json:"enum"`
	Ref         string             `json:"$ref"`
	Items       *member            `json:"items"`
	AnyOf       []*member          `json:"anyOf"`
	Properties  map[string]*member `json:"properties"`
	Definitions map[string]*member `json:"definitions"`
	Additional  json.RawMessage    `json:"additionalProperties"`
}

// writeMembers writes a table of the members of an object, and of those inside of it.
func writeMembers(t *testing.T, b *strings.Builder, m *member) {
	if m.Description != "" {
		fmt.Fprintf(b, "\n%s\n", m.Description)
	}
	b.WriteString("\n| member | type | |\n|---|---|---|\n")
	writeRows(t, b, "", m)
}

func writeRows(t *testing.T, b *strings.Builder, prefix string, m *member) {
	for _, name := range slices.Sorted(maps.Keys(m.Properties)) {
		p := m.Properties[name]
		if p.Description == "" && p.Ref == "" {
			t.Errorf("%s%s has no description", prefix, name)
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, name, p.kind(), strings.ReplaceAll(p.Description, "|", `\|`))
		writeRows(t, b, prefix+name+".", p)
	}
}

// kind names a type for people.
func (m *member) kind() string {
	if name, ok := strings.CutPrefix(m.Ref, "#/definitions/"); ok {
		return "[" + name + "](#" + name + ")"
	}
	if len(m.AnyOf) > 0 {
		kinds := make([]string, len(m.AnyOf))
		for i, one := range m.AnyOf {
			kinds[i] = one.kind()
		}
		return strings.Join(kinds, " or ")
	}
	if len(m.Enum) > 0 {
		values := make([]string, len(m.Enum))
		for i, v := range m.Enum {
			values[i] = fmt.Sprintf("`%v`", v)
		}
		return strings.Join(values, ", ")
	}
	kind := strings.NewReplacer(`"`, "", "[", "", "]", "", ", ", " or ", ",", " or ").Replace(string(m.Type))
	switch {
	case m.Items != nil:
		return "list of " + m.Items.kind()
	case kind == "object" && len(m.Properties) == 0 && len(m.Additional) > 0 && m.Additional[0] == '{':
		var of member
		_ = json.Unmarshal(m.Additional, &of)
		return "object of " + of.kind()
	}
	return kind
}

// definitionsOf are the names of the definitions in their order, which a map does not keep.
func definitionsOf(text []byte) (names []string) {
	_, rest, _ := strings.Cut(string(text), `"definitions": {`)
	for line := range strings.Lines(rest) {
		if name, ok := strings.CutPrefix(line, `    "`); ok && !strings.HasPrefix(name, " ") {
			name, _, _ = strings.Cut(name, `"`)
			names = append(names, name)
		}
	}
	return names
}
