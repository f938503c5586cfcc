package shell

import (
	"strings"
	"testing"
)

func TestNestingBound(t *testing.T) {
	t.Parallel()
	parens := strings.Repeat("(", 60)
	// Everyday text in quotes does not count.
	for _, command := range []string{
		"awk '{ if ((a[1]) > (b[2])) { print (($3)) } }" + parens + "' f", `echo "` + parens + `" x`, `echo "\"` + parens + `"`, `echo "$x ` + parens + `"`,
		"ls " + strings.Repeat(`\( `, 60), `grep -E "` + parens + `" f | wc -l`, "cut -d'#' -f1 '" + parens + "'", `curl -d '{"a": {"b": [` + parens + `]}}' x`,
	} {
		if got := nestingBound(command); got > 5 {
			t.Errorf("%q counts %d", command, got)
		}
	}
	// Nothing hides real nesting.
	for _, prefix := range []string{
		"", "'a' ", `"b" `, `\' `, `\" `, "# it's\n", `a#' `, "cat <<E\n'\nE\n", "echo ${x:-'} ", "echo $'\\'' ", "`'` ", `"$(echo ')" `, `"${x'}" `, "((')", "$[ ' ] ",
		`"\\" `, `'\' `, `\\' `, "cat <<<' ", `echo "` + "`" + `" `, "case x in a) ", strings.Repeat("x) ", 40), strings.Repeat("')' ", 40),
	} {
		for _, opener := range []string{"(", "$(", "${x:-", "{ ", "[[ ", "if ", "while ", "! ", "(( ", "`"} {
			command := prefix + strings.Repeat(opener, 60)
			if got := nestingBound(command); got <= maxNesting && !strings.Contains(prefix, "' ") {
				t.Errorf("%q counts %d", command, got)
			}
		}
	}
}

// Hostile inputs are refused or described within a bound that a machine of any
// speed keeps: the number of commands, and no panic.
func TestHostileInputs(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	for _, unit := range []string{
		"(", "((", "$((", "$(", "`", "{ ", "{a,b}", "{1..9}", "[[ ! ", "if ", "<<a ", "<<a\n", "a=(", "${x:-", "\"$(", "$[", "-", "!", "! ", "a;", "a|", "a&", "a&&", "f()",
		"f() {", "case x in a) ", "time ", "coproc ", "x=", "((a?", "((~", "[[ a && ", "[[ (", "$'\\", "<(", ">&", "\\\n", " \\\n", "env ", "eval ", "a[", "a[a", "\"", "'", "#", "*", "~", "$", "${!x@P}",
		"for ((;;)) do ", "select x in a; do ", "xargs ", "find -exec ", "bash -c '", "$x", "a\n", "\n", " ", "\t", "é",
	} {
		for _, size := range []int{maxLength, 100_000} {
			command := strings.Repeat(unit, size/len(unit))
			if got := a.Analyze(command, ""); len(got.Commands) > maxCommands || size > maxLength && got.Class != ClassInvalid {
				t.Errorf("%.10q… is %s with %d commands", command, got.Class, len(got.Commands))
			}
		}
		// The same, in the arms of what was opened before and after.
		for _, frame := range [][2]string{{"((", "))"}, {"[[ a", " ]]"}, {"echo \"", "\""}, {"let a=", ""}, {"a=(", ")"}, {"eval '", "'"}, {"cat <<E\n", "\nE\n"}, {"echo ${x:-", "}"}} {
			command := frame[0] + strings.Repeat(unit, (maxLength-20)/len(unit)) + frame[1]
			if got := a.Analyze(command, ""); len(got.Commands) > maxCommands {
				t.Errorf("%.20q… has %d commands", command, len(got.Commands))
			}
		}
	}
}

func TestCorpusClasses(t *testing.T) {
	t.Parallel()
	for _, command := range corpus(t)[:40] {
		if got := newAnalyzer(t).Analyze(command, "/srv/app"); got.Class == ClassInvalid || got.Truncated {
			t.Errorf("%q is refused: %s", command, sketch(got))
		}
	}
}
