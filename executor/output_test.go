package executor

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLongStderrWithIdleStdout(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `head -c 200000 /dev/zero >&2; echo done`))
	if len(res.Stderr) != 200000 || string(res.Stdout) != "done\n" || res.Truncated || res.StderrBytes != 200000 {
		t.Errorf("%d bytes on stderr, %q on stdout", len(res.Stderr), res.Stdout)
	}
}

func TestUnterminatedLine(t *testing.T) {
	t.Parallel()
	res := run(t, newRunner(t, nil), script(t, `printf 'one\ntwo'; printf three >&2`))
	if string(res.Stdout) != "one\ntwo" || string(res.Stderr) != "three" {
		t.Errorf("got %q, %q", res.Stdout, res.Stderr)
	}
}

func TestNoOutput(t *testing.T) {
	t.Parallel()
	// Nor is anything waited for once a command has closed its output: this would last for ever.
	job := command(t, "true")
	job.Timeout = time.Hour
	res := run(t, newRunner(t, func(c *Config) { c.PipeGrace = time.Hour }), job)
	if len(res.Stdout)+len(res.Stderr) != 0 || res.Truncated {
		t.Errorf("%+v", res)
	}
}

// shownHalf is how much of the head, and of the tail, is shown of a longer stream, where the limit is even.
func shownHalf(limit int) int { return limit/2 - way(limit) }

// The command must not notice that most of what it writes is dropped: no SIGPIPE, no error, its own exit code.
func TestOutputBeyondTheCap(t *testing.T) {
	t.Parallel()
	const total, limit = 10 << 20, 1 << 20
	job := script(t, fmt.Sprintf(`printf BEGIN; head -c %d /dev/zero; code=$?; printf END; echo "head: $code" >&2; exit 7`, total-8))
	res := run(t, newRunner(t, nil), job)
	if res.Status != StatusExited || res.ExitCode != 7 || string(res.Stderr) != "head: 0\n" {
		t.Errorf("%s, code %d, stderr %q", res.Status, res.ExitCode, res.Stderr)
	}
	if !res.Truncated || res.StdoutBytes != total {
		t.Errorf("truncated %v, %d bytes counted", res.Truncated, res.StdoutBytes)
	}
	half := shownHalf(limit)
	head, tail, ok := bytes.Cut(res.Stdout, fmt.Appendf(nil, "\n[sidegate: %d bytes left out]\n", total-2*half))
	if !ok || len(head) != half || len(tail) != half || len(res.Stdout) > limit {
		t.Fatalf("head %d, tail %d bytes, marker %v", len(head), len(tail), ok)
	}
	if !bytes.HasPrefix(head, []byte("BEGIN\x00")) || !bytes.HasSuffix(tail, []byte("\x00END")) {
		t.Errorf("head starts with %q, tail ends with %q", head[:8], tail[len(tail)-8:])
	}
}

func TestEndlessOutput(t *testing.T) {
	t.Parallel()
	job := command(t, "yes")
	job.Timeout, job.MaxOutput = 100*time.Millisecond, 1000
	res := run(t, newRunner(t, nil), job)
	if res.Status != StatusTimedOut || !res.TimedOut || res.Signal != "SIGTERM" || res.ExitCode != 143 {
		t.Errorf("got %+v", res)
	}
	if !res.Truncated || res.StdoutBytes <= 1000 || !strings.HasPrefix(string(res.Stdout), "y\ny\n") {
		t.Errorf("%d bytes counted", res.StdoutBytes)
	}
}

// What a capture holds is bounded by the limit, whatever goes through it. (Not parallel: it measures the heap.)
func TestCaptureMemory(t *testing.T) {
	const limit = 1 << 20
	var before, after runtime.MemStats
	chunk := make([]byte, scratchSize)
	runtime.GC()
	runtime.ReadMemStats(&before)
	c := capture{limit: limit}
	for range 10 * limit / len(chunk) {
		c.write(chunk)
	}
	shown, _ := c.bytes()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if cap(shown) > limit+markerRoom {
		t.Errorf("holds %d bytes", cap(shown))
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*limit+limit/4 { // doubling: 1 + 1/2 + 1/4 + ...
		t.Errorf("allocated %d bytes", grown)
	}
	runtime.KeepAlive(shown)
}

func TestCaptureTable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit  int
		writes string // separated by |
		want   string
	}{
		{4, "", ""},
		{4, "abcd", "abcd"},
		{4, "ab|cd", "abcd"},
		{4, "ab|cde", "ab\n[sidegate: 1 bytes left out]\nde"},
		{4, "abcde|f|g", "ab\n[sidegate: 3 bytes left out]\nfg"},
		{5, "abcdefgh", "abc\n[sidegate: 3 bytes left out]\ngh"},
		{1, "abc", "a\n[sidegate: 2 bytes left out]\n"},
		{2, "a|b|c", "a\n[sidegate: 1 bytes left out]\nc"},
		{6, "abcdef|g|h|i|j", "abc\n[sidegate: 4 bytes left out]\nhij"},
	} {
		c := capture{limit: tc.limit}
		for _, w := range strings.Split(tc.writes, "|") {
			c.write([]byte(w))
		}
		got, truncated := c.bytes()
		if string(got) != tc.want || truncated != strings.Contains(tc.want, "left out") {
			t.Errorf("limit %d, %q: got %q, want %q", tc.limit, tc.writes, got, tc.want)
		}
	}
}

