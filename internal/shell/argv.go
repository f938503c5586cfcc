package shell

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// AnalyzeArgv describes what executing argv as it is would do, with no shell in between: one simple command whose words
// are known, and what its wrappers run in turn. Nothing is joined and parsed again. The rules of Analyze hold for the
// characters and the length of the words together. No builtin has a part in it.
func (a *Analyzer) AnalyzeArgv(argv []string, workdir string) Analysis {
	analysis := Analysis{Class: ClassInvalid, CharsetViolations: []string{}, Features: map[string]bool{}, Commands: []Command{}}
	refuse := func(reason string) Analysis {
		analysis.ParseError = &reason
		return analysis
	}
	length := 0
	for _, arg := range argv {
		length += len(arg) + 1
	}
	if length > maxLength {
		analysis.Truncated = true
		return refuse(fmt.Sprintf("longer than %d bytes", maxLength))
	}
	if analysis.CharsetViolations = charsetViolations(strings.Join(argv, " ")); len(analysis.CharsetViolations) > 0 {
		return refuse("forbidden characters: " + strings.Join(analysis.CharsetViolations, ", "))
	}
	if len(argv) == 0 {
		analysis.Class = ClassEmpty
		return analysis
	}
	w := walk{analyzer: a, workdir: workdir, features: analysis.Features, expand: expand.Config{Env: noEnvironment}}
	at := place{parent: -1, external: true}
	id, _ := w.add(KindSimple, at) // the first command is always below the cap
	words := make([]Word, len(argv))
	for i := range argv {
		words[i] = Word{Value: &argv[i], Static: true, Raw: argv[i], Dynamic: []string{}}
	}
	w.named(id, words, at)
	w.resolve()
	analysis.Commands, analysis.Truncated = w.commands, w.truncated
	analysis.AllStatic = w.allStatic()
	analysis.Class = ClassSimple
	if analysis.Truncated {
		analysis.Class = ClassCompound
	}
	return analysis
}
