package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// schema is as much of JSON Schema as the two schemas use.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"` // a name or several
	Properties  map[string]*schema `json:"properties"`
	Additional  any                `json:"additionalProperties"` // false, or the schema of map values
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	AnyOf       []*schema          `json:"anyOf"`
	Enum        []any              `json:"enum"`
	Definitions map[string]*schema `json:"definitions"`
}

func (s *schema) types() []string {
	var names []string
	switch t := s.Type.(type) {
	case string:
		names = []string{t}
	case []any:
		for _, name := range t {
			names = append(names, name.(string))
		}
	}
	return names
}

// walker compares a Go type with a schema, both ways.
type walker struct {
	t    *testing.T
	root *schema
	// input: every field is required. Otherwise none below the top is.
	input bool
}

func (w walker) compare(path string, goType reflect.Type, s *schema) {
	if name, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
		if s = w.root.Definitions[name]; s == nil {
			w.t.Fatalf("%s: no definition %s", path, name)
		}
	}
	null := slices.Contains(s.types(), "null")
	for _, option := range s.AnyOf {
		if slices.Equal(option.types(), []string{"null"}) {
			null = true
		} else {
			s = option
		}
	}
	nullable := goType.Kind() == reflect.Pointer || goType == reflect.TypeFor[Argv]()
	if w.input && null != nullable {
		w.t.Errorf("%s: null in the schema %v, in Go %v", path, null, nullable)
	}
	if goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	kinds := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer",
		reflect.Slice: "array", reflect.Struct: "object", reflect.Map: "object",
	}
	want := kinds[goType.Kind()]
	if goType == reflect.TypeFor[time.Time]() {
		want = "string"
	}
	if w.resolved(s).kind() != want {
		w.t.Errorf("%s: %q in the schema, %q in Go", path, w.resolved(s).kind(), want)
		return
	}
	switch {
	case want == "array":
		w.compare(path+"[]", goType.Elem(), s.Items)
	case goType.Kind() == reflect.Map:
		encoded, _ := json.Marshal(s.Additional)
		var values schema
		if err := json.Unmarshal(encoded, &values); err != nil {
			w.t.Fatalf("%s: values of a map without a schema: %v", path, err)
		}
		w.compare(path+"{}", goType.Elem(), &values)
	case want == "object":
		w.compareFields(path, goType, s)
	}
}

func (w walker) resolved(s *schema) *schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/definitions/"); ok {
		return w.root.Definitions[name]
	}
	return s
}

func (s *schema) kind() string {
	for _, name := range s.types() {
		if name != "null" {
			return name
		}
	}
	return ""
}

func (w walker) compareFields(path string, goType reflect.Type, s *schema) {
	if s.Additional != false {
		w.t.Errorf("%s: additionalProperties is not false", path)
	}
	var names []string
	for i := range goType.NumField() {
		field := goType.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if path == "decision" && (name == "revision" || name == "fault" || name == "-") {
			continue // the engine says these, not the policy
		}
		names = append(names, name)
		property := s.Properties[name]
		if property == nil {
			w.t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		if must := w.input || path == "decision"; must != slices.Contains(s.Required, name) {
			w.t.Errorf("%s.%s: required in the schema %v, want %v", path, name, !must, must)
		}
		fieldType := field.Type
		if fieldType == reflect.TypeFor[Obligations]() {
			fieldType = reflect.TypeFor[wireObligations]()
		}
		w.compare(path+"."+name, fieldType, property)
	}
	for name := range s.Properties {
		if !slices.Contains(names, name) {
			w.t.Errorf("%s.%s is in the schema and not in Go", path, name)
		}
	}
	for _, name := range s.Required {
		if s.Properties[name] == nil {
			w.t.Errorf("%s requires %s, which it does not describe", path, name)
		}
	}
}

func readSchema(t *testing.T, name string) *schema {
	t.Helper()
	content, err := os.ReadFile("../schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(content, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestSchemasAgreeWithTypes(t *testing.T) {
	t.Parallel()
	input := readSchema(t, "input.json")
	walker{t, input, true}.compare("input", reflect.TypeFor[Input](), input)
	decision := readSchema(t, "decision.json")
	walker{t, decision, false}.compare("decision", reflect.TypeFor[Decision](), decision)
}

// The values that the decoder knows for each choice are those of the schema.
func TestSchemaChoicesAgreeWithDecoder(t *testing.T) {
	t.Parallel()
	obligations := readSchema(t, "decision.json").Definitions["obligations"]
	for name, property := range obligations.Properties {
		for _, choice := range property.Enum {
			if _, err := decodeJSON(withObligations(`{"` + name + `": "` + choice.(string) + `"}`)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