// Text is cut between characters, and what is cut off with them is counted; bytes that are no text stay.
func TestCaptureCutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		limit      int
		data       string
		head, tail string
	}{
		{"ASCII", 8, "abcdefghijkl", "abcd", "ijkl"},
		{"whole characters at both cuts", 8, "éé--------éé", "éé", "éé"},
		{"two bytes, one of them inside", 6, "abé----écd", "ab", "cd"},
		{"three bytes, one inside", 6, "ab中---中cd", "ab", "cd"},
		{"three bytes, two inside", 8, "ab中---中cd", "ab", "cd"},
		{"four bytes, one inside", 6, "ab😀--😀cd", "ab", "cd"},
		{"four bytes, two inside", 8, "ab😀--😀cd", "ab", "cd"},
		{"four bytes, three inside", 10, "ab😀--😀cd", "ab", "cd"},
		{"an odd limit", 9, "ab中----é12", "ab中", "é12"},
		{"only a part of one character at the head", 2, "中x", "", "x"},
		{"no tail", 1, "é-", "", ""},
		{"bytes that never occur in text", 8, "ab\xff\xff----\xff\xffcd", "ab\xff\xff", "\xff\xffcd"},
		{"a start without its end, before the cut", 8, "a\xf0bc----d\xf0ef", "a\xf0bc", "d\xf0ef"},
		{"more continuations than a character has", 10, "a\x80\x80\x80\x80-\x80\x80\x80\x80a", "a\x80\x80\x80\x80", "\x80\x80\x80\x80a"},
		{"nothing but continuations", 4, "\x80\x80\x80\x80\x80\x80", "\x80\x80", "\x80\x80"},
		{"binary data with what looks like a rest", 8, "\x00\x01\x02\xe4----\x80\x81\x00\x01", "\x00\x01\x02", "\x00\x01"},
	} {
		want := fmt.Sprintf("%s\n[sidegate: %d bytes left out]\n%s", tc.head, len(tc.data)-len(tc.head)-len(tc.tail), tc.tail)
		for _, step := range []int{1, 3, len(tc.data)} { // the ring may begin anywhere
			c := capture{limit: tc.limit}
			for chunk := range slices.Chunk([]byte(tc.data), step) {
				c.write(chunk)
			}
			if got, truncated := c.bytes(); string(got) != want || !truncated {
				t.Errorf("%s, %d at a time: got %q, want %q", tc.name, step, got, want)
			}
		}
	}
}

// wholeEnd is b without the beginning of a character at its end.
func wholeEnd(b []byte) []byte {
	for n := range min(utf8.UTFMax, len(b)+1) {
		if !utf8.FullRune(b[len(b)-n:]) && n > 0 {
			return b[:len(b)-n]
		}
	}
	return b
}

// wholeStart is b without the end of a character at its start.
func wholeStart(b []byte) []byte {
	rest := b
	for len(rest) > 0 && rest[0]&0xc0 == 0x80 {
		rest = rest[1:]
	}
	if len(rest) == 0 || len(b)-len(rest) >= utf8.UTFMax {
		return b
	}
	return rest
}

func FuzzCapture(f *testing.F) {
	f.Add([]byte("hello, world"), uint16(4), uint16(3))
	f.Add([]byte(strings.Repeat("0123456789", 300)), uint16(1023), uint16(700))
	f.Add([]byte("x"), uint16(1), uint16(1))
	f.Add([]byte(strings.Repeat("aé中😀", 40)), uint16(101), uint16(7))
	f.Add([]byte(strings.Repeat("\x80\xbf\xff\xf0\x9f", 20)), uint16(31), uint16(5))
	f.Fuzz(func(t *testing.T, data []byte, limit, step uint16) {
		if limit == 0 || step == 0 {
			return
		}
		c := capture{limit: int(limit)}
		// Chunks of changing size, none empty.
		for rest, n := data, 1; len(rest) > 0; n = n*7%int(step) + 1 {
			n := min(n, len(rest))
			c.write(rest[:n])
			rest = rest[n:]
		}
		got, truncated := c.bytes()
		if limit >= 400 && len(got) > int(limit) {
			t.Errorf("limit %d: %d bytes are shown", limit, len(got))
		}
		want := data
		if len(data) > int(limit) {
			way := way(int(limit))
			head, tail := wholeEnd(data[:int(limit-limit/2)-way]), wholeStart(data[len(data)-int(limit/2)+way:])
			want = fmt.Appendf(nil, "%s\n[sidegate: %d bytes left out]\n%s", head, len(data)-len(head)-len(tail), tail)
			if utf8.Valid(data) && limit/2 >= utf8.UTFMax && !utf8.Valid(got) {
				t.Errorf("limit %d: text has become %q", limit, got)
			}
		}
		if !bytes.Equal(got, want) || truncated != (len(data) > int(limit)) {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
		if c.total != int64(len(data)) {
			t.Errorf("counted %d of %d bytes", c.total, len(data))
		}
		if cap(got) > max(firstGrowth, int(limit)+markerRoom) {
			t.Errorf("holds %d bytes", cap(got))
		}
	})
}
