package wasm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"
)

// FuzzApply lets a plugin write anything, and holds what comes out against package encoding/json, which
// is another reader: what may not change has not, and what is accepted is what was written.
func FuzzApply(f *testing.F) {
	for _, text := range []string{
		plainRequest, aResponse, aCallback, "{}", "[]", "",
		`{"command":"git status","argv":null,"workdir":"","env":{"LANG":"D"},"labels":{"a":"\u0061"},"callback":null}`,
		`{"\u0063ommand":"git status","argv":null,"workdir":"/","env":{},"labels":{},"callback":null,"command":1}`,
		`{"status":"exited","exit_code":0.0,"signal":"","truncated":false,"annotations":{"a":"b"}}`,
		`{"url":"http://func/api","attempt":1e0,"headers":{"Host":"evil"},"body":[[]]}`,
	} {
		for phase := range 3 {
			f.Add(phase, []byte(text))
		}
	}
	before := []string{plainRequest, aResponse, aCallback}
	may := [][]string{{"env", "labels"}, {"annotations"}, {"headers", "body"}}
	f.Fuzz(func(t *testing.T, phase int, written []byte) {
		n := min(max(phase, 0), 2)
		given := bytes.Clone(written)
		r := newRule(phases[n], &Plugin{MayChange: []string{"env", "labels"}})
		after, changed, err := r.apply([]byte(before[n]), written)
		if !bytes.Equal(given, written) {
			t.Fatal("apply wrote to what it was given")
		}
		if errors.Is(err, errMessage) {
			t.Fatalf("the plugin's message was held for the caller's: %v", err)
		}
		if err != nil {
			return
		}
		was, is, wrote := rawMembers(t, []byte(before[n])), rawMembers(t, after), rawMembers(t, written)
		if len(is) != len(was) || len(wrote) != len(was) {
			t.Fatalf("%d members became %d", len(was), len(is))
		}
		for name, value := range is {
			switch {
			case slices.Contains(changed, name):
				if !slices.Contains(may[n], name) || !reflect.DeepEqual(tree(t, value), tree(t, wrote[name])) {
					t.Errorf("%s changed to %s, and %s was written", name, value, wrote[name])
				}
			case !bytes.Equal(value, was[name]):
				t.Errorf("%s is %s, but was %s", name, value, was[name])
			case !reflect.DeepEqual(tree(t, wrote[name]), tree(t, was[name])):
				t.Errorf("%s was written as %s, and taken for %s", name, wrote[name], was[name])
			}
		}
	})
}

func rawMembers(t *testing.T, text []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return members
}

// tree decodes a value with its numbers as they are written.
func tree(t *testing.T, text []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("%s: something is behind it", text)
	}
	return v
}
