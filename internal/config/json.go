package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// jsonValue is any value, turned into JSON. Only what is the same in both notations is taken: a word that is neither
// true, false, null nor a decimal number must be in quotes, or plainly a string.
func jsonValue(dst *Secret) value {
	return value{kind: "a value", read: func(d *decoder, key string, n *yaml.Node) {
		if len(d.problems) > 0 && d.around[key] {
			return
		}
		var b bytes.Buffer
		if d.writeJSON(&b, key, n) {
			*dst = NewSecret(b.Bytes())
		}
	}}
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// writeJSON appends n, and tells whether there was no problem.
func (d *decoder) writeJSON(b *bytes.Buffer, key string, n *yaml.Node) bool {
	if d.objected[n] {
		return false
	}
	switch n.Kind {
	case yaml.MappingNode:
		return d.writeObject(b, key, n)
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if !d.writeJSON(b, indexed(key, i), item) {
				return false
			}
		}
		b.WriteByte(']')
		return true
	}
	s, err := jsonScalar(n)
	if err != nil {
		d.report(n.Line, key, "%s", err)
		return false
	}
	b.WriteString(s)
	return true
}

func (d *decoder) writeObject(b *bytes.Buffer, key string, n *yaml.Node) bool {
	b.WriteByte('{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, child := n.Content[i], n.Content[i+1]
		if d.objected[name] {
			return false
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(encode(name.Value))
		b.WriteByte(':')
		if !d.writeJSON(b, join(key, name.Value), child) {
			return false
		}
	}
	b.WriteByte('}')
	return true
}

func jsonScalar(n *yaml.Node) (string, error) {
	switch {
	case n.Tag == "!!null":
		return "null", nil
	case n.Style == 0 && n.Tag == "!!bool":
		if n.Value != "true" && n.Value != "false" {
			return "", errors.New("must be true or false, written so, or in quotes")
		}
		return n.Value, nil
	case n.Style == 0 && (n.Tag == "!!int" || n.Tag == "!!float"):
		if !jsonNumber.MatchString(n.Value) {
			return "", fmt.Errorf("%s is a number in YAML and none in JSON; put it in quotes, or write it in plain decimal digits", quote(n.Value))
		}
		return n.Value, nil
	case isString(n):
		return encode(n.Value), nil
	}
	return "", errors.New("must be in quotes; readers of YAML differ on whether it is text")
}

// encode turns strings and objects of JSON into JSON.
func encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("config: cannot be encoded as JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// secretMembers is a mapping of names to secrets' files.
func secretMembers(dst *map[string]Secret) value {
	return value{kind: "a mapping of paths", read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			d.report(n.Line, key, "must be a mapping, not %s", nodeKind(n))
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, child := n.Content[i], n.Content[i+1]
			if d.objected[name] || d.objected[child] {
				continue
			}
			b, err := d.readSecret(child)
			if err != nil {
				d.report(child.Line, join(key, name.Value), "%s", err)
				continue
			}
			(*dst)[name.Value] = NewSecret(b)
		}
	}}
}

// addSecrets makes the secrets members of the JSON object config, whose key is key.
func (d *decoder) addSecrets(key string, config *Secret, secrets map[string]Secret) {
	if len(secrets) == 0 || d.failed(key) {
		return
	}
	members := map[string]json.RawMessage{}
	if text := config.Bytes(); string(text) != "null" {
		if err := json.Unmarshal(text, &members); err != nil {
			d.complain(key+".secret_files", "needs a config that is a mapping, to put the secrets in")
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if _, ok := members[name]; ok {
			d.complain(key+".secret_files."+name, "config has a member of this name already")
			continue
		}
		members[name] = json.RawMessage(encode(string(secrets[name].Bytes())))
	}
	*config = NewSecret([]byte(encode(members)))
}
