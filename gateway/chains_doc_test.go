package gateway

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/wasm"
)

// TestChainsAreDescribed: docs/api.md describes every field of GET /v1/chains with its type, and no other.
func TestChainsAreDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## GET /v1/chains\n")
	if !found {
		t.Fatal("there is no section about it")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	described := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section, -1) {
		if _, twice := described[row[1]]; twice {
			t.Errorf("%s is described twice", row[1])
		}
		described[row[1]] = row[2]
	}
	fields := map[string]string{}
	describeFields(fields, "", reflect.TypeFor[chainsReply]())
	describeFields(fields, "", reflect.TypeFor[wasm.Selector]())
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if got, ok := described[name]; !ok {
			t.Errorf("%s is not described", name)
		} else if got != fields[name] {
			t.Errorf("%s is described as %q and is %q", name, got, fields[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		if _, ok := fields[name]; !ok {
			t.Errorf("%s is described, and there is no such field", name)
		}
	}
}

// describeFields adds the fields of a struct, and those below them, with their types in the words of the page.
func describeFields(fields map[string]string, prefix string, of reflect.Type) {
	for i := range of.NumField() {
		f := of.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" || f.Anonymous {
			panic("gateway: " + of.String() + "." + f.Name + " has no name of its own in JSON")
		}
		name := prefix + tag
		fields[name] = jsonType(f.Type)
		if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
			describeFields(fields, name+"[].", f.Type.Elem())
		}
	}
}

func jsonType(of reflect.Type) string {
	switch of {
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[wasm.Selector]():
		return "selector"
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Uint64:
		return "number"
	case reflect.Map:
		return "object of " + jsonType(of.Elem()) + "s"
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Struct {
			return "list"
		}
		return "list of " + jsonType(of.Elem()) + "s"
	}
	return of.String()
}
