package shell

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// statement refuses a word right after the redirects of a compound command:
// bash knows no reserved word there. And it refuses an array's assignment
// behind a redirect, which bash takes only where nothing but redirects came
// before.
func (a *agreement) statement(node *syntax.Stmt) error {
	if node.Coprocess || node.Disown {
		return errDialect
	}
	if node.Cmd == nil || len(node.Redirs) == 0 {
		return nil
	}
	if call, ok := node.Cmd.(*syntax.CallExpr); ok {
		return refuse(slices.ContainsFunc(call.Assigns, func(assign *syntax.Assign) bool {
			return assign.Array != nil && assign.Pos().After(node.Redirs[0].Pos())
		}), errRedirect)
	}
	after := strings.TrimLeft(a.src[int(node.Redirs[len(node.Redirs)-1].Word.End().Offset()):], " \t")
	return refuse(after != "" && strings.IndexByte(";&|)\n`", after[0]) < 0, errRedirect)
}

// endsWord reports whether a word that ends at pos goes on no further.
func endsWord(src string, pos syntax.Pos) bool {
	next := at(src, int(pos.Offset()))
	return next == 0 || strings.IndexByte(" \t\n;&|)", next) >= 0
}

// redirect requires of a here-document a plain delimiter, a body right after
// its line in which no expansion spans lines (bash looks for the delimiter
// first, the parser for the end of the expansion), and that it stands in no
// substitution. Of the
// others it refuses descriptors that bash takes for words, and >&-x, where
// bash closes a descriptor and passes x on.
func (a *agreement) redirect(node *syntax.Redirect) error {
	if node.N != nil {
		name := node.N.Value
		if strings.HasPrefix(name, "{") {
			name = strings.TrimSuffix(name[1:], "}")
			if !syntax.ValidName(name) {
				return errRedirect
			}
		} else if len(name) > 3 {
			return errRedirect
		}
	}
	// In ">2>f" and "<{x}>f" bash takes the target for the descriptor of the
	// second redirect.
	if end := int(node.Word.End().Offset()); at(a.src, end) == '<' || at(a.src, end) == '>' {
		return errRedirect
	}
	switch node.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		return a.heredoc(node)
	case syntax.DplIn, syntax.DplOut:
		raw := a.raw(node.Word)
		return refuse(strings.HasPrefix(raw, "-") && raw != "-", errRedirect)
	case syntax.AppClob, syntax.RdrAllClob, syntax.AppAllClob:
		return errDialect
	}
	return nil
}

func (a *agreement) heredoc(node *syntax.Redirect) error {
	if within[*syntax.CmdSubst](a) || within[*syntax.ProcSubst](a) {
		return errHeredoc
	}
	delimiter := a.raw(node.Word)
	if n := len(delimiter); n > 2 && (delimiter[0] == '\'' || delimiter[0] == '"') && delimiter[n-1] == delimiter[0] {
		delimiter = delimiter[1 : n-1]
	}
	for i := range len(delimiter) {
		if !isWordByte(delimiter[i]) && delimiter[i] != '-' && delimiter[i] != '.' {
			return errHeredoc
		}
	}
	if !a.bodyFollows(node, delimiter) {
		return errHeredoc
	}
	if node.Hdoc == nil || quotedDelimiter(node.Word) {
		return nil
	}
	if strings.Contains(a.raw(node.Hdoc), "\\\n") {
		return errHeredoc
	}
	for _, part := range node.Hdoc.Parts {
		if _, ok := part.(*syntax.Lit); !ok && part.Pos().Line() != part.End().Line() {
			return errHeredoc
		}
	}
	return nil
}

// bodyFollows reports whether the body of a here-document is what follows the
// line of its operator, as it always is for bash. The parser looks for it
// after the construct around it, and after the bodies of others before it.
func (a *agreement) bodyFollows(node *syntax.Redirect, delimiter string) bool {
	after := int(node.Word.End().Offset())
	line := strings.IndexByte(a.src[after:], '\n')
	if line < 0 || a.heredocLine == node.OpPos.Line() {
		return false
	}
	a.heredocLine = node.OpPos.Line()
	body := after + line + 1
	if node.Hdoc != nil {
		return int(node.Hdoc.Pos().Offset()) == body
	}
	first, _, _ := strings.Cut(a.src[body:], "\n")
	if node.Op == syntax.DashHdoc {
		first = strings.TrimLeft(first, "\t")
	}
	return first == delimiter
}
