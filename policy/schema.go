package policy

import (
	"reflect"
	"strings"
	"time"
)

// InputSchema returns the JSON schema of [Input], made from the Go types, in
// the form that OPA's type checker takes. It says of types and names what
// schemas/input.json says.
func InputSchema() map[string]any {
	return schemaOf(reflect.TypeFor[Input]())
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string"}
	case t == reflect.TypeFor[Argv]():
		return orNull(schemaOf(reflect.TypeFor[[]string]()))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(schemaOf(t.Elem()))
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	default: // int and int64 are all that is left in Input
		return map[string]any{"type": "integer"}
	}
}

func structSchema(t reflect.Type) map[string]any {
	properties := make(map[string]any, t.NumField())
	required := make([]any, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		properties[name] = schemaOf(t.Field(i).Type)
		required = append(required, name)
	}
	return map[string]any{
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
	}
}

// orNull adds null to a schema. The type checker looks into an object that may
// be null only when both types are in one list.
func orNull(schema map[string]any) map[string]any {
	if schema["type"] == "object" {
		schema["type"] = []any{"object", "null"}
		return schema
	}
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}
