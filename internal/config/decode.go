package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"go.yaml.in/yaml/v3"
)

// decoder walks one file's tree along the schema. Its problems are complete when
// the walk has ended; the first one does not end it.
type decoder struct {
	dir      string // absolute; what relative paths are resolved against
	problems []Problem
	lines    map[string]int      // of every dotted key in the file
	objected map[*yaml.Node]bool // nodes that structure reported
	secrets  map[string]string   // secret -> dotted key that named it

	publicKeys map[string]string // public key -> dotted key that named it

	broken  map[string]bool // keys that have a problem
	around  map[string]bool // keys that enclose one that has
	private []string        // files that others must not read
	public  []string        // files with public keys
}

func newDecoder(dir string) *decoder {
	return &decoder{
		dir:      dir,
		lines:    map[string]int{},
		objected: map[*yaml.Node]bool{},
		secrets:  map[string]string{},

		publicKeys: map[string]string{},

		broken: map[string]bool{},
		around: map[string]bool{},
	}
}

// A value says how one key is written: what to call it in messages and in the
// reference, how to read it into the place it was made for, and, for mappings and
// lists of mappings, which keys it holds.
type value struct {
	kind   string
	read   func(d *decoder, key string, n *yaml.Node)
	fields []field
	list   bool // fields are those of its items
}

// A field is one key of a mapping.
type field struct {
	name     string
	value    value
	required bool
}

func (d *decoder) report(line int, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
	d.broken[key] = true
	for at := parent(key); at != "" && !d.around[at]; at = parent(at) {
		d.around[at] = true
	}
}

// failed reports whether key, something below it or a key around it has a problem:
// what follows from that is not worth a second one.
func (d *decoder) failed(key string) bool {
	for at := key; at != ""; at = parent(at) {
		if d.broken[at] {
			return true
		}
	}
	return d.around[key]
}

// object reports n and keeps the walk along the schema from looking at it again.
func (d *decoder) object(n *yaml.Node, key, format string, args ...any) {
	d.objected[n] = true
	d.report(n.Line, key, format, args...)
}

// readNode reads n by the value's rule, unless it was objected to or is a null, which
// is allowed nowhere: what it would mean differs from key to key.
func (v value) readNode(d *decoder, key string, n *yaml.Node) {
	switch {
	case d.objected[n]: // reported already
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.report(n.Line, key, "has no value; give %s, or leave the key out", v.kind)
	default:
		v.read(d, key, n)
	}
}

// mapping is a value that holds exactly the given fields, in any order.
func mapping(fields ...field) value {
	return value{kind: "a mapping", fields: fields, read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			d.report(n.Line, key, "must be a mapping, not %s", nodeKind(n))
			return
		}
		present := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, child := n.Content[i], n.Content[i+1]
			if d.objected[name] {
				continue
			}
			present[name.Value] = true
			d.readField(fields, key, name, child)
		}
		for _, f := range fields {
			if f.required && !present[f.name] {
				d.report(n.Line, join(key, f.name), "is required")
			}
		}
	}}
}

// then returns a value that calls after when it has been read.
func (v value) then(after func(d *decoder, key string)) value {
	read := v.read
	v.read = func(d *decoder, key string, n *yaml.Node) {
		read(d, key, n)
		after(d, key)
	}
	return v
}

// readField reads one pair of a mapping.
func (d *decoder) readField(fields []field, key string, name, child *yaml.Node) {
	sub := join(key, name.Value)
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name.Value })
	if i < 0 {
		d.report(name.Line, sub, "unknown key; %s", suggest(name.Value, fields))
		return
	}
	fields[i].value.readNode(d, sub, child)
}

// suggest names the field that was probably meant, or all of them.
func suggest(name string, fields []field) string {
	best, distance := "", 0
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
		// Long names are junk, and the distance costs their product.
		if len(name) > 64 {
			continue
		}
		// secret for secret_file: most of the letters are missing, none is wrong.
		if strings.HasPrefix(f.name, name+"_") {
			return fmt.Sprintf("did you mean %s?", f.name)
		}
		if n := levenshtein.ComputeDistance(strings.ToLower(name), f.name); best == "" || n < distance {
			best, distance = f.name, n
		}
	}
	if best != "" && distance <= max(1, min(len(name), len(best))/2) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "the keys here are " + strings.Join(names, ", ")
}

// listOf is a list whose items are read by item, each into its own element of dst.
// A list in the file replaces the default, it does not add to it.
func listOf[T any](dst *[]T, item func(*T) value) value {
	var example T
	each := item(&example)
	return value{
		kind: "a list of " + strings.TrimPrefix(strings.TrimPrefix(each.kind, "an "), "a ") + "s", fields: each.fields, list: true,
		read: func(d *decoder, key string, n *yaml.Node) {
			if n.Kind != yaml.SequenceNode {
				d.report(n.Line, key, "must be a list, not %s; write [a, b], or each item on its own line after a dash", nodeKind(n))
				return
			}
			*dst = make([]T, len(n.Content))
			for i, child := range n.Content {
				item(&(*dst)[i]).readNode(d, indexed(key, i), child)
			}
		},
	}
}

// nodeKind says what a node is, for "must be a list, not …".
func nodeKind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isString(n):
		return "a string"
	}
	return "a single value"
}

// dottedKeys returns the kind of every key below v, except of mappings with fixed
// keys, by its name in the reference: clients[].name for what each item holds.
func (v value) dottedKeys(prefix string) map[string]string {
	kinds := map[string]string{}
	for _, f := range v.fields {
		key := join(prefix, f.name)
		below := key
		if f.value.list {
			below += "[]"
		}
		if f.value.list || f.value.fields == nil {
			kinds[key] = f.value.kind
		}
		maps.Copy(kinds, f.value.dottedKeys(below))
	}
	return kinds
}
