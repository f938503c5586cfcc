package shell

import (
	"mvdan.cc/sh/v3/syntax"
)

func (w *walk) compound(node syntax.Command, at place) {
	switch node := node.(type) {
	case *syntax.Subshell:
		w.feature(featureSubshell)
		w.stmts(node.Stmts, at.inside("subshell"))
	case *syntax.Block:
		w.feature(featureBlock)
		at.depth++
		w.stmts(node.Stmts, at)
	case *syntax.IfClause:
		w.feature(featureConditional)
		at = at.inside("conditional")
		for clause := node; clause != nil; clause = clause.Else {
			w.stmts(clause.Cond, at)
			w.stmts(clause.Then, at)
		}
	case *syntax.WhileClause:
		w.feature(featureLoop)
		w.feature(featureUnbounded)
		at = at.inside("loop")
		w.stmts(node.Cond, at)
		w.stmts(node.Do, at)
	case *syntax.ForClause:
		w.loop(node, at)
	case *syntax.CaseClause:
		w.choice(node, at)
	case *syntax.FuncDecl:
		w.function(node, at)
	default:
		// A node of another shell: agreement refuses them all.
		w.truncate()
	}
}

// loop describes the list of a for or select loop as assignments of its
// variable, one for each word.
func (w *walk) loop(node *syntax.ForClause, at place) {
	w.feature(featureLoop)
	iter, ok := node.Loop.(*syntax.WordIter)
	if node.Select || !ok {
		w.feature(featureUnbounded)
	}
	if node.Select {
		w.feature(featureSelect)
	}
	if !ok {
		w.arithmetic(KindArith, "", node.Loop, at)
		w.stmts(node.Do, at.inside("loop"))
		return
	}
	id, ok := w.add(KindAssign, at)
	if !ok {
		return
	}
	inner := at.below(id)
	assignments := []Assignment{}
	for _, item := range iter.Items {
		assignments = append(assignments, w.assigned(iter.Name.Value, w.word(item, inner), "shell"))
	}
	if !iter.InPos.IsValid() { // for x; do: the positional parameters
		assignments = append(assignments, w.assigned(iter.Name.Value, w.unknown("", dynParam), "shell"))
	}
	w.commands[id].Assignments = assignments
	w.stmts(node.Do, at.inside("loop"))
}

// choice describes the words of a case as the operands of a command.
func (w *walk) choice(node *syntax.CaseClause, at place) {
	w.feature(featureConditional)
	id, ok := w.add(KindOther, at)
	if !ok {
		return
	}
	inner := at.below(id)
	words := []Word{w.word(node.Word, inner)}
	for _, item := range node.Items {
		for _, pattern := range item.Patterns {
			words = append(words, w.word(pattern, inner))
		}
	}
	w.commands[id].Name = "case"
	w.setWords(id, words)
	for _, item := range node.Items {
		w.stmts(item.Stmts, at.inside("conditional"))
	}
}

func (w *walk) function(node *syntax.FuncDecl, at place) {
	w.feature(featureFunction)
	id, ok := w.add(KindFunc, at)
	if !ok {
		return
	}
	w.commands[id].Name = node.Name.Value
	w.functions = append(w.functions, node.Name.Value)
	w.stmt(node.Body, at.below(id).with("function"))
}

// operands describes a command whose words stand in an expression.
func (w *walk) operands(kind Kind, name string, node syntax.Node, at place) {
	id, ok := w.add(kind, at)
	if !ok {
		return
	}
	inner := at.below(id)
	words := []Word{}
	syntax.Walk(node, func(node syntax.Node) bool {
		if word, ok := node.(*syntax.Word); ok {
			words = append(words, w.word(word, inner))
			return false
		}
		return true
	})
	c := &w.commands[id]
	c.Name, c.Builtin = name, true
	w.setWords(id, words)
	w.subscripts(id)
}

// arithmetic describes a command that computes with variables.
func (w *walk) arithmetic(kind Kind, name string, node syntax.Node, at place) {
	id, ok := w.add(kind, at)
	if !ok {
		return
	}
	c := &w.commands[id]
	c.Name, c.Builtin, c.ArgsStatic = name, name != "", false
	w.noteSource(w.raw(node))
	w.expansions(node, at.below(id))
}
