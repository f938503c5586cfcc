package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds nesting. The contract needs five levels; OPA's own configuration
// below policy.opa has a few more.
const maxDepth = 32

const noAliases = "anchors and aliases (&name, *name) are not supported; quote a value that begins with & or *"

// structure walks the whole tree once, whatever the keys mean, and reports what is
// never allowed: anchors, aliases, tags, merge keys, keys that are not strings,
// duplicate keys and excessive depth. It records the line of every key, and the
// nodes it objected to, so that nothing is reported twice. An alias is never
// followed.
func (d *decoder) structure(key string, n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		d.object(n, key, "nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.object(n, key, noAliases)
		return
	case n.Style&yaml.TaggedStyle != 0:
		d.object(n, key, "tags (!name) are not supported; quote a value that begins with !")
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			sub := indexed(key, i)
			d.lines[sub] = item.Line
			d.structure(sub, item, depth+1)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			if message := keyProblem(name); message != "" {
				d.object(name, key, "%s", message)
				continue
			}
			sub := join(key, name.Value)
			if first, ok := d.lines[sub]; ok {
				d.object(name, sub, "duplicate key, first on line %d", first)
				continue
			}
			d.lines[sub] = name.Line
			d.structure(sub, value, depth+1)
		}
	}
}

// keyProblem says what is wrong with the name of a key, or "".
func keyProblem(name *yaml.Node) string {
	switch {
	case name.Kind == yaml.AliasNode || name.Anchor != "":
		return noAliases
	case name.Kind != yaml.ScalarNode:
		return "a key must be a plain name"
	case name.Style&yaml.TaggedStyle != 0:
		return "tags (!name) are not supported"
	case name.Tag == "!!merge":
		return "merge keys (<<) are not supported"
	case name.Tag == "!!null", name.Value == "":
		return "a key must not be empty"
	case !isString(name):
		return fmt.Sprintf("the key %s must be a string; put it in quotes", quote(name.Value))
	case hasControl(name.Value):
		return fmt.Sprintf("the key %s has control characters", quote(name.Value))
	}
	return ""
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join returns the dotted key of name below key. A name that could be mistaken for
// two is quoted, so that no two places have one key.
func join(key, name string) string {
	if !plainKey.MatchString(name) {
		name = strconv.Quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

// indexed returns the dotted key of item i of the list at key.
func indexed(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// isString reports whether a scalar is a string for every reader of YAML: not a
// number, null or timestamp, and not one of the words that older readers take for
// booleans, unless it is quoted.
func isString(n *yaml.Node) bool {
	if n.Tag != "!!str" {
		return false
	}
	if n.Style != 0 {
		return true
	}
	switch strings.ToLower(n.Value) {
	case "y", "n", "yes", "no", "on", "off":
		return false
	}
	return true
}

// quote shows a value from the file, shortened.
func quote(s string) string {
	const most = 64
	if runes := []rune(s); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(s)
}
