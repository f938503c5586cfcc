package shell

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bash runs the system's bash with an empty environment and returns its
// output. The test is skipped when there is none.
func bash(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, lookErr := exec.LookPath("bash")
	if lookErr != nil {
		t.Skip("no bash on this system")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C.UTF-8"}
	cmd.Dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// Every static word of the corpora and of a table is what bash makes of it,
// as the arguments of a command that only prints them.
func TestWordsAgreeWithBash(t *testing.T) {
	t.Parallel()
	raws := strings.Split(`a|'a b'|"a b"|a\ b|a\b|\'|\"|"\a"|"\\"|"\$x"|"\""|'\'|''|""|a''b|"a"'b'c|\*|"*"|\~|a~|"~"|\{a,b\}|'{a,b}'|{a}|{}|a{b|{|}|[|]|a\[b|!|a!b|%|a#b|=|a=b|--x=y|$'a'|$'\n'|$'\t\e\a'|$'\x41'|$'\x4'|$'\101'|$'\0101'|$'\7'|$'\''|$'\"'|$'\\'|$'a\?'|$'\xc3\xa9'|$'%s'|é|"é"|$|a$|"$"|"a$ b"|$%|a\$b|\#|"a\'b"|'"'|a"\\"b|"a\
b"|-|:|,|a,b|..|a..b|+|@|^|"\!"|\!|a:b|/dev/null|"#"|\a\b\c|'$x'|'$(id)'|"\$(id)"|"\`+"`"+`id\`+"`"+`"|\\|\\\\|"\\\\"|{a..|a..b}|"{a,b}"|{'a,b'}|a@(b`, "|")
	a := newAnalyzer(t)
	for _, command := range corpus(t) {
		for _, c := range a.Analyze(command, "").Commands {
			for _, word := range c.Args {
				if word.Static && !strings.HasPrefix(word.Raw, "#") && len(c.Via) == 0 && c.Kind == KindSimple {
					raws = append(raws, word.Raw)
				}
			}
		}
	}
	slices.Sort(raws)
	var script strings.Builder
	var want strings.Builder
	checked := 0
	for _, raw := range slices.Compact(raws) {
		got := a.Analyze("printf "+raw, "")
		if got.Class != ClassSimple || len(got.Commands[0].Args) != 2 {
			continue
		}
		fmt.Fprintf(&script, "printf '%%s\\0' %s\n", raw)
		want.WriteString(*got.Commands[0].Argv[1] + "\x00")
		checked++
	}
	if checked < 200 {
		t.Errorf("only %d words were compared", checked)
	}
	out, errs, err := bash(t, "--noprofile", "--norc", "-c", script.String())
	if err != nil || errs != "" {
		t.Fatalf("bash: %v: %s", err, errs)
	}
	wants, gots := strings.Split(want.String(), "\x00"), strings.Split(out, "\x00")
	if len(wants) != len(gots) {
		t.Fatalf("bash printed %d words, want %d", len(gots), len(wants))
	}
	for i := range wants {
		if wants[i] != gots[i] {
			t.Errorf("bash has %q, the analysis %q", gots[i], wants[i])
		}
	}
}

// What $'…' means to bash is either told or refused, for every escape.
func TestEscapesAgreeWithBash(t *testing.T) {
	t.Parallel()
	var raws []string
	for c := byte(0x20); c < 0x7f; c++ {
		for _, tail := range []string{"", "1", "41", "414", "{41}", "g"} {
			raws = append(raws, "$'a\\"+string(c)+tail+"z'")
		}
	}
	a := newAnalyzer(t)
	var script, want strings.Builder
	for _, raw := range raws {
		got := a.Analyze("printf "+raw, "")
		if got.Class == ClassSimple {
			fmt.Fprintf(&script, "printf '%%s\\0' %s\n", raw)
			want.WriteString(*got.Commands[0].Argv[1] + "\x00")
		}
	}
	if out, errs, err := bash(t, "--norc", "-c", script.String()); err != nil || out != want.String() {
		t.Errorf("bash has %q (%v %s), the analysis %q", out, err, errs, want.String())
	}
}

// The text of a here-document is what the command reads.
func TestHeredocsAgreeWithBash(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	for _, command := range []string{
		"cat <<E\na b\n\\$x \\\\ \\` \\\" \"q\" 'r'\nE\n", "cat <<'E'\n\\$x $x `a` \\\\.\nE\n", "cat <<\"E\"\n\\$x\nE\n",
		"cat <<-E\n\t\ta\n\tb c\n\tE\n", "cat <<-'E'\n\t\ta\\tb\n\tE\n", "cat <<E\nE\n", "cat <<E\n\n\nE\n", "cat <<E\n{a,b} ~ *\nE\n", "cat <<<'a b'\n",
	} {
		got := a.Analyze(command, "")
		if len(got.Commands) != 1 || len(got.Commands[0].Redirects) != 1 || !got.Commands[0].Redirects[0].Target.Static {
			t.Errorf("%q: %s", command, sketch(got))
			continue
		}
		want := *got.Commands[0].Redirects[0].Target.Value
		if strings.Contains(command, "<<<") {
			want += "\n"
		}
		if out, errs, err := bash(t, "--norc", "-c", command); err != nil || out != want {
			t.Errorf("%q: bash reads %q (%v %s), the analysis %q", command, out, err, errs, want)
		}
	}
}

// Bash's own parser prints a script in a normal form without running it. The
// analysis of a script and that of its normal form must be the same, and bash
// must accept whatever the analysis does.
func TestStructureAgreesWithBash(t *testing.T) {
	t.Parallel()
	if out, _, err := bash(t, "--pretty-print", "/dev/null"); err != nil {
		t.Skipf("this bash cannot print scripts: %v %s", err, out)
	}
	rounds := 1200
	if testing.Short() {
		rounds = 100
	}
	commands := corpus(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		commands = append(commands, mutate(random, script(random, 3)))
	}
	a := newAnalyzer(t)
	file := filepath.Join(t.TempDir(), "script")
	compared := 0
	for _, command := range commands {
		if compareStructure(t, a, file, command) {
			compared++
		}
	}
	if compared < rounds/10 {
		t.Errorf("only %d scripts were compared", compared)
	}
}

// FuzzAgreement looks for scripts that bash and the analysis read differently.
// Its arguments are the seed of a random script.
func FuzzAgreement(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	a := newAnalyzer(f)
	file := filepath.Join(f.TempDir(), "script")
	f.Fuzz(func(t *testing.T, one, two uint64) {
		random := rand.New(rand.NewPCG(one, two))
		for range 8 {
			compareStructure(t, a, file, mutate(random, script(random, 3)))
		}
	})
}

// compareStructure fails the test when bash rejects or reads otherwise what
// the analysis accepts, and reports whether there was something to compare.
func compareStructure(t *testing.T, a *Analyzer, file, command string) bool {
	t.Helper()
	got := a.Analyze(command, "")
	if got.Class == ClassInvalid {
		return false
	}
	if err := os.WriteFile(file, []byte(command), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, err := bash(t, "--pretty-print", file)
	if err != nil || strings.Contains(errs, "syntax error") || strings.Contains(errs, "unexpected") {
		t.Errorf("%q is %s, but bash says: %s", command, got.Class, errs)
		return false
	}
	if !printsFaithfully(command) {
		return false
	}
	normal := a.Analyze(strings.ReplaceAll(out, "coproc COPROC ", "coproc "), "")
	if normal.Class == ClassInvalid {
		return false // the normal form may be one that is refused
	}
	if was, is := structure(got), structure(normal); was != is {
		t.Errorf("%q:\n%s\nbash prints %q:\n%s", command, was, out, is)
	}
	return true
}

// printsFaithfully reports whether bash's printer gives a script back as it
// read it. It joins the lines after a nested here-document, decodes $'…',
// turns |& into a redirect, and leaves the 1 of 1<> out.
func printsFaithfully(command string) bool {
	for _, text := range []string{"$'", "$\"", "|&", "1<>", "COPROC"} {
		if strings.Contains(command, text) {
			return false
		}
	}
	return !strings.Contains(strings.ReplaceAll(command, "<<<", ""), "<<")
}

// structure is the sketch of an analysis, less what printing may change.
func structure(a Analysis) string {
	for i := range a.Commands {
		c := &a.Commands[i]
		if c.Kind == KindTest || c.Kind == KindArith || c.Kind == KindLet {
			c.Args = nil
		}
		for j := range c.Redirects {
			r := &c.Redirects[j]
			if r.FD == "" && r.Op[0] != '&' {
				r.FD = map[byte]string{'<': "0", '>': "1"}[r.Op[0]]
			}
			r.Op = strings.TrimSuffix(r.Op, "|")
			if r.Target.Static && *r.Target.Value == "-" && r.Mode == "dup" {
				r.Op = ">&" // as bash prints <&-
			}
		}
	}
	return strings.Join(strings.Split(sketch(a), "\n")[1:], "\n")
}
