package shell

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// Caps on what one analysis lists. Over any of them it is truncated.
const (
	maxCommands = 64
	maxDepth    = 24
	maxWrappers = 8
)

// walk is the state of one analysis.
type walk struct {
	analyzer *Analyzer
	workdir  string
	src      string // the text that the positions of the nodes refer to
	expand   expand.Config

	commands  []Command
	lookups   []lookup // how the program of each command is looked up
	features  map[string]bool
	functions []string // names that functions were declared for
	truncated bool
	// What a bare name and a relative path stand for may have changed.
	lookupChanged, dirChanged bool
}

// place is where a statement stands.
type place struct {
	parent  int
	depth   int
	context []string
	via     []string
	lookup  lookup
	// external says that no shell looks the name up, so that it is no builtin.
	external bool
}

var noEnvironment = expand.FuncEnviron(func(string) string { return "" })

// inside is the place within a construct that is part of a command's context.
func (p place) inside(context string) place {
	p.depth++
	return p.with(context)
}

// with adds to the context without going deeper.
func (p place) with(context string) place {
	if !slices.Contains(p.context, context) {
		p.context = append(slices.Clone(p.context), context)
	}
	return p
}

// below is the place within the command of the given ID.
func (p place) below(id int) place {
	p.parent = id
	p.depth++
	return p
}

func (w *walk) feature(name string) { w.features[name] = true }

func (w *walk) raw(node syntax.Node) string {
	from, to := int(node.Pos().Offset()), int(node.End().Offset())
	if from > to || to > len(w.src) {
		return ""
	}
	return w.src[from:to]
}

// noteSource takes note of a text that bash evaluates in a way which this
// package does not follow: if it names PATH, no later name resolves.
func (w *walk) noteSource(text string) {
	if strings.Contains(text, "PATH") {
		w.lookupChanged = true
	}
}

// add appends a command and returns its ID, or false when a cap is reached.
func (w *walk) add(kind Kind, at place) (int, bool) {
	if len(w.commands) >= maxCommands || at.depth > maxDepth || len(at.via) > maxWrappers {
		w.truncate()
		return -1, false
	}
	id := len(w.commands)
	w.commands = append(w.commands, Command{
		ID: id, Parent: at.parent, Kind: kind, NameStatic: true, PathKind: PathNone,
		Argv: []*string{}, Args: []Word{}, ArgsStatic: true, Redirects: []Redirect{}, Assignments: []Assignment{},
		Context: orEmpty(at.context), Depth: at.depth, Via: orEmpty(at.via), Tags: []string{},
	})
	w.lookups = append(w.lookups, at.lookup)
	return id, true
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func (w *walk) truncate() {
	w.truncated = true
	w.feature(featureTruncated)
}

func (w *walk) stmts(stmts []*syntax.Stmt, at place) {
	if len(stmts) > 1 {
		w.feature(featureList)
	}
	for _, stmt := range stmts {
		w.stmt(stmt, at)
	}
}

func (w *walk) stmt(stmt *syntax.Stmt, at place) {
	if w.truncated {
		return
	}
	if at.depth > maxDepth {
		w.truncate()
		return
	}
	if stmt.Background {
		w.feature(featureBackground)
		at = at.with("background")
	}
	if stmt.Negated {
		w.feature(featureNegated)
	}
	if call, ok := stmt.Cmd.(*syntax.CallExpr); ok {
		w.call(call, stmt.Redirs, at)
		return
	}
	if len(stmt.Redirs) > 0 {
		id, ok := w.add(KindRedirect, at)
		if !ok {
			return
		}
		w.feature(featureBareRedirect)
		at = at.below(id)
		redirects := w.redirects(stmt.Redirs, at)
		w.commands[id].Redirects = redirects
	}
	w.command(stmt.Cmd, at)
}

// command describes every command but a call.
func (w *walk) command(node syntax.Command, at place) {
	switch node := node.(type) {
	case nil:
	case *syntax.BinaryCmd:
		w.binary(node, at)
	case *syntax.DeclClause:
		w.declaration(node, at)
	case *syntax.TestClause:
		w.feature(featureTest)
		w.operands(KindTest, "[[", node, at)
	case *syntax.ArithmCmd:
		w.feature(featureArithCmd)
		w.arithmetic(KindArith, "", node, at)
	case *syntax.LetClause:
		w.feature(featureLet)
		w.arithmetic(KindLet, "let", node, at)
	case *syntax.TimeClause:
		w.feature(featureTime)
		w.stmt(node.Stmt, at)
	case *syntax.CoprocClause:
		w.feature(featureCoproc)
		w.stmt(node.Stmt, at.inside("background"))
	default:
		w.feature(featureCompound)
		w.compound(node, at)
	}
}

func (w *walk) binary(node *syntax.BinaryCmd, at place) {
	switch node.Op {
	case syntax.PipeAll:
		w.feature(featurePipeAll)
		fallthrough
	case syntax.Pipe:
		w.feature(featurePipe)
		at = at.with("pipe")
	default:
		w.feature(featureList)
		w.feature(featureAndOr)
	}
	w.stmt(node.X, at)
	w.stmt(node.Y, at)
}

func (w *walk) setWords(id int, words []Word) {
	c := &w.commands[id]
	c.Args = words
	c.Argv = make([]*string, len(words))
	c.ArgsStatic = true
	for i, word := range words {
		c.Argv[i] = word.Value
		c.ArgsStatic = c.ArgsStatic && word.Static
	}
}

// opaque marks a command that may run something which is not listed.
func (w *walk) opaque(id int, reason string) {
	w.feature(featureOpaque)
	if c := &w.commands[id]; c.Opaque == nil {
		c.Opaque = &reason
	}
}
