package shell

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// testPath is where the programs of these tests are looked up.
var testPath = strings.Split("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":")

func newAnalyzer(tb testing.TB, path ...string) *Analyzer {
	tb.Helper()
	a, err := New(Config{Path: path})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// sketch renders an analysis on a few lines: the class, then each command as
// "parent kind: words", followed by what is particular about it.
func sketch(a Analysis) string {
	if a.Class == ClassInvalid {
		return "invalid: " + *a.ParseError
	}
	lines := []string{string(a.Class)}
	for _, c := range a.Commands {
		parent := "-"
		if c.Parent >= 0 {
			parent = string(rune('0' + c.Parent))
		}
		line := []string{parent, string(c.Kind) + ":"}
		if c.Name != "" && (len(c.Args) == 0 || c.Kind == KindTest || c.Kind == KindOther) {
			line = append(line, c.Name)
		}
		for _, word := range c.Args {
			line = append(line, sketchWord(word))
		}
		for _, as := range c.Assignments {
			line = append(line, as.Scope+"("+as.Name+"="+sketchWord(as.Value)+")")
		}
		for _, r := range c.Redirects {
			line = append(line, r.Mode+"("+r.FD+r.Op+sketchWord(r.Target)+")")
		}
		if len(c.Context) > 0 {
			line = append(line, "["+strings.Join(c.Context, " ")+"]")
		}
		if len(c.Via) > 0 {
			line = append(line, "via "+strings.Join(c.Via, " "))
		}
		if c.Opaque != nil {
			line = append(line, "opaque "+*c.Opaque)
		}
		lines = append(lines, strings.TrimRight(strings.Join(line, " "), " "))
	}
	return strings.Join(lines, "\n")
}

func sketchWord(w Word) string {
	if !w.Static {
		return "<" + strings.Join(w.Dynamic, " ") + ">"
	}
	if *w.Value == "" || strings.ContainsAny(*w.Value, " \n") {
		return "'" + *w.Value + "'"
	}
	return *w.Value
}

func TestAnalyze(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"":                   "empty",
		" \t\n":              "empty",
		"# ls":               "empty",
		"ls -l /var/log":     "simple\n- simple: ls -l /var/log",
		`"ls" 'a b' c\ d ''`: "simple\n- simple: ls 'a b' 'c d' ''",
		`r\m -e\xec`:         "simple\n- simple: rm -exec",
		`'ex''ec'`:           "simple\n- simple: exec",
		"ls \\\n  -l":        "simple\n- simple: ls -l",
		"[ -f x ]":           "simple\n- simple: [ -f x ]",
		"find . -exec rm {}": "simple\n- simple: find . -exec rm {} opaque unterminated_exec",
		"ls *.c":             "compound\n- simple: ls <glob>",
		`ls \*.c "*"`:        "simple\n- simple: ls *.c *",
		"ls {a,b} {1..3}":    "compound\n- simple: ls <brace> <brace>",
		"ls {a} {} a{b":      "simple\n- simple: ls {a} {} a{b",
		"cat ~/x a=~ b~":     "compound\n- simple: cat <tilde> <tilde> b~",
		"$X a":               "compound\n- simple: <param> a",
		"ls$IFS-la":          "compound\n- simple: <param>",
		"X=1 ls":             "compound\n- simple: ls prefix(X=1)",
		"X=1 Y=$(id)":        "compound\n- assign: shell(X=1) shell(Y=<cmdsubst>)\n0 simple: id [cmdsubst]",
		"PATH+=:/tmp":        "compound\n- assign: shell(PATH=<param>)",
		"a=(1 $(id))":        "compound\n- assign: shell(a=<cmdsubst array>)\n0 simple: id [cmdsubst]",
		"ls >f":              "compound\n- simple: ls write(>f)",
		"! ls":               "compound\n- simple: ls",
		"time ls":            "compound\n- simple: ls",
		"ls &":               "compound\n- simple: ls [background]",
		"a | b |& c":         "pipeline\n- simple: a [pipe]\n- simple: b [pipe]\n- simple: c [pipe]",
		"! a | b":            "compound\n- simple: a [pipe]\n- simple: b [pipe]",
		"a && b || c; d":     "compound\n- simple: a\n- simple: b\n- simple: c\n- simple: d",
		"(a; { b; })":        "compound\n- simple: a [subshell]\n- simple: b [subshell]",
		"{ a; } >f":          "compound\n- redirect: write(>f)\n0 simple: a",
		">f":                 "compound\n- redirect: write(>f)",
		"export A=1 B":       "compound\n- decl: export A=1 B shell(A=1)",
		"export $x":          "compound\n- decl: export <param> shell(=<param>) opaque declaration_option",
		"declare -i x=1":     "compound\n- decl: declare -i x=1 shell(x=1) opaque declaration_option",
		"[[ -f a && $b ]]":   "compound\n- test: [[ a <param>",
		"((x=$(id)))":        "compound\n- arith:\n0 simple: id [cmdsubst]",
		"let x=1":            "compound\n- let: let",
		"f() { a; }; f":      "compound\n- func: f\n0 simple: a [function]\n- simple: f",
		"if a; then b; elif c; then d; else e; fi": "compound\n- simple: a [conditional]\n- simple: b [conditional]\n- simple: c [conditional]\n- simple: d [conditional]\n- simple: e [conditional]",
		"while a; do b; done":                      "compound\n- simple: a [loop]\n- simple: b [loop]",
		"for x in 1 $y; do a; done":                "compound\n- assign: shell(x=1) shell(x=<param>)\n- simple: a [loop]",
		"for x; do a; done":                        "compound\n- assign: shell(x=<param>)\n- simple: a [loop]",
		"for ((i=0;i<3;i++)); do a; done":          "compound\n- arith:\n- simple: a [loop]",
		"case $x in a|*) b;; esac":                 "compound\n- other: case <param> a <glob>\n- simple: b [conditional]",
		"echo $(a `b`) <(c)":                       "compound\n- simple: echo <cmdsubst> <procsubst>\n0 simple: a <cmdsubst> [cmdsubst]\n1 simple: b [cmdsubst]\n0 simple: c [procsubst]",
		"echo ${x:-$(a)}":                          "compound\n- simple: echo <param cmdsubst>\n0 simple: a [cmdsubst]",
		"coproc a b":                               "compound\n- simple: a b [background]",
		"eval 'a; b' c":                            "simple\n- simple: eval 'a; b' c\n0 simple: a via eval\n0 simple: b c via eval",
		"eval $x":                                  "compound\n- simple: eval <param> opaque dynamic_script",
		"trap 'a' EXIT":                            "simple\n- simple: trap a EXIT\n0 simple: a via trap",
		". f":                                      "simple\n- simple: . f opaque script_file",
		"alias ls=rm":                              "simple\n- simple: alias ls=rm opaque alias",
		`test -v 'a[$(id)]'`:                       "simple\n- simple: test -v a[$(id)] opaque subscript",
	} {
		if got := sketch(newAnalyzer(t).Analyze(command, "")); got != want {
			t.Errorf("%q:\n%s\nwant:\n%s", command, got, want)
		}
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"ls\r\n":                        "forbidden characters: cr",
		"ls\x00":                        "forbidden characters: nul",
		"ls\x1b\x7f":                    "forbidden characters: control",
		"ls \u0085":                     "forbidden characters: control",
		"ls\xff":                        "forbidden characters: invalid_utf8",
		"ls\u00a0-l":                    "forbidden characters: unicode_space",
		"ls\u2028":                      "forbidden characters: unicode_space",
		"l\u200bs":                      "forbidden characters: bidi_or_invisible",
		"ls \u202e":                     "forbidden characters: bidi_or_invisible",
		"ls \u3164":                     "forbidden characters: bidi_or_invisible",
		"ls \u2800":                     "forbidden characters: bidi_or_invisible",
		"ls \ufe0f":                     "forbidden characters: bidi_or_invisible",
		"ls \U000e0041":                 "forbidden characters: bidi_or_invisible",
		"ls \r\u200b\x00":               "forbidden characters: bidi_or_invisible, cr, nul",
		strings.Repeat("a", 8<<10+1):    "longer than 8192 bytes",
		strings.Repeat("(", 51):         "nested deeper than 50 levels",
		strings.Repeat("if ", 60):       "nested deeper than 50 levels",
		"ls \\":                         errTrailingBackslash.Error(),
		"l\\\ns":                        errContinuation.Error(),
		"ls # a \\\nid":                 errContinuation.Error(),
		"echo $(time ls)":               errTime.Error(),
		"nameref a=b":                   errNameref.Error(),
		"else ls":                       errReserved.Error(),
		"X=1 if":                        errReserved.Error(),
		"f() ls":                        errFunction.Error(),
		"f() { a; } && b":               errFunction.Error(),
		"f() { a; } | b":                errFunction.Error(),
		"function if { a; }":            errFunction.Error(),
		"time -- ls":                    errTime.Error(),
		"time & ls":                     errTime.Error(),
		"a | time b":                    errTime.Error(),
		"coproc select x":               errReserved.Error(),
		"coproc a=b c":                  errCoproc.Error(),
		"echo ${ ls;}":                  errFunsub.Error(),
		"echo `a \\`b\\``":              errBackquotes.Error(),
		"echo $((a['1']))":              errArithmetic.Error(),
		"let a>b":                       errArithmetic.Error(),
		`echo "${x:-'$(id)'}"`:          errParameter.Error(),
		"echo ${x:-<(id)}":              errParameter.Error(),
		"cat <((id))":                   errProcsubst.Error(),
		"cat <<E\\F\nEF\n":              errHeredoc.Error(),
		"cat <<E\n$(a\nE\n)\nE\n":       errHeredoc.Error(),
		"echo $(cat <<E\na\nE\n)":       errHeredoc.Error(),
		"cat <<E; (a\nb\nE\n)\nb\nE\n":  errHeredoc.Error(),
		"cat <<E <<F\nE\nF\n":           errHeredoc.Error(),
		"{ case a in (b|}) c;; esac; }": errCase.Error(),
		"a=(b)#c; id":                   errArray.Error(),
		"export a=(b)#c; id":            errArray.Error(),
		"a=(if b)":                      errArray.Error(),
		"echo $(a=(b))":                 errArray.Error(),
		"echo >&-x":                     errRedirect.Error(),
		"echo 99999>x":                  errRedirect.Error(),
		"echo >{x}>y":                   errRedirect.Error(),
		"case a in a) { b; } >f esac":   errRedirect.Error(),
		"x=1 >f a=(b)":                  errRedirect.Error(),
		"[[ a =~ (b) ]]":                errTest.Error(),
		"shopt -s extglob; ls @(a|b)":   errExtglob.Error(),
		"[[ 2>1 ]]":                     errTest.Error(),
		"[[ a == @($(id)) ]]":           errExtglob.Error(),
		"for x in a; { b; }":            errLoop.Error(),
		"for x\nin a; do b; done":       errLoop.Error(),
		"for 1x in a; do b; done":       errLoop.Error(),
	} {
		if got := sketch(newAnalyzer(t).Analyze(command, "")); got != "invalid: "+want {
			t.Errorf("%q:\n%s\nwant invalid: %s", command, got, want)
		}
	}
	// The parser refuses these itself, and its message may change.
	for _, command := range []string{"ls (", "if ls; then", "ls | ", "'", "$((ls); (id))", "echo \"", "a;;", "! ! ls", "[[ a b ]]", "X=1 export A=(b)", ")"} {
		if got := newAnalyzer(t).Analyze(command, "").Class; got != ClassInvalid {
			t.Errorf("%q is %s", command, got)
		}
	}
}

func TestStaticFacts(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"ls": true, "ls >f 2>&1": true, "X=1 a | b": true, "a; (b)": true, "export A=1": true, "env A=1 ls": true, "bash -c 'ls a'": true,
		"": false, "ls (": false, "ls $x": false, "ls >$x": false, "X=$x a": false, "X+=1": false, "sh -c 'ls'": false, "((1))": false,
		"xargs rm": false, "$x": false, strings.Repeat("a;", 65): false,
	} {
		if got := newAnalyzer(t).Analyze(command, "").AllStatic; got != want {
			t.Errorf("%q: all_static is %v", command, got)
		}
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"echo ${x@P}":                 "param param_transform",
		"echo ${!x}":                  "param param_indirect",
		"echo ${x:=1}":                "param param_assign",
		`echo $"a"`:                   "locale_string unresolvable",
		`echo $'\ca'`:                 "unresolvable",
		`echo $'\e[1m'`:               "control_chars_in_word",
		"echo {1..64}":                "brace",
		"echo {1..65}":                "brace brace_bomb",
		"echo {a,b}{1..40}":           "brace brace_bomb",
		"echo {../x,y}":               "brace",
		"a &":                         "background",
		"cat <(a)":                    "procsubst",
		"cat <<E\na\nE\n":             "heredoc redirect",
		"cat <<<a":                    "herestring redirect",
		"echo a >/dev/tcp/1.1.1.1/80": "file_write_redirect net_redirect redirect",
		"echo {v}>f":                  "fd_variable file_write_redirect redirect",
		"hash -p /x ls":               "opaque shell_state",
		"env -S 'a b'":                "env_split opaque wrapper",
		"find . -exec a {} +":         "find_exec stdin_args",
		"select x in a; do b; done":   "compound loop select shell_assign unbounded",
	} {
		features := newAnalyzer(t).Analyze(command, "").Features
		for _, name := range strings.Fields(want) {
			if !features[name] {
				t.Errorf("%q lacks feature %s", command, name)
			}
		}
		for name := range features {
			if !slices.Contains(strings.Fields(want), name) {
				t.Errorf("%q has feature %s", command, name)
			}
		}
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"commands": strings.Repeat("a;", maxCommands+1),
		"wrappers": strings.Repeat("env ", maxWrappers+2) + "ls",
		"depth":    strings.Repeat("{ ", maxDepth+2) + "ls" + strings.Repeat("; }", maxDepth+2),
		"length":   strings.Repeat("a", maxLength+1),
	} {
		got := newAnalyzer(t).Analyze(command, "")
		if !got.Truncated || got.AllStatic || got.Class == ClassSimple || len(got.Commands) > maxCommands {
			t.Errorf("%s: truncated %v, class %s, %d commands", name, got.Truncated, got.Class, len(got.Commands))
		}
	}
	if newAnalyzer(t).Analyze(strings.Repeat("a;", maxCommands), "").Truncated {
		t.Error("64 commands are truncated")
	}
}

