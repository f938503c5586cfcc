package authoring

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// YAML writes the data.yaml of a role, with comments above. Every text of somebody else is in quotes, with what is no visible character escaped.
func (r Role) YAML(about []string) []byte {
	var b bytes.Buffer
	for _, line := range about {
		writeComment(&b, line)
	}
	list(&b, "workdirs", r.Workdirs)
	if len(r.Env) > 0 {
		b.WriteString("env:\n")
		for _, key := range slices.Sorted(maps.Keys(r.Env)) {
			form := listed(r.Env[key])
			if len(r.Env[key]) > MaxValues {
				form = "text"
			}
			fmt.Fprintf(&b, "  %s: %s\n", quoted(key), form)
		}
	}
	if len(r.Callbacks) > 0 {
		b.WriteString("callbacks:\n")
		for _, origin := range slices.Sorted(maps.Keys(r.Callbacks)) {
			fmt.Fprintf(&b, "  %s: %s\n", quoted(origin), listed(r.Callbacks[origin]))
		}
	}
	if len(r.Commands) == 0 {
		b.WriteString("commands: {}\n")
		return b.Bytes()
	}
	b.WriteString("commands:\n")
	for _, name := range slices.Sorted(maps.Keys(r.Commands)) {
		form := r.Commands[name]
		fmt.Fprintf(&b, "  %s:\n    style: literal\n", quoted(name))
		if form.Subcommands == nil {
			writeSlots(&b, "    ", form.Words)
			continue
		}
		b.WriteString("    subcommands:\n")
		for _, verb := range slices.Sorted(maps.Keys(form.Subcommands)) {
			fmt.Fprintf(&b, "      %s:\n        style: literal\n", quoted(verb))
			writeSlots(&b, "        ", form.Subcommands[verb])
		}
	}
	return b.Bytes()
}

// writeSlots writes operands of which there are exactly as many.
func writeSlots(b *bytes.Buffer, indent string, slots []Slot) {
	n := len(slots)
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "%soperands:\n", indent)
	if n > 1 {
		fmt.Fprintf(b, "%s  leading:\n", indent)
		for _, s := range slots[:n-1] {
			fmt.Fprintf(b, "%s    - %s\n", indent, s.yaml())
		}
	}
	fmt.Fprintf(b, "%s  type: %s\n%s  min: %d\n%s  max: %d\n", indent, slots[n-1].yaml(), indent, n, indent, n)
}

// yaml is the type of a slot.
func (s Slot) yaml() string {
	if len(s.Roots) == 0 {
		return listed(s.Words)
	}
	if s.Any {
		return fmt.Sprintf("{path: read, roots: %s}", listed(s.Roots))
	}
	patterns := make([]string, len(s.Words))
	for i, word := range s.Words {
		patterns[i] = regexp.QuoteMeta(word)
	}
	return fmt.Sprintf("{path: read, roots: %s, pattern: %s}", listed(s.Roots), quoted(strings.Join(patterns, "|")))
}

func list(b *bytes.Buffer, key string, texts []string) {
	if len(texts) > 0 {
		fmt.Fprintf(b, "%s: %s\n", key, listed(texts))
	}
}

func listed(texts []string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = quoted(text)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// quoted is text as a double-quoted scalar of YAML. Text that is not UTF-8 has been refused before.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == ' ', unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
