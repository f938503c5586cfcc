package daemon

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
)

// reloaded are the keys whose changes come into force while the gateway runs, with everything in them.
var reloaded = []string{
	"clients", "plugins", "chains", "plugin_configs", "tls.cert_file", "tls.key_file", "tls.client_ca_file", "callbacks.secret", "telemetry.log_level",
}

// A restartError is a configuration that is valid and changes what is fixed while a gateway runs.
type restartError struct {
	config *config.Config
	keys   []string // as the file writes them
}

// Error names each key and its line. What else has changed in the file waits with it.
func (e *restartError) Error() string {
	named := make([]string, len(e.keys))
	for i, key := range e.keys {
		named[i] = fmt.Sprintf("%s: %s", e.config.Position(key), key)
	}
	return fmt.Sprintf("a restart is needed for %s, and nothing else of the file comes into force before: restart the gateway, or take the change back", strings.Join(named, ", "))
}

// words finds where the second word of a name in Go begins, which the file writes behind an underscore.
var words = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

// needRestart returns the keys that differ and do not change while the gateway runs.
func needRestart(old, now *config.Config) []string {
	late := differing("", reflect.ValueOf(*old), reflect.ValueOf(*now))
	late = slices.DeleteFunc(late, func(key string) bool {
		return slices.ContainsFunc(reloaded, func(r string) bool { return key == r || strings.HasPrefix(key, r+".") })
	})
	if (old.TLS.CertFile == "") != (now.TLS.CertFile == "") { // a listener has TLS, or has not
		late = append(late, "tls.cert_file")
	}
	return late
}

// differing returns the keys at which two values of one type differ. What has no fields that others may see is compared as a whole.
func differing(key string, a, b reflect.Value) (keys []string) {
	fields := 0
	if a.Kind() == reflect.Struct {
		for i := range a.NumField() {
			field := a.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			fields++
			name := strings.ToLower(words.ReplaceAllString(field.Name, "${1}${3}_${2}${4}"))
			if key != "" {
				name = key + "." + name
			}
			keys = append(keys, differing(name, a.Field(i), b.Field(i))...)
		}
	}
	if fields == 0 && !reflect.DeepEqual(a.Interface(), b.Interface()) {
		keys = []string{key}
	}
	return keys
}

// equal compares two values, secrets among them.
func equal[T any](a, b T) bool { return reflect.DeepEqual(a, b) }
