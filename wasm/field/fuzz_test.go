package field_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidegate/sidegate/wasm/field"
)

// FuzzField compares with a reader that builds a tree: whether a text is JSON
// is for jsontext to say, what it holds for encoding/json.
func FuzzField(f *testing.F) {
	for _, path := range []string{"", "/command", "/env/A~1B", "/argv2/-", "/argv2/2/c", "/caf\u00e9", "/env/new", "x", "/~"} {
		f.Add([]byte(document), path, []byte(`{"x": 1.0}`))
		f.Add([]byte(document), path, []byte{})
	}
	for _, text := range hostile {
		if len(text) < 1000 {
			f.Add([]byte(text), "/a", []byte("1"))
			f.Add([]byte(`{"a":[1]}`), "/a", []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte, path string, value []byte) {
		if depth(doc)+depth(value) > field.MaxDepth {
			t.Skip("the two readers have other bounds")
		}
		checkGet(t, doc, path)
		checkSet(t, doc, path, value)
	})
}

func checkGet(t *testing.T, doc []byte, path string) {
	got, err := field.Get(doc, path)
	switch {
	case errors.Is(err, field.ErrPath):
		return
	case !jsontext.Value(doc).IsValid():
		if !errors.Is(err, field.ErrJSON) {
			t.Fatalf("Get of what is not JSON: %s, %v", got, err)
		}
		return
	}
	want, found := lookup(tree(t, doc), tokens(path))
	if !found {
		if !errors.Is(err, field.ErrNotFound) {
			t.Fatalf("Get of what is not there: %s, %v", got, err)
		}
		return
	}
	if err != nil || !reflect.DeepEqual(tree(t, got), want) {
		t.Fatalf("Get = %s, %v; want %v", got, err, want)
	}
	if !bytes.Equal(bytes.TrimSpace(got), got) || !bytes.Contains(doc, got) {
		t.Fatalf("Get = %q, which is not exactly what stands there", got)
	}
}

func checkSet(t *testing.T, doc []byte, path string, value []byte) {
	before := bytes.Clone(doc)
	out, err := field.Set(doc, path, value)
	if !bytes.Equal(doc, before) {
		t.Fatal("Set changed the document it was given")
	}
	if err != nil {
		if out != nil {
			t.Fatal("Set returned an error and a document")
		}
		return
	}
	if !jsontext.Value(out).IsValid() {
		t.Fatalf("Set = %q, which is not JSON", out)
	}
	way := tokens(path)
	if len(value) > 0 {
		if way = settled(tree(t, doc), way); len(way) > 0 || path == "" {
			got, found := lookup(tree(t, out), way)
			if !found || !reflect.DeepEqual(got, tree(t, value)) {
				t.Fatalf("after Set = %s there is %v, %v at %q", out, got, found, way)
			}
		}
	}
	if len(way) > 0 {
		checkOthers(t, doc, out, way, len(value) == 0)
	}
}

// checkOthers holds everything beside the way to what it was, byte for byte.
func checkOthers(t *testing.T, doc, out []byte, way []string, removed bool) {
	doc, out = bytes.TrimSpace(doc), bytes.TrimSpace(out)
	a, b := children(t, doc), children(t, out)
	for name, raw := range a {
		if name == way[0] {
			continue
		}
		if removed && doc[0] == '[' && len(way) == 1 {
			if i, _ := strconv.Atoi(name); i > atoi(way[0]) {
				name = strconv.Itoa(i - 1)
			}
		}
		if !bytes.Equal(raw, b[name]) {
			t.Fatalf("%q was %s and is %s", name, raw, b[name])
		}
	}
	if len(way) > 1 {
		checkOthers(t, a[way[0]], b[way[0]], way[1:], removed)
	}
}

// children returns the members or elements of a value as they stand.
func children(t *testing.T, text []byte) map[string]json.RawMessage {
	members := map[string]json.RawMessage{}
	if text[0] == '{' {
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		return members
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(text, &elements); err != nil {
		t.Fatal(err)
	}
	for i, e := range elements {
		members[strconv.Itoa(i)] = e
	}
	return members
}

func tree(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

func tokens(path string) []string {
	if path == "" {
		return nil
	}
	all := strings.Split(path[1:], "/")
	for i := range all {
		all[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(all[i])
	}
	return all
}

// settled puts the index that "-" stands for in its place, if the last
// container on the way is an array.
func settled(v any, way []string) []string {
	if len(way) == 0 {
		return way
	}
	last := len(way) - 1
	if in, _ := lookup(v, way[:last]); way[last] == "-" {
		if list, ok := in.([]any); ok {
			return append(slices.Clone(way[:last]), strconv.Itoa(len(list)))
		}
	}
	return way
}

func lookup(v any, way []string) (any, bool) {
	for _, token := range way {
		switch in := v.(type) {
		case map[string]any:
			member, ok := in[token]
			if !ok {
				return nil, false
			}
			v = member
		case []any:
			i := atoi(token)
			if i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// atoi returns the index that token is written as, or -1.
func atoi(token string) int {
	i, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(i) != token {
		return -1
	}
	return i
}

// depth counts brackets, those in strings too.
func depth(text []byte) int {
	return bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
}
