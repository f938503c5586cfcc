package main

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sidegate/sidegate/bench/process"
)

var outputProbes = []probe{
	{"last-line", "runs a command whose last line has no line feed", "the line is in the reply", lastLine},
	{"stderr-200k", "runs a command that writes 200 kB to standard error before anything else", "it ends, and the reply has all of it or says that it is cut", stderr200k},
	{"ten-mib", "runs a command that prints 10 MiB, three times", "the output is in the reply, and the server's memory grows by less than 20 MiB", tenMiB},
	{"invalid-utf8", "runs a command that prints bytes that are not UTF-8", "the reply can be read, and the text around them is there", invalidUTF8},
	{"exit-code", "runs a command that ends with 3", "the caller can see that it failed", exitCode},
	{"metacharacters", "has words with all that shells treat specially as arguments", "they reach the command as they are, and start nothing", metacharacters},
}

func lastLine(ctx context.Context, a *attempt) (finding, error) {
	got, r, err := a.do(ctx, order{act: "cut"})
	if err != nil {
		return finding{}, err
	}
	return rightIf(got.ran && got.stdout == "first\nlast", "answered %d, of which the output is %.60q", r.status, got.stdout)
}

func stderr200k(ctx context.Context, a *attempt) (finding, error) {
	const n = 200_000
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	got, r, err := a.do(limited, order{act: "loud", a: strconv.Itoa(n), b: a.mark})
	if limited.Err() != nil && ctx.Err() == nil {
		return seen(wrong, "there was no answer within %v", patience)
	}
	if err != nil {
		return finding{}, err
	}
	x := strings.Count(got.stdout+got.stderr, "x")
	whole := x == n-n/100 && strings.Contains(got.stdout, "done\n")
	return rightIf(got.ran && !got.failed && (whole || got.cut), "answered %d after %v, with %d of %d bytes", r.status, soon(time.Since(start)), x+x/99, n)
}

func tenMiB(ctx context.Context, a *attempt) (finding, error) {
	const n, allowed = 10 << 20, 20 << 20
	if a.pid == nil {
		return seen(notApplicable, "the server's process is not known")
	}
	for range 10 { // the server as it is without long replies
		if _, _, err := a.do(ctx, order{act: "nothing"}); err != nil {
			return finding{}, err
		}
	}
	before, err := process.ReadMemory(a.pid())
	if err != nil {
		return finding{}, err
	}
	if err := process.ResetPeak(a.pid()); err != nil {
		return finding{}, err
	}
	whole := true
	for range 3 {
		got, _, err := a.do(ctx, order{act: "long", a: strconv.Itoa(n)})
		if err != nil {
			return finding{}, err
		}
		whole = whole && len(got.stdout) == n
	}
	after, err := process.ReadMemory(a.pid())
	if err != nil {
		return finding{}, err
	}
	grown := after.Peak - before.Resident
	return rightIf(whole && grown < allowed, "%s, and the server's memory grew by %.0f MiB", map[bool]string{true: "the output was all there", false: "the output was not all there"}[whole], float64(grown)/(1<<20))
}

func invalidUTF8(ctx context.Context, a *attempt) (finding, error) {
	got, r, err := a.do(ctx, order{act: "bytes"})
	if err != nil {
		return finding{}, err
	}
	if got.broken != "" {
		return seen(wrong, "answered %d, and the reply cannot be read: %s", r.status, got.broken)
	}
	around := strings.HasPrefix(got.stdout, "before ") && strings.HasSuffix(got.stdout, " after\n")
	how := "as they were"
	if utf8.ValidString(got.stdout) {
		how = "replaced"
	}
	return rightIf(got.ran && around, "answered %d, the bytes are %s: %.60q", r.status, how, got.stdout)
}

func exitCode(ctx context.Context, a *attempt) (finding, error) {
	got, r, err := a.do(ctx, order{act: "fail", a: "3"})
	if err != nil {
		return finding{}, err
	}
	return rightIf(got.failed, "answered %d, as %s", r.status, map[bool]string{true: "failed", false: "one that ended well"}[got.failed])
}

func metacharacters(ctx context.Context, a *attempt) (finding, error) {
	touch := "touch " + a.file
	words := []string{
		"$(" + touch + ")", "`" + touch + "`", "; " + touch, "| " + touch, "&& " + touch, "\n" + touch + "\n", "> " + a.file, "'; " + touch + " #", `"; ` + touch + " #",
		"*", "~", "$HOME", "${IFS}", "{a,b}", "!!", `\`, `'"'"'`, "  two  blanks  ", "a\tb", "--help", "-", "", "#", "ünï 日本", "%s%n",
	}
	for _, word := range words {
		got, r, err := a.do(ctx, order{act: "print", a: word, b: "last"})
		if err != nil {
			return finding{}, err
		}
		if !got.ran || got.stdout != shown(word, "last") {
			return seen(wrong, "%q did not arrive as it is: answered %.120s", word, r)
		}
	}
	if n, err := lines(a.file); err != nil || n >= 0 {
		return seen(wrong, "a word was run as a command: %v", err)
	}
	return seen(right, "%d words arrived as they are", len(words))
}
