package guest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain äöü 漢字":          "plain äöü 漢字",
		"a\nlevel=ERROR":        `a\nlevel=ERROR`,
		"\x1b[31m\r\t":          `\u001b[31m\u000d\t`,
		"a\u2028b\u202ec\ufeff": `a\u2028b\u202ec\ufeff`,
		"\xff\xc0\U000e0001":    "\ufffd\ufffd" + `\U000e0001`,
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for _, s := range []string{"x", "\n", "ä", "漢", "\xff", "\U000e0001"} {
		got := printable([]byte(strings.Repeat(s, 10_000)))
		if len(got) > maxText || len(got) < maxText-16 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%q without end: %d bytes, ends in %q", s, len(got), got[len(got)-8:])
		}
	}
}

// TestLog holds what the log gets of lines, from log and from descriptors.
func TestLog(t *testing.T) {
	t.Parallel()
	m := plugin()
	write := m.importing(wasiModule, "fd_write", "iiii:i")
	m.abi()
	m.text(1000, "one\ntwo\nthr")
	m.text(1100, "ee\n\nlast")
	m.text(1200, "forged\ntime=now")
	m.function("on_request", ":i", 0,
		store(0, 1000), store(4, 11), store(8, 1100), store(12, 8),
		i32(1), i32(0), i32(2), i32(100), call(write), drop,
		i32(2), i32(1200), i32(15), call(fLog),
		i32(77), i32(1200), i32(6), call(fLog),
		i32(2), i32(0), i32(1), i32(100), call(write), drop,
		unreachable)
	var got []string
	pool := mustConfigure(t, Config{Binary: m.build(), Log: func(l Level, line string) {
		got = append(got, l.String()+" "+line)
	}}, "null")
	if _, err := pool.Call(t.Context(), Request, &Exchange{}); kindOf(err) != KindTrap {
		t.Fatal(err)
	}
	want := []string{"INFO one", "INFO two", "INFO three", "INFO ", `WARN forged\ntime=now`, "INFO forged",
		"ERROR one", "ERROR two", "INFO last", "ERROR thr"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestFetch holds what the guest is answered, by what the host's function does.
func TestFetch(t *testing.T) {
	t.Parallel()
	const request = `{"url":"http://auth/v1","method":"POST","headers":{"A":"b"},"body":"x"}`
	fetcher := func(text string, room int) []byte {
		m := plugin()
		f := m.importing(abiModule, fetchImport, "iiii:i")
		m.abi().text(0, text)
		// It writes the answer, or its errno as a letter: 'a' is 1.
		m.function("on_request", ":i", 1,
			i32(0), i32(len(text)), i32(4096), i32(room), call(f), set(0),
			get(0), i32(0), 0x48, ifOp, void, // less than zero
			i32(4096), i32(96), get(0), sub, store32, 2, 0, i32(1), set(0), end,
			i32(0), i32(4096), get(0), call(fOutputWrite))
		return m.build()
	}
	good := func(_ context.Context, r FetchRequest) (FetchResponse, error) {
		if r.Method != "POST" || r.URL != "http://auth/v1" || r.Headers["A"] != "b" || r.Body != "x" {
			return FetchResponse{}, fmt.Errorf("got %+v", r)
		}
		return FetchResponse{Status: 204, Headers: map[string][]string{"X-Two": {"1", "2"}}, Body: []byte("<ok>")}, nil
	}
	for name, c := range map[string]struct {
		text    string
		room    int
		noFetch bool
		fetch   func(context.Context, FetchRequest) (FetchResponse, error)
		want    string
	}{
		"good": {request, 4096, false, good, `{"status":204,"headers":{"x-two":"1, 2"},"body":"<ok>"}`},
		"binary": {`{"url":"u"}`, 4096, false, func(_ context.Context, r FetchRequest) (FetchResponse, error) {
			return FetchResponse{Status: 200, Body: []byte("\xff\x00")}, nil
		}, `{"status":200,"headers":{},"body_base64":"/wA="}`},
		"no room": {request, 10, false, good, "f"},
		"refused": {request, 4096, false, func(context.Context, FetchRequest) (FetchResponse, error) {
			return FetchResponse{}, fmt.Errorf("not listed: %w", ErrFetchRefused)
		}, "g"},
		"network": {request, 4096, false, func(context.Context, FetchRequest) (FetchResponse, error) {
			return FetchResponse{}, errors.New("connection reset")
		}, "h"},
		"dry run":       {request, 4096, true, good, "i"},
		"no URL":        {`{"method":"GET"}`, 4096, false, good, "g"},
		"unknown":       {`{"url":"u","proxy":"p"}`, 4096, false, good, "g"},
		"two requests":  {request + request, 4096, false, good, "g"},
		"not a request": {`[]`, 4096, false, good, "g"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := mustConfigure(t, Config{Binary: fetcher(c.text, c.room), Fetch: c.fetch}, "null")
			x := Exchange{NoFetch: c.noFetch}
			if _, err := pool.Call(t.Context(), Request, &x); err != nil || string(x.NewMessage) != c.want {
				t.Errorf("got %q %v, want %q", x.NewMessage, err, c.want)
			}
			if x.FetchWanted != c.noFetch {
				t.Errorf("FetchWanted is %v", x.FetchWanted)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add([]byte("a\nb\x1b[0m\xff\u202e"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := printable(in)
		if len(got) > maxText || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%q", got)
		}
	})
}

// TestWASI holds what there is of a world without files.
func TestWASI(t *testing.T) {
	t.Parallel()
	check := func(name, signature string, arguments []byte, errno int, then ...any) {
		t.Helper()
		binary := importing(wasiModule, name, signature, func(f int) []byte {
			return ops(arguments, call(f), i32(errno), ne, ifOp, void, unreachable, end, ops(then...), i32(0))
		})
		if _, err := mustConfigure(t, Config{Binary: binary}, "null").Call(t.Context(), Request, &Exchange{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	unless := func(condition ...any) []byte { return ops(ops(condition...), eqz, ifOp, void, unreachable, end) }
	check("clock_time_get", "iIi:i", ops(i32(clockRealtime), i64(0), i32(8)), wasiOK, unless(load(12))) // after 1970
	check("clock_time_get", "iIi:i", ops(i32(2), i64(0), i32(8)), wasiInvalid)
	check("clock_res_get", "ii:i", ops(i32(clockMonotonic), i32(8)), wasiOK, unless(load(8)))
	check("random_get", "ii:i", ops(i32(0), i32(64)), wasiOK, unless(load(0), load(32), ne))
	check("args_sizes_get", "ii:i", ops(store(0, 9), i32(0), i32(4)), wasiOK, unless(load(0), eqz))
	check("sched_yield", ":i", nil, wasiOK)
	check("fd_fdstat_get", "ii:i", ops(i32(1), i32(0)), wasiOK, unless(load(0), i32(2), ne, eqz))
	check("fd_fdstat_get", "ii:i", ops(i32(3), i32(0)), wasiBadFile)
	check("fd_write", "iiii:i", ops(i32(3), i32(0), i32(1), i32(16)), wasiBadFile)
	check("fd_prestat_get", "ii:i", ops(i32(3), i32(0)), wasiBadFile)
	check("path_open", "iiiiiIIii:i", ops(i32(3), i32(0), i32(0), i32(0), i32(0), i64(0), i64(0), i32(0), i32(0)), wasiBadFile)
	// A subscription to a clock, 1 ms from now, with user data 7: it happens, and says 7.
	sleep := ops(store(0, 7), store(16, clockMonotonic), store(24, 1_000_000))
	check("poll_oneoff", "iiii:i", ops(sleep, i32(0), i32(100), i32(1), i32(200)), wasiOK,
		unless(load(200), i32(1), ne, eqz), unless(load(100), i32(7), ne, eqz))
	// One to a descriptor beside it is answered at once, with an error.
	check("poll_oneoff", "iiii:i", ops(sleep, store(56, 1), i32(0), i32(100), i32(2), i32(200)), wasiOK,
		unless(load(200), i32(1), ne, eqz), unless(load(108), i32(wasiBadFile|1<<16), ne, eqz))
	check("poll_oneoff", "iiii:i", ops(i32(0), i32(100), i32(0), i32(200)), wasiInvalid)
}
