package scrub

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestScrub(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name               string
		patterns, literals []string
		in, want           string
	}{
		{"nothing", nil, []string{"x"}, "", ""},
		{"no match", nil, []string{"secret"}, "a secre t", "a secre t"},
		{"literal", nil, []string{"secret"}, "a secret, secret\n", "a [redacted], [redacted]\n"},
		{"at both ends", nil, []string{"a"}, "a-a", "[redacted]-[redacted]"},
		{"all of it", nil, []string{"a"}, "aaa", "[redacted]"},
		{"a literal that overlaps itself", nil, []string{"aba"}, "xababax", "x[redacted]x"},
		{"literals that overlap", nil, []string{"abcd", "cdef"}, "xabcdefx", "x[redacted]x"},
		{"literals that touch", nil, []string{"ab", "cd"}, "xabcdx", "x[redacted]x"},
		{"a literal inside of another", nil, []string{"b", "abc"}, "abc b", "[redacted] [redacted]"},
		{"a literal is not an expression", nil, []string{"a.c"}, "abc a.c", "abc [redacted]"},
		{"bounded", []string{`AKIA[0-9A-Z]{16}`}, nil, "key AKIA0123456789ABCDEF.", "key [redacted]."},
		{"unbounded", []string{`(?i)password=\S+`}, nil, "x Password=h\u00e4llo! y", "x [redacted] y"},
		{"an expression and a literal overlap", []string{`to[a-z]{3}`}, []string{"enough"}, "tokenough", "[redacted]"},
		{"begin and end of a line", []string{`(?m)^key: .*$`}, nil, "a\nkey: 1\nb key: 2\nkey:3\n", "a\n[redacted]\nb key: 2\nkey:3\n"},
		{"word boundary", []string{`\bpin\b`}, nil, "pin pins spin pin", "[redacted] pins spin [redacted]"},
		{"lines", []string{`(?s)-----BEGIN KEY-----.*?-----END KEY-----`}, nil, "a\n-----BEGIN KEY-----\nx\ny\n-----END KEY-----\nb", "a\n[redacted]\nb"},
		{"lazy", []string{`<.{1,20}?>`}, nil, "<a><b>", "[redacted]"},
		{"the mark is not looked at again", nil, []string{"redacted", "x"}, "x", "[redacted]"},
		{"not UTF-8", []string{`k=[a-z]{2}`}, nil, "\xff\xfek=ab\x00\xc3", "\xff\xfe[redacted]\x00\xc3"},
		{"half characters match U+FFFD", []string{`k=.`}, nil, "k=\xe2\x82\xac k=\xe2\x82", "[redacted] [redacted]\x82"},
		{"a literal across characters", nil, []string{"\xa9\xc3"}, "\u00e9\u00e9", "\xc3[redacted]\xa9"},
	} {
		rules, err := NewRules(test.patterns, test.literals, DefaultHold)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for size := 1; size <= len(test.in)+1; size++ {
			got, count := run(t, rules, slices.Collect(slices.Chunk([]byte(test.in), size)))
			if got != test.want || count != strings.Count(test.want, Mark) {
				t.Errorf("%s, in pieces of %d: %q with %d marks, want %q", test.name, size, got, count, test.want)
			}
		}
	}
}

