package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/wasm"
)

// describe loads openapi.yaml as it stands.
func describe(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestDescriptionIsValid: openapi.yaml is an OpenAPI 3.1 document whose examples are what its schemas say.
func TestDescriptionIsValid(t *testing.T) {
	t.Parallel()
	doc := describe(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("it is OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableMultiError()); err != nil {
		t.Error(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			if o.Summary == "" || o.OperationID == "" || len(o.Tags) == 0 {
				t.Errorf("%s %s has no summary, name or tag", method, path)
			}
		}
	}
}

// TestDescriptionHasEveryRoute: what the router takes is what is described.
func TestDescriptionHasEveryRoute(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	variable := regexp.MustCompile(`\{(\w+)(:[^}]*)?\}`)
	err := newTheatre(t, theatreOptions{}).router().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil { // it refuses all others
			return nil
		}
		for _, m := range methods {
			served[m+" "+variable.ReplaceAllString(path, "{$1}")] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range describe(t).Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("%s %s is described, and there is no such route", method, path)
			}
			delete(served, method+" "+path)
		}
	}
	for route := range served {
		t.Errorf("%s is not described", route)
	}
}

// TestDescriptionHasEveryCode: each code is in the enumeration, and has an example with its own title under its own status.
func TestDescriptionHasEveryCode(t *testing.T) {
	t.Parallel()
	doc := describe(t)
	var codes []string
	for code := range kinds {
		codes = append(codes, string(code))
	}
	var listed []string
	for _, v := range doc.Components.Schemas["Code"].Value.Enum {
		listed = append(listed, fmt.Sprint(v))
	}
	slices.Sort(codes)
	slices.Sort(listed)
	if !slices.Equal(codes, listed) {
		t.Errorf("the codes are\n%q, and those described\n%q", codes, listed)
	}
	examples := map[string]bool{}
	for name, response := range doc.Components.Responses {
		content := response.Value.Content[mediaProblem]
		if content == nil {
			continue
		}
		for code, example := range content.Examples {
			examples[code] = true
			text, err := json.Marshal(example.Value.Value)
			if err != nil {
				t.Fatal(err)
			}
			if err := problemIsWhole(kinds[Code(code)].status, text); err != nil {
				t.Errorf("%s of %s: %v", code, name, err)
			}
		}
	}
	for code := range kinds {
		if !examples[string(code)] {
			t.Errorf("%s has no example", code)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			for status, response := range o.Responses.Map() {
				if response.Ref == "" || response.Value.Content[mediaProblem] == nil {
					continue
				}
				for code := range response.Value.Content[mediaProblem].Examples {
					if got := strconv.Itoa(kinds[Code(code)].status); got != status {
						t.Errorf("%s %s: %s stands under %s, and is %s", method, path, code, status, got)
					}
				}
			}
		}
	}
}

// TestDescriptionHasEveryField: objects that the gateway sends have the members of their types, and those that are always there are required.
func TestDescriptionHasEveryField(t *testing.T) {
	t.Parallel()
	doc := describe(t)
	for name, of := range map[string]reflect.Type{
		"Problem": reflect.TypeFor[problemReply](), "Index": reflect.TypeFor[indexReply](),
		"Job": reflect.TypeFor[jobReply](), "Output": reflect.TypeFor[outputReply](), "JobPage": reflect.TypeFor[listReply](),
		"Decision": reflect.TypeFor[decisionReply](), "Piece": reflect.TypeFor[outputEvent](), "Change": nil,
		"Analysis": reflect.TypeFor[shell.Analysis](), "AnalyzedCommand": reflect.TypeFor[shell.Command](), "Word": reflect.TypeFor[shell.Word](),
		"Redirect": reflect.TypeFor[shell.Redirect](), "Assignment": reflect.TypeFor[shell.Assignment](),
		"Callback": reflect.TypeFor[deliveryReply](), "CallbackPage": reflect.TypeFor[callbacksReply](),
		"Chains": reflect.TypeFor[chainsReply](), "Stage": reflect.TypeFor[wasm.Stage](), "StageChain": reflect.TypeFor[wasm.StageChain](), "StageConfig": reflect.TypeFor[wasm.StageConfig](),
		"Selector": reflect.TypeFor[wasm.Selector](), "Expression": reflect.TypeFor[wasm.Expression](), "Plugin": reflect.TypeFor[wasm.PluginStatus](),
		"Result": reflect.TypeFor[outcome](),
	} {
		if of == nil {
			continue
		}
		fields, required := membersOf(of)
		if name == "Result" { // which is written by hand
			fields = append(fields, "stdout", "stderr")
			slices.Sort(fields)
		}
		s := doc.Components.Schemas[name].Value
		if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, fields) {
			t.Errorf("%s is described with\n%q, and has\n%q", name, got, fields)
		}
		if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
			t.Errorf("of %s are required\n%q, and always there\n%q", name, got, required)
		}
	}
}

// membersOf returns the names of a struct's members in JSON, and of those that are always there, sorted.
func membersOf(of reflect.Type) (all, required []string) {
	for _, f := range reflect.VisibleFields(of) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		all = append(all, name)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(all)
	slices.Sort(required)
	return all, required
}

// TestDescriptionHasThePolicysSchemas: what policies read of a command, and may oblige the gateway to, is described as schemas/ has it.
func TestDescriptionHasThePolicysSchemas(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"shell": "Analysis", "command": "AnalyzedCommand", "word": "Word", "redirect": "Redirect", "assignment": "Assignment",
		"obligations": "Obligations", "duration": "PolicyDuration", "size": "PolicySize", "path": "PolicyPath",
	}
	var renamed []string
	for of, name := range names {
		renamed = append(renamed, "#/definitions/"+of, "#/components/schemas/"+name)
	}
	doc := describe(t)
	for file, definitions := range map[string][]string{
		"input.json": {"shell", "command", "word", "redirect", "assignment"}, "decision.json": {"obligations", "duration", "size", "path"},
	} {
		text, err := os.ReadFile(filepath.Join("../schemas", file))
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Definitions map[string]any `json:"definitions"`
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer(renamed...).Replace(string(text))), &schema); err != nil {
			t.Fatal(err)
		}
		for _, of := range definitions {
			text, err := json.Marshal(doc.Components.Schemas[names[of]])
			if err != nil {
				t.Fatal(err)
			}
			var described any
			if err := json.Unmarshal(text, &described); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(described, schema.Definitions[of]) {
				t.Errorf("%s of schemas/%s is described as\n%s", of, file, text)
			}
		}
	}
}
