package shell

import (
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/sidegate/sidegate/internal/seed"
)

// FuzzAnalyze holds what every analysis promises, for any input.
func FuzzAnalyze(f *testing.F) {
	for _, command := range append(corpus(f), seed.Corpus(f, "FuzzAnalyze")...) {
		f.Add(command)
	}
	for _, command := range []string{"a=(b [1]=c) d", "cat <<-E\n\ta $(b)\n\tE\n", "env -i A=1 find . -exec bash -c 'a|b' {} +", "export A=$'\\x41' && coproc x { y; }", "[[ a == @(b) ]]"} {
		f.Add(command)
	}
	a := newAnalyzer(f, testPath...)
	f.Fuzz(func(t *testing.T, command string) {
		got := a.Analyze(command, "/")
		if problem := broken(got, command); problem != "" {
			text, _ := json.Marshal(got)
			t.Errorf("%q: %s: %s", command, problem, text)
		}
	})
}

// broken names the invariant that an analysis breaks, if any.
func broken(a Analysis, command string) string {
	if a.CharsetViolations == nil || a.Features == nil || a.Commands == nil {
		return "something is nil"
	}
	if (a.Class == ClassInvalid) != (a.ParseError != nil) {
		return "parse_error does not belong to the class"
	}
	if (a.Class == ClassInvalid || a.Class == ClassEmpty) && (len(a.Commands) > 0 || a.AllStatic) {
		return "commands of no command"
	}
	if a.Class != ClassInvalid && a.Class != ClassEmpty && len(a.Commands) == 0 && !a.Truncated {
		return "no commands"
	}
	if len(a.CharsetViolations) > 0 && a.Class != ClassInvalid || len(command) > maxLength && (a.Class != ClassInvalid || !a.Truncated) {
		return "not refused"
	}
	if len(a.Commands) > maxCommands || a.Truncated != (a.Features[featureTruncated] || len(command) > maxLength) {
		return "a cap is not kept"
	}
	allStatic := len(a.Commands) > 0 && !a.Truncated
	for id, c := range a.Commands {
		if problem := brokenCommand(c, id); problem != "" {
			return problem
		}
		if c.Opaque != nil && !a.Features[featureOpaque] {
			return "an opaque command without the feature"
		}
		allStatic = allStatic && c.ArgsStatic && c.NameStatic && c.Opaque == nil &&
			!slices.ContainsFunc(c.Redirects, func(r Redirect) bool { return !r.Target.Static }) &&
			!slices.ContainsFunc(c.Assignments, func(a Assignment) bool { return !a.Value.Static })
	}
	if allStatic != a.AllStatic {
		return "all_static is wrong"
	}
	if a.Class == ClassSimple {
		c := a.Commands[0]
		if c.Kind != KindSimple || c.Parent != -1 || !c.ArgsStatic || len(c.Redirects)+len(c.Assignments)+len(c.Context)+len(c.Via) > 0 {
			return "a simple command that is none"
		}
		for _, other := range a.Commands[1:] {
			if len(other.Via) == 0 || other.Parent < 0 {
				return "a simple command with another beside it"
			}
		}
	}
	return ""
}

func brokenCommand(c Command, id int) string {
	if c.ID != id || c.Parent >= id || c.Parent < -1 {
		return "ids are not dense and ordered"
	}
	if c.Argv == nil || c.Args == nil || c.Redirects == nil || c.Assignments == nil || c.Context == nil || c.Via == nil || c.Tags == nil {
		return "an array is nil"
	}
	if len(c.Argv) != len(c.Args) || c.Kind == KindSimple && len(c.Args) == 0 {
		return "argv and args differ in length"
	}
	static := c.Kind != KindArith && c.Kind != KindLet
	words := slices.Clone(c.Args)
	for i, word := range c.Args {
		static = static && word.Static
		if (c.Argv[i] == nil) != (word.Value == nil) || word.Value != nil && *c.Argv[i] != *word.Value {
			return "argv is not args"
		}
	}
	if static != c.ArgsStatic {
		return "args_static is wrong"
	}
	if c.Kind == KindSimple && (c.NameStatic != c.Args[0].Static || c.NameStatic && c.Name != *c.Args[0].Value || (c.PathKind == PathDynamic) == c.NameStatic || c.PathKind == PathNone) {
		return "the name is not the first word"
	}
	if (c.ResolvedPath == nil) != (c.Program == nil) || c.Program != nil && *c.ResolvedPath != c.Program.Path {
		return "the program is not the path"
	}
	for _, r := range c.Redirects {
		words = append(words, r.Target)
		if r.Path != nil && (!r.Target.Static || *r.Path != *r.Target.Value) || r.Net && r.Path == nil {
			return "a redirect's path is not its target"
		}
	}
	for _, as := range c.Assignments {
		words = append(words, as.Value)
		if as.Dangerous != DangerousEnv(as.Name) {
			return "dangerous is wrong"
		}
	}
	for _, word := range words {
		if word.Static != (word.Value != nil) || word.Dynamic == nil || word.Static && len(word.Dynamic) > 0 {
			return "a word is neither static nor dynamic"
		}
		if word.Value != nil && !utf8.ValidString(*word.Value) {
			return "a value is not UTF-8"
		}
	}
	return ""
}