// The JSON form has every key at every level, whatever the command.
func TestJSON(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "ls (", "ls a", "X=1 ls >f $x"} {
		text, err := json.Marshal(newAnalyzer(t).Analyze(command, ""))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			CharsetViolations *[]string        `json:"charset_violations"`
			Features          *map[string]bool `json:"features"`
			Commands          *[]map[string]any
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if got.CharsetViolations == nil || got.Features == nil || got.Commands == nil {
			t.Errorf("%q: null in %s", command, text)
			continue
		}
		keys := strings.Fields("id parent kind name name_static path_kind resolved_path builtin argv args args_static redirects assignments context depth via opaque tags")
		for _, c := range *got.Commands {
			if len(c) != len(keys) {
				t.Errorf("%q has %d keys in a command, want %d", command, len(c), len(keys))
			}
			for _, key := range keys {
				value, ok := c[key]
				if !ok || value == nil && key != "resolved_path" && key != "opaque" {
					t.Errorf("%q: %s is missing or null in %s", command, key, text)
				}
			}
		}
	}
}

// corpus returns the commands of the everyday and the adversarial lists.
func corpus(tb testing.TB) []string {
	tb.Helper()
	var commands []string
	for _, name := range []string{"testdata/everyday.txt", "testdata/adversarial.jsonl"} {
		text, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasSuffix(name, ".jsonl") {
				var entry struct{ Command string }
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					tb.Fatal(err)
				}
				line = entry.Command
			}
			commands = append(commands, line)
		}
	}
	return commands
}
