package shell

import (
	"fmt"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// What a command string may cost, before it is parsed.
const (
	maxLength  = 8 << 10 // bytes
	maxNesting = 50
)

// parsers holds parsers between calls: one may not be used by two goroutines.
var parsers = sync.Pool{New: func() any { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }}

// Analyze describes what bash would do with command when started in workdir,
// an absolute path against which relative command names are resolved; when it
// is empty they resolve to nothing. It never fails: what cannot be analyzed is
// of ClassInvalid. Time and memory are bounded for any input.
func (a *Analyzer) Analyze(command, workdir string) Analysis {
	stmts, violations, reason := read(command)
	analysis := Analysis{
		Class: ClassInvalid, CharsetViolations: violations, Features: map[string]bool{}, Commands: []Command{},
		Truncated: len(command) > maxLength,
	}
	if reason != "" {
		analysis.ParseError = &reason
		return analysis
	}
	if len(stmts) == 0 {
		analysis.Class = ClassEmpty
		return analysis
	}
	w := walk{
		analyzer: a, workdir: workdir, src: command, features: analysis.Features,
		expand:   expand.Config{Env: noEnvironment},
		commands: make([]Command, 0, 1),
	}
	w.stmts(stmts, place{parent: -1})
	w.resolve()
	analysis.Commands, analysis.Truncated = w.commands, w.truncated
	analysis.AllStatic = w.allStatic()
	analysis.Class = classify(stmts, &analysis)
	return analysis
}

// read refuses or parses a script. The reason is empty when it is one that
// bash reads as the statements say.
func read(script string) (stmts []*syntax.Stmt, violations []string, reason string) {
	if len(script) > maxLength {
		return nil, []string{}, fmt.Sprintf("longer than %d bytes", maxLength)
	}
	if violations = charsetViolations(script); len(violations) > 0 {
		return nil, violations, "forbidden characters: " + strings.Join(violations, ", ")
	}
	if nestingBound(script) > maxNesting {
		return nil, violations, fmt.Sprintf("nested deeper than %d levels", maxNesting)
	}
	file, err := parse(script)
	if err == nil {
		err = agrees(file, script)
	}
	if err != nil {
		return nil, violations, err.Error()
	}
	return file.Stmts, violations, ""
}

// parse turns a panic of the parser into an error: the input is hostile, and
// one request must not end the process.
func parse(script string) (file *syntax.File, err error) {
	parser := parsers.Get().(*syntax.Parser)
	defer func() {
		if recover() != nil {
			file, err = nil, fmt.Errorf("the parser failed")
			return // and its state with it
		}
		parsers.Put(parser)
	}()
	return parser.Parse(strings.NewReader(script), "")
}

func (w *walk) allStatic() bool {
	if w.truncated || len(w.commands) == 0 {
		return false
	}
	for i := range w.commands {
		c := &w.commands[i]
		if !c.NameStatic || !c.ArgsStatic || c.Opaque != nil {
			return false
		}
		for j := range c.Redirects {
			if !c.Redirects[j].Target.Static {
				return false
			}
		}
		for j := range c.Assignments {
			if !c.Assignments[j].Value.Static {
				return false
			}
		}
	}
	return true
}

// classify tells the shape of the statements.
func classify(stmts []*syntax.Stmt, analysis *Analysis) Class {
	if len(stmts) != 1 || analysis.Truncated {
		return ClassCompound
	}
	stmt := stmts[0]
	if plainCall(stmt) && len(stmt.Redirs) == 0 {
		call := stmt.Cmd.(*syntax.CallExpr)
		if len(call.Assigns) == 0 && analysis.Commands[0].ArgsStatic {
			return ClassSimple
		}
		return ClassCompound
	}
	if pipeline(stmt) {
		return ClassPipeline
	}
	return ClassCompound
}

// pipeline reports whether a statement is plain calls joined by pipes.
func pipeline(stmt *syntax.Stmt) bool {
	if stmt.Background || stmt.Negated || len(stmt.Redirs) > 0 {
		return false
	}
	binary, ok := stmt.Cmd.(*syntax.BinaryCmd)
	if !ok || binary.Op != syntax.Pipe && binary.Op != syntax.PipeAll {
		return false
	}
	return (plainCall(binary.X) || pipeline(binary.X)) && plainCall(binary.Y)
}

// plainCall reports whether a statement is a call with a name, and nothing but
// redirects and assignments around it.
func plainCall(stmt *syntax.Stmt) bool {
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	return ok && len(call.Args) > 0 && !stmt.Background && !stmt.Negated
}
