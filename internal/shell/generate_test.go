package shell

import (
	"math/rand/v2"
	"strings"
)

// fragments are what scripts are spoiled with: every token of the language,
// and the words that are one only here and there.
var fragments = strings.Split("ls~rm x~ ~;~&~&&~||~|~|&~(~)~{~}~{ ~; }~$(~$((~))~((~[[~]]~[[ ~ ]]~if ~; then ~; fi~ else ~elif ~while ~; do ~; done~for x in a b~case x in ~a) ~;;~;&~ esac~esac~"+
	"select ~function f~f()~ f() ~coproc ~time ~time -p ~! ~!~'~\"~\\~${~${x:-~$x~$'~$\"~\n~<~>~>>~<<~<<<~<<-~>&~<&~&>~>|~<>~2>~{fd}>~>&2~>&-~EOF~\nEOF\n~'EOF'~#~ #~*~?~[~]~@(~+(~!(~x=~x+=~a[0]=~a=(~"+
	"export ~declare -a ~let ~local ~eval ~exec ~=~==~=~<(~>(~-f ~in ~do ~done~then~fi~1~2~$[~,~..~{a,b}~a\\ b~\\\n~ \\\n ~.~:~-~--~nameref ~unset ~\"$x\"~'a b'~else~^~\t~%~+~-p", "~")

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// mutate spoils a script at up to three places.
func mutate(r *rand.Rand, s string) string {
	for range r.IntN(4) {
		from := r.IntN(len(s) + 1)
		to := min(len(s), from+r.IntN(3))
		s = s[:from] + pick(r, fragments...) + s[to:]
	}
	return s
}

// script is a random script, nested up to depth.
func script(r *rand.Rand, depth int) string {
	if depth <= 0 {
		return randomCall(r, 0)
	}
	next := func() string { return script(r, depth-1) }
	word := func() string { return randomWord(r, depth) }
	switch r.IntN(23) {
	case 0:
		return next() + "; " + next()
	case 1:
		return next() + " | " + next()
	case 2:
		return next() + pick(r, " && ", " || ", " & ", "\n") + next()
	case 3:
		return "(" + next() + ")"
	case 4:
		return "{ " + next() + "; }" + pick(r, "", " >f", " 2>&1")
	case 5:
		return "if " + next() + "; then " + next() + pick(r, "", "; else "+next(), "; elif "+next()+"; then "+next()) + "; fi" + pick(r, "", " <f")
	case 6:
		return pick(r, "while ", "until ") + next() + "; do " + next() + "; done"
	case 7:
		return pick(r, "for", "select") + " x in " + word() + " " + word() + "; do " + next() + "; done"
	case 8:
		return "for ((i=" + word() + "; i<3; i++)); do " + next() + "; done"
	case 9:
		return "case " + word() + " in " + pick(r, "", "(") + word() + pick(r, "", "|"+word()) + ") " + next() + pick(r, " ;;", " ;&", ";;&", "") + pick(r, " *) "+next()+";;", "") + " esac"
	case 10:
		return pick(r, "f() ", "function f ", "function f() ") + pick(r, "{ "+next()+"; }", "("+next()+")", next())
	case 11:
		return pick(r, "! ", "time ", "time -p ", "coproc ", "coproc N ") + next()
	case 12:
		return "[[ " + pick(r, "", "! ", "( ") + pick(r, "-f ", "-v ", "-z ", "") + word() +
			pick(r, "", " == "+word(), " =~ "+word(), " -eq "+word(), " < "+word(), " && "+word(), " ) || -n "+word()) + " ]]"
	case 13:
		return "((" + word() + "+1))"
	case 14:
		return "cat <<" + pick(r, "", "-") + pick(r, "EOF", "'EOF'", "\"EOF\"", "E\"O\"F", "\\EOF") + pick(r, "", " | "+next(), "; "+next()) +
			"\n" + word() + pick(r, "", " \\", "\t") + "\n" + word() + "\nEOF\n" + next()
	case 15:
		return next() + pick(r, " # c'o\"m\n", " \\\n", "\\\n", " #\\\n") + next()
	case 16:
		return "a=(" + word() + " [1]=" + word() + ")"
	}
	return randomCall(r, depth)
}

func randomCall(r *rand.Rand, depth int) string {
	s := pick(r, "", "", "x=1 ", "PATH="+randomWord(r, depth)+" ", "a[1]="+randomWord(r, depth)+" ")
	s += pick(r, "ls", "rm", "echo", "[", "export", "let", "declare -x", "eval", "sudo", "time", "!", "env", randomWord(r, depth))
	for range r.IntN(3) {
		s += " " + randomWord(r, depth)
	}
	if r.IntN(3) == 0 {
		s += " " + pick(r, ">f", "2>&1", "<f", ">>f", "&>f", ">&f", "<<<a", ">| f", "<>f", "3>&-", ">&-", "<&3-", "{v}>f", "1>&"+randomWord(r, depth), "> "+randomWord(r, depth))
	}
	return s
}

func randomWord(r *rand.Rand, depth int) string {
	if depth <= 0 || r.IntN(2) == 0 {
		return pick(r, "a", "-x", "'q r'", `"$x"`, `"a b"`, `\;`, "x=1", "{a,b}", "[", "]", "1", "a#b", "!", "{", "}", "if", "do", "in", "~/x", "$1", "${x}", "${#x}", "*.c", `a\ b`,
			`"\$x"`, "--", "$((1+2))", "${x:-a}", "${x//a/b}", "$x[1]", "a=(b", "\"`ls`\"", `e"c"'ho'`, "''", `""`, "{}", "a{b", "c}", "x:~y")
	}
	inner, word := script(r, depth-1), randomWord(r, depth-1)
	return pick(r, "$("+inner+")", "\"$("+inner+")\"", "`"+inner+"`", "<("+inner+")", "${x:-$("+inner+")}", "$(( $("+inner+") + 1))", "\"${x:-"+word+"}\"",
		"${x:-"+word+"}", "${x/"+word+"/b}", "a"+word+"b", "$["+word+"]", "${a["+word+"]}")
}
