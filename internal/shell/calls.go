package shell

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// call describes a simple command, or assignments alone.
func (w *walk) call(node *syntax.CallExpr, redirs []*syntax.Redirect, at place) {
	kind, scope := KindSimple, "prefix"
	if len(node.Args) == 0 {
		kind, scope = KindAssign, "shell"
	}
	id, ok := w.add(kind, at)
	if !ok {
		return
	}
	inner := at.below(id)
	if len(node.Assigns) > 0 {
		assignments := make([]Assignment, 0, len(node.Assigns))
		for _, assign := range node.Assigns {
			assignments = append(assignments, w.assignment(assign, scope, inner))
		}
		w.commands[id].Assignments = assignments
	}
	words := make([]Word, 0, len(node.Args))
	for _, arg := range node.Args {
		words = append(words, w.word(arg, inner))
	}
	if len(redirs) > 0 {
		redirects := w.redirects(redirs, inner)
		w.commands[id].Redirects = redirects
	}
	if kind == KindSimple {
		w.named(id, words, at)
	}
}

// named completes a simple command from its words: what it is called, what is
// known of that program, and what it runs in turn.
func (w *walk) named(id int, words []Word, at place) {
	w.setWords(id, words)
	c := &w.commands[id]
	if !words[0].Static {
		c.NameStatic, c.PathKind = false, PathDynamic
		w.feature(featureDynamicName)
		w.lookupChanged, w.dirChanged = true, true // it may be any builtin
		return
	}
	name := *words[0].Value
	c.Name = name
	switch {
	case strings.HasPrefix(name, "/"):
		c.PathKind = PathAbsolute
	case strings.Contains(name, "/"):
		c.PathKind = PathRelative
	default:
		c.PathKind = PathBare
		c.Builtin = builtins[name] && !at.external
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	c.Tags = tagsOf(base)
	if c.Builtin && w.builtin(id, name, words, at) {
		return
	}
	w.unwrap(id, base, words, at)
}

// child adds the command that the wrapper of the given ID runs.
func (w *walk) child(parent int, wrapper string, words []Word, at place, how lookup) {
	if len(words) == 0 {
		return
	}
	at = at.below(parent).through(wrapper)
	at.lookup = max(at.lookup, how)
	at.external = wrapper != "command" && wrapper != "builtin"
	if id, ok := w.add(KindSimple, at); ok {
		w.named(id, words, at)
	}
}

// through adds a wrapper to those that run the command.
func (p place) through(wrapper string) place {
	p.via = append(p.via[:len(p.via):len(p.via)], wrapper)
	return p
}

// script lists the commands of a shell script that stands in one word. The
// wrapper stays opaque when the script cannot be read, and when a shell other
// than bash reads it.
func (w *walk) script(parent int, wrapper string, script Word, at place, bash bool) {
	w.feature(featureNestedScript)
	if !script.Static {
		w.opaque(parent, "dynamic_script")
		return
	}
	if !bash {
		w.opaque(parent, "other_shell")
	}
	at = at.below(parent).through(wrapper)
	at.external = false
	if at.depth > maxDepth || len(at.via) > maxWrappers {
		w.truncate()
		return
	}
	stmts, _, reason := read(*script.Value)
	if reason != "" {
		w.opaque(parent, "unreadable_script")
		return
	}
	outer := w.src
	w.src = *script.Value
	w.stmts(stmts, at)
	w.src = outer
}
