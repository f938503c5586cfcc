package config

import (
	"regexp"

	"go.yaml.in/yaml/v3"
)

// notYet lists what the contract of the file names and this version does not do.
// Setting it is refused: a gateway that quietly ignores a public key is
// less safe than its configuration says. Empty values are accepted, so that a file
// may spell out every key. To support a key, delete its row and give it a place in
// the schema.
var notYet = []struct {
	key     string // dotted, with [] for any item
	value   string // the one value refused, or "" for any that is not empty
	message string
}{
	{"clients[].scheme", "httpsig", "HTTP message signatures are not supported by this version; use func or peercred"},
	{"clients[].public_key_file", "", "public keys are not supported by this version; use secret_file"},
	{"telemetry.otlp_endpoint", "", "OpenTelemetry export is not supported by this version; leave the key out"},
}

var itemIndex = regexp.MustCompile(`\[\d+\]`)

// refused returns why this version does not take n at key, or "".
func refused(key string, n *yaml.Node) string {
	key = itemIndex.ReplaceAllString(key, "[]")
	for _, row := range notYet {
		if row.key != key {
			continue
		}
		if row.value == "" && !isEmpty(n) || row.value != "" && n.Value == row.value {
			return row.message
		}
	}
	return ""
}

// isEmpty reports whether n is "", [], {} or a null. The null is then refused for
// what it is.
func isEmpty(n *yaml.Node) bool {
	return n.Kind != yaml.AliasNode && n.Value == "" && len(n.Content) == 0 || n.Tag == "!!null"
}
