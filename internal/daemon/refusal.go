package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/wasm"
	"github.com/sidegate/sidegate/wasm/guest"
)

// A refusal is a plugin that did not accept its configuration. What a plugin says of it is for the log, and for who starts
// a gateway or checks its configuration: readiness reports are read by others, and a plugin may repeat what it was given,
// in whatever spelling.
type refusal struct {
	what  string // that it refuses, in the gateway's words
	words string // why, in the plugin's: printable, cut, and without the values of its configuration; may be ""
}

func (r *refusal) Error() string {
	if r.words == "" {
		return r.what + " without saying why"
	}
	return fmt.Sprintf("%s, in its own words: %q", r.what, r.words)
}

// withoutWords is the refusal as everybody may read it.
func (r *refusal) withoutWords() error {
	if r.words == "" {
		return r
	}
	return errors.New(r.what + "; the log has what it says")
}

// refusalOf returns the refusal that a problem of a set is, or nil.
func refusalOf(c *config.Config, p wasm.Problem) *refusal {
	var refused *guest.RefusedError
	if !errors.As(p.Err, &refused) {
		return nil
	}
	return &refusal{
		what:  strings.TrimSuffix(p.Message, refused.Error()) + fmt.Sprintf("plugin %s refuses its configuration", refused.Plugin),
		words: without(refused.Reason, configuredValues(c, refused.Plugin)),
	}
}

// leastHidden is the length of values that are hidden, in bytes. Shorter ones are parts of words.
const leastHidden = 4

// configuredValues are the texts and numbers in the configurations of a plugin, also those that come from secret_files, as
// they are and as they stand in JSON. The host of guests shows no character that is not printable, so they are cut there.
func configuredValues(c *config.Config, plugin string) []string {
	var values []string
	add := func(value string) {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return !strconv.IsPrint(r) }) {
			if len(part) >= leastHidden {
				values = append(values, part)
			}
		}
	}
	for _, pc := range c.PluginConfigs {
		if pc.Plugin != plugin {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(pc.Config.Bytes()))
		d.UseNumber()
		var value any
		if err := d.Decode(&value); err == nil { // who loads plugins says if it is no JSON
			eachScalar(value, func(text string) {
				add(text)
				add(encoded(text))
			})
		}
	}
	return values
}

// encoded is a text as it stands between the quotes of JSON.
func encoded(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // nothing keeps a string from being written
	return strings.TrimSuffix(b.String(), "\"\n")[1:]
}

// eachScalar visits the strings and numbers of a JSON value, but for the names of members.
func eachScalar(value any, visit func(string)) {
	switch v := value.(type) {
	case string:
		visit(v)
	case json.Number:
		visit(v.String())
	case []any:
		for _, item := range v {
			eachScalar(item, visit)
		}
	case map[string]any:
		for _, member := range v {
			eachScalar(member, visit)
		}
	}
}

// without returns a text with every value in it replaced, also the beginning of one where the text was cut off.
func without(text string, values []string) string {
	hidden := make([]bool, len(text))
	hide := func(from, to int) {
		for i := from; i < to; i++ {
			hidden[i] = true
		}
	}
	body, isCut := strings.CutSuffix(text, "…")
	for _, value := range values {
		// Values may lie over each other: none is replaced before all are found.
		for at := 0; ; at++ {
			i := strings.Index(body[at:], value)
			if i < 0 {
				break
			}
			at += i
			hide(at, at+len(value))
		}
		for n := min(len(value), len(body)); isCut && n >= leastHidden; n-- {
			if strings.HasSuffix(body, value[:n]) {
				hide(len(body)-n, len(body))
				break
			}
		}
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString("[redacted]")
		}
	}
	return b.String()
}
