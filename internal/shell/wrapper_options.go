package shell

import "strings"

// Reasons why a command is opaque that several wrappers share.
const (
	opaqueOption      = "unknown_option"
	opaqueDynamic     = "dynamic_argument"
	opaqueSplitString = "split_string"
)

// wrapper is how a program's arguments lead to the command that it runs.
// The options are those of its manual; any other makes it opaque, abbreviated
// long options included.
type wrapper struct {
	flags    string // short options without a value
	values   string // short options with a value, attached or in the next word
	optional string // short options whose value, if any, is attached
	// long lists the long options, with "=" after those that take a value and
	// "?" after those whose value, if any, is attached.
	long     string
	operands int    // words before the command
	numeric  bool   // -10 is an option
	dash     bool   // a lone - is an option
	assigns  bool   // NAME=VALUE words come before the command
	stops    string // options with which no command is run
	scripts  string // options whose value is a script for a shell
	split    string // options whose value is split into words
	moves    string // options after which only absolute names are known
	replaces string // options whose value is the placeholder of stdin
	trailing string // options that are recognized after the operands too

	stdin   bool     // the command is given words from its input
	joins   bool     // the words are joined to a script for a shell
	implied []string // the command when there is none
	alone   string   // why it is opaque when there is no command
	opaque  string   // why it is opaque whatever its options
	lookup  lookup
}

// invocation is one use of a wrapper.
type invocation struct {
	rest        []Word // the command and its arguments
	assigns     []Word
	script      *Word
	placeholder string
	opaque      string // why nothing is known about what is run
	stopped     bool
	moved       bool
}

// parse reads a wrapper's words, of which the first is its own name.
func (s *wrapper) parse(words []Word) invocation {
	var in invocation
	operands := s.operands
	ended := false
	i := 1
	for i < len(words) && in.opaque == "" {
		if !words[i].Static {
			in.opaque = opaqueDynamic
			return in
		}
		text := *words[i].Value
		switch {
		case !ended && text == "--":
			ended = true
			i++
		case !ended && len(text) > 1 && text[0] == '-' || text == "-" && s.dash && !ended:
			i = s.option(&in, words, i)
		case s.assigns && strings.Contains(text, "="):
			in.assigns = append(in.assigns, words[i])
			ended = true
			i++
		case operands > 0:
			operands--
			ended = true
			i++
		case in.script != nil:
			in.opaque = opaqueOption // a script and a command
		case strings.HasPrefix(text, "-"):
			if s.trailing == "" || !strings.Contains(s.trailing, text[1:]) {
				in.opaque = opaqueOption
				return in
			}
			i = s.option(&in, words, i)
		default:
			in.rest = words[i:]
			return in
		}
	}
	if in.opaque == "" && operands > 0 && !in.stopped && in.script == nil {
		in.opaque = "missing_operand"
	}
	return in
}

// option reads the option at words[i] and returns the index after it and its
// value.
func (s *wrapper) option(in *invocation, words []Word, i int) int {
	text := *words[i].Value
	if text == "-" {
		s.effect(in, "-", nil)
		return i + 1
	}
	if strings.HasPrefix(text, "--") {
		name, value, attached := strings.Cut(text[2:], "=")
		switch longArity(s.long, name) {
		case '=':
			if attached {
				s.effect(in, name, &Word{Value: &value, Static: true, Raw: words[i].Raw, Dynamic: []string{}})
				return i + 1
			}
			return s.separate(in, name, words, i)
		case '?':
			s.effect(in, name, &Word{Value: &value, Static: true, Raw: words[i].Raw, Dynamic: []string{}})
			return i + 1
		case ' ':
			if !attached {
				s.effect(in, name, nil)
				return i + 1
			}
		}
		in.opaque = opaqueOption
		return i + 1
	}
	if _, ok := smallNumber(text[1:]); ok && s.numeric {
		return i + 1
	}
	for j := 1; j < len(text); j++ {
		name, rest := text[j:j+1], text[j+1:]
		switch {
		case strings.Contains(s.flags, name):
			s.effect(in, name, nil)
		case strings.Contains(s.optional, name) || strings.Contains(s.values, name) && rest != "":
			s.effect(in, name, &Word{Value: &rest, Static: true, Raw: words[i].Raw, Dynamic: []string{}})
			return i + 1
		case strings.Contains(s.values, name):
			return s.separate(in, name, words, i)
		default:
			in.opaque = opaqueOption
			return i + 1
		}
	}
	return i + 1
}

// separate reads an option's value from the next word.
func (s *wrapper) separate(in *invocation, name string, words []Word, i int) int {
	if i+1 >= len(words) {
		in.opaque = opaqueOption
		return i + 1
	}
	if !words[i+1].Static {
		in.opaque = opaqueDynamic // it may be several words, or none
		return i + 2
	}
	s.effect(in, name, &words[i+1])
	return i + 2
}

// effect takes note of an option that changes what is run.
func (s *wrapper) effect(in *invocation, name string, value *Word) {
	in.stopped = in.stopped || lists(s.stops, name)
	in.moved = in.moved || lists(s.moves, name)
	switch {
	case lists(s.split, name):
		in.opaque = opaqueSplitString
	case lists(s.scripts, name):
		in.script = value
	case lists(s.replaces, name):
		in.placeholder = "{}"
		if value != nil && *value.Value != "" {
			in.placeholder = *value.Value
		}
	}
}

// lists reports whether name is one of the words of list.
func lists(list, name string) bool {
	for word := range strings.FieldsSeq(list) {
		if word == name {
			return true
		}
	}
	return false
}

// longArity returns "=", "?" or " " for a long option of the list, and 0 for
// one that is not in it.
func longArity(list, name string) byte {
	for word := range strings.FieldsSeq(list) {
		switch rest, ok := strings.CutPrefix(word, name); {
		case !ok:
		case rest == "":
			return ' '
		case rest == "=" || rest == "?":
			return rest[0]
		}
	}
	return 0
}
