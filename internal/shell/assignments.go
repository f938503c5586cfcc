package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// assignment describes one assignment of the command at.
func (w *walk) assignment(node *syntax.Assign, scope string, at place) Assignment {
	raw := ""
	if node.Value != nil {
		raw = w.raw(node.Value)
	}
	var value Word
	switch {
	case node.Array != nil || node.Index != nil:
		// The subscripts and elements may hold substitutions.
		value = w.unknown(w.raw(node), dynArray|w.expansions(node, at))
	case node.Append:
		w.word(node.Value, at)
		value = w.unknown(raw, dynParam) // what is appended to is not known
	default:
		value = w.word(node.Value, at)
	}
	return w.assigned(node.Name.Value, value, scope)
}

// assigned makes an assignment and takes note of what it changes.
func (w *walk) assigned(name string, value Word, scope string) Assignment {
	if scope == "shell" {
		w.feature(featureShellAssign)
	}
	if name == "" {
		w.lookupChanged = true
	}
	w.noteSource(name) // PATH, and CDPATH and the like to be sure
	if name == "BASH_CMDS" || name == "BASH_ALIASES" || name == "EXECIGNORE" {
		w.lookupChanged = true
	}
	return Assignment{Name: name, Value: value, Scope: scope, Dangerous: DangerousEnv(name)}
}

// assignmentWord reads NAME=VALUE out of a word, as env, sudo and export take
// it. The second result is false when the word cannot be an assignment.
func (w *walk) assignmentWord(word Word, scope string) (Assignment, bool) {
	if !word.Static {
		return w.assigned("", word, scope), true
	}
	name, text, ok := strings.Cut(*word.Value, "=")
	if !ok {
		return Assignment{}, false
	}
	value := word
	value.Value = &text
	return w.assigned(name, value, scope), true
}

// declaration describes declare, export, local, readonly and typeset. Their
// words are listed as arguments, and once more as assignments where they
// assign.
func (w *walk) declaration(node *syntax.DeclClause, at place) {
	w.feature(featureDecl)
	id, ok := w.add(KindDecl, at)
	if !ok {
		return
	}
	inner := at.below(id)
	name := node.Variant.Value
	words := []Word{w.static(name, name)}
	assignments := []Assignment{}
	for _, arg := range node.Args {
		switch {
		case arg.Name == nil:
			word := w.word(arg.Value, inner)
			words = append(words, word)
			if !word.Static || !plainDeclaration(*word.Value) {
				w.opaque(id, "declaration_option")
			}
			if assignment, ok := w.assignmentWord(word, "shell"); ok {
				assignments = append(assignments, assignment)
			}
		case arg.Naked:
			w.expansions(arg, inner)
			w.noteSource(arg.Name.Value) // declare -n, export -n
			words = append(words, w.static(arg.Name.Value, w.raw(arg)))
		default:
			assignment := w.assignment(arg, "shell", inner)
			assignments = append(assignments, assignment)
			words = append(words, w.joined(arg, assignment))
		}
	}
	w.setWords(id, words)
	c := &w.commands[id]
	c.Name, c.Builtin, c.Assignments = name, true, assignments
	w.subscripts(id)
}

// joined is NAME=VALUE as one word.
func (w *walk) joined(node *syntax.Assign, a Assignment) Word {
	word := Word{Raw: w.raw(node), Dynamic: a.Value.Dynamic}
	if a.Value.Static {
		text := a.Name + "=" + *a.Value.Value
		word.Value, word.Static = &text, true
	}
	return word
}

// plainDeclaration reports whether a word of declare only says how a plain
// variable is kept. The other options make bash evaluate values as arithmetic
// (-i), as names (-n), as arrays or as functions.
func plainDeclaration(word string) bool {
	if !strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "+") {
		return !strings.ContainsAny(word, "[(")
	}
	return strings.Trim(word[1:], "xrgp-") == ""
}
