package shell

import (
	"errors"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// What follows refuses everything that the parser and bash are known to read
// differently, or that bash rejects and the parser does not. Each rule is
// wider than the difference it stands for, so that it needs no second parser.

var (
	errTrailingBackslash = errors.New("a backslash at the end of the command is not supported")
	errContinuation      = errors.New("a line continuation must follow a space, in a line without #")
	errReserved          = errors.New("a reserved word stands where a command is expected")
	errNameref           = errors.New("nameref is not a bash command")
	errFunction          = errors.New("only functions with a plain name and a compound body are supported")
	errTime              = errors.New("time takes no option but -p")
	errCoproc            = errors.New("this form of coproc is not supported")
	errBackquotes        = errors.New("backslashes and double quotes within backquotes are not supported")
	errProcsubst         = errors.New("a process substitution may not begin with a parenthesis")
	errArray             = errors.New("this form of array is not supported")
	errFunsub            = errors.New("${ command; } is not supported")
	errArithmetic        = errors.New("this arithmetic expression is not supported")
	errParameter         = errors.New("quotes, braces and process substitutions within ${} are not supported")
	errHeredoc           = errors.New("this form of here-document is not supported")
	errRedirect          = errors.New("this form of redirect is not supported")
	errTest              = errors.New("this form of [[ ]] is not supported")
	errExtglob           = errors.New("extended globs are supported only as a pattern of [[ ]]")
	errLoop              = errors.New("this form of loop is not supported")
	errCase              = errors.New("a case pattern may not be a reserved word or hold braces")
	errDialect           = errors.New("this is not bash")
)

// agrees returns nil when bash reads src as the parser did.
func agrees(file *syntax.File, src string) error {
	if strings.HasSuffix(src, "\\") {
		return errTrailingBackslash
	}
	for line := range strings.Lines(src) {
		if strings.HasSuffix(line, "\\\n") && !continues(line) {
			return errContinuation
		}
	}
	check := agreement{src: src}
	syntax.Walk(file, check.node)
	return check.err
}

// continues reports whether a line that ends in a backslash goes on in the
// next one beyond doubt: after a space, so that no token or escape is split,
// and where no comment can hold the backslash. The parser joins a comment with
// the line after it, which bash runs.
func continues(line string) bool {
	before := strings.TrimSuffix(line, "\\\n")
	return (strings.HasSuffix(before, " ") || strings.HasSuffix(before, "\t")) && !strings.Contains(before, "#")
}

type agreement struct {
	src   string
	err   error
	stack []syntax.Node
	// heredocLine is the line of the last here-document's operator.
	heredocLine uint
}

func (a *agreement) raw(node syntax.Node) string {
	from, to := int(node.Pos().Offset()), int(node.End().Offset())
	if from > to || to > len(a.src) {
		return "\x00" // in no rule's character set
	}
	return a.src[from:to]
}

func (a *agreement) node(node syntax.Node) bool {
	if node == nil {
		a.stack = a.stack[:len(a.stack)-1]
		return false
	}
	if a.err == nil {
		a.err = a.rule(node)
	}
	if a.err != nil {
		return false
	}
	a.stack = append(a.stack, node)
	return true
}

// within reports whether one of the surrounding nodes is of this kind.
func within[T syntax.Node](a *agreement) bool {
	for _, node := range a.stack {
		if _, ok := node.(T); ok {
			return true
		}
	}
	return false
}

func (a *agreement) rule(node syntax.Node) error {
	switch node := node.(type) {
	case *syntax.Stmt:
		return a.statement(node)
	case *syntax.CallExpr:
		return callAgrees(node)
	case *syntax.DeclClause:
		return refuse(node.Variant.Value == "nameref", errNameref)
	case *syntax.FuncDecl:
		return functionAgrees(node)
	case *syntax.TimeClause:
		return a.time(node)
	case *syntax.ProcSubst:
		// Bash finds the end of <(( by counting parentheses alone.
		return refuse(at(a.src, int(node.OpPos.Offset())+2) == '(', errProcsubst)
	case *syntax.CoprocClause:
		return coprocAgrees(node)
	case *syntax.CmdSubst:
		return a.substitution(node)
	case *syntax.ArithmExp, *syntax.ArithmCmd:
		return refuse(!arithmeticText(a.raw(node)), errArithmetic)
	case *syntax.CStyleLoop:
		return refuse(!arithmeticText(strings.Replace(a.raw(node), ";", "", 2)), errArithmetic)
	case *syntax.LetClause:
		return refuse(!letText(a.raw(node)), errArithmetic)
	case *syntax.Assign:
		// Bash finds the end of a substitution in an array or in arithmetic
		// with a simpler parser, which stumbles over another array.
		// What is glued to its end is part of the word for bash, and a comment
		// for the parser when it begins with #.
		if node.Array != nil && (within[*syntax.CmdSubst](a) || within[*syntax.ProcSubst](a) || !endsWord(a.src, node.Array.End())) {
			return errArray
		}
		return refuse(node.Index != nil && !arithmeticText(a.raw(node.Index)), errArithmetic)
	case *syntax.ArrayElem:
		if node.Value != nil && notPlainArgument(node.Value.Lit()) && node.Index == nil {
			return errArray
		}
		return refuse(node.Index != nil && !arithmeticText(a.raw(node.Index)), errArithmetic)
	case *syntax.ParamExp:
		return a.parameter(node)
	case *syntax.Redirect:
		return a.redirect(node)
	case *syntax.TestClause:
		return refuse(hashInTest(a.raw(node)), errTest)
	case *syntax.BinaryTest:
		// "2>1" has a descriptor for bash, even here.
		glued := (node.Op == syntax.TsBefore || node.Op == syntax.TsAfter) && node.X.End() == node.OpPos
		return refuse(glued || node.Op == syntax.TsReMatch && !regexText(a.raw(node.Y)), errTest)
	case *syntax.ExtGlob:
		return a.extglob(node)
	case *syntax.ForClause:
		return loopAgrees(node)
	case *syntax.CaseItem:
		for _, pattern := range node.Patterns {
			if notPlainArgument(pattern.Lit()) {
				return errCase
			}
		}
	case *syntax.TestDecl:
		return errDialect
	}
	return nil
}

func refuse(when bool, err error) error {
	if when {
		return err
	}
	return nil
}

// callAgrees refuses a call whose name bash would take for a reserved word.
func callAgrees(node *syntax.CallExpr) error {
	if len(node.Args) == 0 || len(node.Args[0].Parts) != 1 {
		return nil
	}
	lit, ok := node.Args[0].Parts[0].(*syntax.Lit)
	if !ok {
		return nil
	}
	switch lit.Value {
	case "!", "{", "}", "[[", "]]":
		return errReserved
	}
	return refuse(reserved[lit.Value], errReserved)
}

// functionAgrees requires a name that is nothing else and a body that bash
// takes for one: the parser accepts any statement, even "f() a && b" whole.
func functionAgrees(node *syntax.FuncDecl) error {
	if node.Name == nil || node.Body == nil || node.Body.Negated || reserved[node.Name.Value] {
		return errFunction
	}
	letter := false
	for i := range len(node.Name.Value) {
		c := node.Name.Value[i]
		if !isWordByte(c) && strings.IndexByte("-.:", c) < 0 {
			return errFunction
		}
		letter = letter || !isDigit(c)
	}
	switch node.Body.Cmd.(type) {
	case *syntax.Block, *syntax.Subshell, *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.ArithmCmd, *syntax.TestClause:
		return refuse(!letter, errFunction)
	}
	return errFunction
}

// time refuses "time -- ls", where the parser takes -- for the command, time
// alone, which the parser lets stand before & and |, and time after a pipe and
// in a substitution, where it is no keyword for bash.
func (a *agreement) time(node *syntax.TimeClause) error {
	if within[*syntax.CmdSubst](a) || within[*syntax.ProcSubst](a) {
		return errTime
	}
	if node.Stmt == nil || strings.HasPrefix(firstLiteral(node.Stmt), "-") {
		return errTime
	}
	if n := len(a.stack); n >= 2 {
		if pipe, ok := a.stack[n-2].(*syntax.BinaryCmd); ok && (pipe.Op == syntax.Pipe || pipe.Op == syntax.PipeAll) {
			return errTime
		}
	}
	return nil
}

// firstLiteral is the literal that a statement's first simple command begins
// with.
func firstLiteral(stmt *syntax.Stmt) string {
	switch cmd := stmt.Cmd.(type) {
	case *syntax.BinaryCmd:
		return firstLiteral(cmd.X)
	case *syntax.CallExpr:
		if len(cmd.Args) > 0 && len(cmd.Args[0].Parts) > 0 {
			if lit, ok := cmd.Args[0].Parts[0].(*syntax.Lit); ok {
				return lit.Value
			}
		}
	}
	return ""
}

// coprocAgrees requires a compound command, or a plain name and arguments
// whose first is no reserved word: bash takes the name for that of the coproc
// as soon as a compound command follows.
func coprocAgrees(node *syntax.CoprocClause) error {
	if node.Stmt == nil || node.Stmt.Negated {
		return errCoproc
	}
	if node.Name != nil && (!syntax.ValidName(node.Name.Lit()) || reserved[node.Name.Lit()]) {
		return errCoproc
	}
	switch cmd := node.Stmt.Cmd.(type) {
	case *syntax.CallExpr:
		if len(cmd.Args) == 0 || len(cmd.Assigns) > 0 || strings.ContainsAny(cmd.Args[0].Lit(), "=[{") {
			return errCoproc
		}
		if name, ok := plainWord(cmd.Args[0]); !ok || name == "" {
			return errCoproc
		}
		return refuse(len(cmd.Args) > 1 && notPlainArgument(cmd.Args[1].Lit()), errCoproc)
	case *syntax.Block, *syntax.Subshell, *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause:
		return nil
	}
	return errCoproc
}

func notPlainArgument(lit string) bool {
	return reserved[lit] || strings.ContainsAny(lit, "=[{}!(")
}

func loopAgrees(node *syntax.ForClause) error {
	if node.Braces {
		return errLoop
	}
	iter, ok := node.Loop.(*syntax.WordIter)
	if !ok {
		return nil
	}
	if iter.Name == nil || !syntax.ValidName(iter.Name.Value) {
		return errLoop
	}
	// Within a case, bash does not know an "in" on the next line.
	return refuse(iter.InPos.IsValid() && iter.InPos.Line() != iter.Name.Pos().Line(), errLoop)
}
