package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/wasm"
)

// The IDs that stand in openapi.yaml for some job and its callback.
const (
	sampleJob      = "0198c2d2-3f9a-7c17-8d2c-3f9a2c17abcd"
	sampleCallback = "0198c2d2-3f9a-7c17-8d2c-3f9a2c17cb01"
)

// exemplary is the policy of the examples.
const exemplary = `package sidegate

default decision := {"allow": true, "grants": ["examples"], "reasons": [], "obligations": {"profile": "host"}}

decision := {"allow": false, "grants": [], "reasons": ["rm is in no grant"], "obligations": {}} if {
	some command in input.shell.commands
	command.name == "rm"
}
`

// TestDescriptionExamples sends the request of every example of openapi.yaml, and holds the answer to the example's: status, type, members, and the bytes
// where they are the same on every host.
func TestDescriptionExamples(t *testing.T) {
	t.Parallel()
	plugin := on(wasm.PhaseRequest, "token-verifier", "=/labels/checked='yes'")
	plugin.selector = wasm.Selector{MatchLabels: map[string]string{"client.name": "func"}}
	h := newHouse(t, theatreOptions{rego: exemplary}, plugin)
	doc := describe(t)
	order, err := json.Marshal(doc.Paths.Value("/v1/jobs").Post.RequestBody.Value.Content["application/json"].Examples["everything"].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	create(t, h.as(t, 0), string(order)) // so that there are two
	job := create(t, h.as(t, 0), string(order))
	ended(t, h.as(t, 0), job)
	real := strings.NewReplacer(sampleJob, job, sampleCallback, h.callbacksOf(t, 0, "?job="+job).Callbacks[0].DeliveryID)

	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			examples := examplesOf(o)
			if len(examples) == 0 { // the least that can be sent
				examples = []example{{status: http.StatusOK}}
			}
			for _, x := range examples {
				t.Run(method+" "+path+" "+x.name, func(t *testing.T) {
					r := x.request(t, method, path, append(slices.Clone(item.Parameters), o.Parameters...), o.RequestBody, real)
					var res *http.Response
					if o.Security != nil && len(*o.Security) == 1 { // signed as Func does
						w := httptest.NewRecorder()
						h.Handler().ServeHTTP(w, r)
						res = w.Result()
					} else if res, err = h.as(t, 0).Do(r); err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					text, err := io.ReadAll(res.Body)
					if err != nil {
						t.Fatal(err)
					}
					x.compare(t, res, text)
				})
			}
		}
	}
}

// example is an example of an answer, with the names of the request's.
type example struct {
	name   string
	status int
	media  string
	value  any
}

// examplesOf returns all of an operation but those of refusals that no example of a request is for.
func examplesOf(o *openapi3.Operation) (all []example) {
	asked := map[string]bool{}
	if o.RequestBody != nil {
		for name := range o.RequestBody.Value.Content["application/json"].Examples {
			asked[name] = true
		}
	}
	for key, response := range o.Responses.Map() {
		status, err := strconv.Atoi(key)
		if err != nil {
			continue
		}
		for media, content := range response.Value.Content {
			for name, e := range content.Examples {
				if code, ok := kinds[Code(name)]; ok && code.status != status { // a refusal that is described once for several
					continue
				}
				if status < http.StatusBadRequest || asked[name] {
					all = append(all, example{name, status, media, e.Value.Value})
					delete(asked, name)
				}
			}
		}
	}
	for name := range asked {
		all = append(all, example{name: name + ", which has no answer"})
	}
	return all
}

// request is what an example is the answer to.
func (x example) request(t *testing.T, method, path string, parameters openapi3.Parameters, body *openapi3.RequestBodyRef, real *strings.Replacer) *http.Request {
	t.Helper()
	query, header := url.Values{}, http.Header{}
	for _, p := range parameters {
		value := p.Value.Example
		if e := p.Value.Examples[x.name]; e != nil {
			value = e.Value.Value
		}
		list, ok := value.([]any)
		if !ok && value != nil {
			list = []any{value}
		}
		for _, v := range list {
			text := real.Replace(fmt.Sprint(v))
			switch p.Value.In {
			case "path":
				path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(text))
			case "query":
				query.Add(p.Value.Name, text)
			default:
				header.Add(p.Value.Name, text)
			}
		}
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body.Value.Content["application/json"].Examples[x.name].Value.Value); err != nil {
			t.Fatal(err)
		}
		header.Set("Content-Type", "application/json")
	}
	if path == "/shell" {
		var b map[string]any
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		return signedCall(t.Context(), path, "func", auth.NewNonce(), b)
	}
	if x.status < http.StatusBadRequest && x.media != "" {
		header.Set("Accept", x.media)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://gateway"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return r
}

// compare holds an answer to the example.
func (x example) compare(t *testing.T, res *http.Response, text []byte) {
	t.Helper()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != x.status || x.media != "" && media != x.media {
		t.Fatalf("it is %d %s, and described as %d %s: %s", res.StatusCode, media, x.status, x.media, text)
	}
	switch media {
	case "application/json", mediaProblem:
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if problem := sameShape("", x.value, got); problem != "" {
			t.Errorf("%s\nin %s", problem, text)
		}
	case mediaEvents:
		if got, want := eventNames(string(text)), eventNames(fmt.Sprint(x.value)); !slices.Equal(got, want) {
			t.Errorf("the events are %q, and described %q", got, want)
		}
	case mediaBytes:
		if x.value != nil && string(text) != x.value {
			t.Errorf("it is %q, and described as %q", text, x.value)
		}
	}
}

func eventNames(stream string) (names []string) {
	for line := range strings.Lines(stream) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// freely are members whose own members are data.
var freely = []string{"labels", "features", "failures", "match_labels", "obligations", "annotations"}

// sameShape says where two JSON values differ in their members, or "". Each element of a list has to have one like it.
func sameShape(at string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		if a, b := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(a, b) {
			return fmt.Sprintf("%s has the members %q, and is described with %q", at, b, a)
		}
		for name := range want {
			if slices.Contains(freely, name) {
				continue
			}
			if problem := sameShape(at+"."+name, want[name], got[name]); problem != "" {
				return problem
			}
		}
	case []any:
		got, ok := got.([]any)
		if !ok {
			return at + " is no list"
		}
		for i, w := range want {
			problem := fmt.Sprintf("%s[%d] is nowhere", at, i)
			for _, g := range got {
				p := sameShape(fmt.Sprintf("%s[%d]", at, i), w, g)
				if p == "" {
					problem = ""
					break
				}
				problem = p
			}
			if problem != "" && len(got) > 0 {
				return problem
			}
		}
	case string:
		if _, ok := got.(string); !ok {
			return at + " is no text"
		}
	case bool:
		if got != want {
			return fmt.Sprintf("%s is %v", at, got)
		}
	case nil:
		if got != nil {
			return at + " is not null"
		}
	}
	return ""
}