func TestConfigIsRefused(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{}`:                                     "there are no patterns and no literals",
		`[]`:                                     "the configuration is not what redact takes: json: cannot unmarshal array into Go value of type",
		`{"pattern": ["a"]}`:                     `the configuration is not what redact takes: json: unknown field "pattern"`,
		`{"patterns": ["a"]} x`:                  "something follows the configuration",
		`{"patterns": ["a", "(b"]}`:              "patterns[1]: missing closing )",
		`{"patterns": ["(?=a)"]}`:                "patterns[0]: invalid or unsupported Perl syntax",
		`{"patterns": ["a{1001}"]}`:              "patterns[0]: invalid repeat count",
		`{"patterns": [""]}`:                     "patterns[0]: can match nothing at all; write + for *, or leave out ?",
		`{"patterns": ["a*"]}`:                   "patterns[0]: can match nothing at all; write + for *, or leave out ?",
		`{"patterns": ["x|b?"]}`:                 "patterns[0]: can match nothing at all; write + for *, or leave out ?",
		`{"patterns": ["\\b"]}`:                  "patterns[0]: can match nothing at all; write + for *, or leave out ?",
		`{"patterns": ["(a|b*){3}"]}`:            "patterns[0]: can match nothing at all; write + for *, or leave out ?",
		`{"patterns": ["[^\\x00-\\x{10FFFF}]"]}`: "patterns[0]: can never match",
		`{"patterns": ["` + strings.Repeat("a", maxPattern+1) + `"]}`: "patterns[0]: longer than 4096 bytes",
		`{"literals": [""]}`: "literals[0]: want 1 to 1024 bytes",
		`{"literals": ["a", "` + strings.Repeat("a", maxLiteral+1) + `"]}`: "literals[1]: want 1 to 1024 bytes",
		`{"literals": ["a"], "hold": 0}`:                                   "hold: want 1 to 1073741824 bytes, not 0",
		`{"literals": ["a"` + strings.Repeat(`,"a"`, 256) + `]}`:           "257 patterns and literals are too many: at most 256",
	} {
		if _, err := ParseConfig([]byte(config)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", config, err, want)
		}
	}
	if rules, err := ParseConfig([]byte(" null\n")); rules != nil || err != nil {
		t.Errorf("null: %v, %v", rules, err)
	}
}

// TestErrorsKeepSecrets holds errors to not repeating rules.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	for _, patterns := range [][]string{{"(hunter2"}, {"hunter2*?+"}, {"(?:hunter2)?"}, {"[z-hunter2]"}, {`hunter2\q`}} {
		_, err := NewRules(patterns, nil, 1)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]int{
		"abc": 12, "a.": 8, "[a-c]{2,5}": 20, "a|bcd": 12, "(a)(b?)": 8, "(?i)k": 4,
		"a+": unbounded, "a{2,}": unbounded, "^a": unbounded, `a\b`: unbounded, "(?:a{1000}){1,1}x": 4004, "a$": unbounded,
		"(?:abcdefghij){1000}": 40000, "(?:abcdefghijabcdefghij){1000}": unbounded,
	} {
		rules, err := NewRules([]string{pattern}, nil, 1)
		if err != nil || rules.window != want {
			t.Errorf("%s: window %d, %v; want %d", pattern, rules.window, err, want)
		}
	}
}

// TestHold gives a stream that is too long to a pattern without a longest match, and to
// one that has one.
func TestHold(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]error{"ab+": ErrHold, "ab{1,9}": nil} {
		rules, err := NewRules([]string{pattern}, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		s := New(rules, io.Discard)
		for range 10 {
			if _, err := s.Write(make([]byte, 100)); err != nil {
				t.Errorf("%s: %v before the limit", pattern, err)
			}
		}
		if _, err := s.Write([]byte{0}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", pattern, err, want)
		}
	}
}

// TestMemory passes a stream of 64 MiB without a line end, full of matches, and holds the
// scrubber to its window.
func TestMemory(t *testing.T) {
	t.Parallel()
	rules, err := NewRules([]string{"x[0-9]{1,40}"}, []string{"aa"}, DefaultHold)
	if err != nil {
		t.Fatal(err)
	}
	s, piece := New(rules, io.Discard), []byte(strings.Repeat("aaab ax01234", 512))
	for range 64 << 20 / len(piece) / 16 {
		if _, err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.held) > 64<<10 || cap(s.found) > 4<<10 {
		t.Errorf("it holds %d bytes and %d matches", cap(s.held), cap(s.found))
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	rules, err := NewRules(nil, []string{"secret"}, DefaultHold)
	if err != nil {
		t.Fatal(err)
	}
	for room := range 14 {
		s := New(rules, &narrow{room: room})
		_, err := s.Write([]byte("a secret b"))
		if err == nil {
			err = s.Close()
		}
		if !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

type narrow struct{ room int }

func (n *narrow) Write(p []byte) (int, error) {
	if n.room -= len(p); n.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// run scrubs a stream in pieces.
func run(t testing.TB, rules *Rules, pieces [][]byte) (string, int) {
	var out bytes.Buffer
	s := New(rules, &out)
	for _, piece := range pieces {
		if _, err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), s.Count()
}

// whole is the definition: mark every byte of every match, then write.
func whole(patterns, literals []string, text []byte) string {
	secret := make([]bool, len(text))
	mark := func(start, end int) {
		for i := start; i < end; i++ {
			secret[i] = true
		}
	}
	for _, p := range patterns {
		for _, m := range regexp.MustCompile(p).FindAllIndex(text, -1) {
			mark(m[0], m[1])
		}
	}
	for _, l := range literals {
		for i := range text {
			if bytes.HasPrefix(text[i:], []byte(l)) {
				mark(i, i+len(l))
			}
		}
	}
	var out strings.Builder
	for i, c := range text {
		switch {
		case !secret[i]:
			out.WriteByte(c)
		case i == 0 || !secret[i-1]:
			out.WriteString(Mark)
		}
	}
	return out.String()
}

// FuzzScrub cuts streams at random places and compares with the definition.
func FuzzScrub(f *testing.F) {
	for _, seed := range []struct{ a, b, literal, text string }{
		{`AKIA[0-9A-Z]{16}`, `[a-z]{2,9}?k`, "aba", "ababa AKIA0123456789ABCDEF blank"},
		{`k=\S+`, `\bx`, "k", "k=1 x\u00e9x k=\xff\xfe x"},
		{`(?s)a.{0,5}b`, `[^a]`, "\n", "a\n\nb\u20acaab\xe2\x82"},
		{`.`, `(?i)k\x{fffd}`, "\xbf", "\u212a\ufffd\xef\xbf\xbd\xef\xbf"},
		{`[\x80-\x{10FFFF}]`, `\x{10FFFF}{1,3}`, "\x8f", "\U0010FFFF\xf4\x8f\xbf\U0010FFFF\xf4"},
		{`(?m)^a|b$`, `(ab|cd){1,4}c`, "dc", "abcdabc\nab\na"},
	} {
		f.Add(seed.a, seed.b, seed.literal, []byte(seed.text), uint64(1))
	}
	f.Fuzz(func(t *testing.T, a, b, literal string, text []byte, cuts uint64) {
		if len(text) > 4<<10 || len(a)+len(b) > 200 {
			t.Skip("too slow")
		}
		for _, patterns := range [][]string{{a}, {b}, {a, b}} {
			rules, err := NewRules(patterns, []string{literal}, DefaultHold)
			if err != nil {
				continue
			}
			want := whole(patterns, []string{literal}, text)
			random := rand.New(rand.NewPCG(cuts, 0))
			var pieces [][]byte
			for rest := text; len(rest) > 0; {
				n := 1 + random.IntN(min(len(rest), 1+random.IntN(40)))
				pieces, rest = append(pieces, rest[:n]), rest[n:]
			}
			if got, count := run(t, rules, pieces); got != want {
				t.Fatalf("%q and %q on %q in %q: %q with %d marks, want %q", patterns, literal, text, pieces, got, count, want)
			}
		}
	})
}

func BenchmarkScrub(b *testing.B) {
	text := bytes.Repeat([]byte("a line of output, with nothing in it but words 0123456789\n"), 1<<20/58)
	for name, patterns := range map[string][]string{
		"bounded":   {`AKIA[0-9A-Z]{16}`, `gh[pousr]_[0-9A-Za-z]{36}`},
		"unbounded": {`(?i)password=\S+`},
	} {
		rules, err := NewRules(patterns, []string{"hunter2"}, DefaultHold)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				run(b, rules, slices.Collect(slices.Chunk(text, 32<<10)))
			}
		})
	}
}
