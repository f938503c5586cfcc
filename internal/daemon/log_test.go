package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/config"
)

// hostile are texts that would forge lines, hide some, or control a terminal.
var hostile = []string{
	"a\nlevel=ERROR msg=forged", "a\r\n<0>forged", "\x1b[2J\x1b[31mred", "\x9b31m", "\u009b31m", "\u202eevil", "\x07\x08\x00\x7f", "a\u2028b\u0085c", "\xff\xfe", "\U000e0001", "<3>x", `"} {"`,
	strings.Repeat("long ", 20_000),
}

// logged is what a log of a form writes for something.
func logged(t *testing.T, form string, to Output, say func(*slog.Logger)) string {
	t.Helper()
	var b bytes.Buffer
	to.Writer = &b
	say(NewLog(config.Telemetry{LogFormat: form, LogLevel: "debug"}, to))
	return b.String()
}

// TestLogIsNotForged: whatever is in a value, a message or a key, an entry is one line without anything that a terminal obeys, and machines read what it was.
func TestLogIsNotForged(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"text", "json", "journald"} {
		for _, h := range hostile {
			got := logged(t, form, Output{}, func(l *slog.Logger) {
				l.With("with", h).WithGroup("g").Error("refused", "value", h, "error", errors.New(h), "list", []string{h}, slog.Group("in", "value", h))
				l.Info(h, h, h)
			})
			if n := strings.Count(got, "\n"); n != 2 || !strings.HasSuffix(got, "\n") {
				t.Errorf("%s: %.40q is %d lines:\n%.500s", form, h, n, got)
			}
			for _, r := range got {
				if r != '\n' && !strconv.IsPrint(r) {
					t.Errorf("%s: %.40q leaves %q", form, h, r)
					break
				}
			}
			if form == "text" {
				continue
			}
			for line := range strings.Lines(got) {
				if form == "journald" {
					if !regexp.MustCompile(`^<[36]>\{`).MatchString(line) {
						t.Errorf("got %.100s", line)
					}
					line = line[3:]
				}
				var entry map[string]any
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatalf("%v in %.200s", err, line)
				}
				if len(line) > 5*(maxValue*3) {
					t.Errorf("a line of %d bytes", len(line))
				}
				want := strings.ToValidUTF8(h, "\uFFFD")
				if v, ok := entry["with"]; ok && len(h) < maxValue && v != want && utf8Same(h) {
					t.Errorf("%q became %q", want, v)
				}
			}
		}
	}
}

// utf8Same tells whether JSON can hold a text as it is.
func utf8Same(s string) bool { return s == strings.ToValidUTF8(s, "") }

func TestLogForms(t *testing.T) {
	t.Parallel()
	say := func(l *slog.Logger) {
		l.Warn("job ended", "job", "0198", "took", 1500*time.Millisecond, "empty", "", "words", "a b", "n", 3, slog.Attr{}, "at", time.Unix(0, 0).UTC())
	}
	for _, test := range []struct {
		name, form string
		to         Output
		want       string
	}{
		{"terminal", "auto", Output{Terminal: true}, `^\d\d:\d\d:\d\d\.\d{3} WARN  job ended                    job=0198 took=1\.5s empty="" words="a b" n=3 at=1970-01-01T00:00:00Z\n$`},
		{"colour", "auto", Output{Terminal: true, Colour: true}, "^\\d\\d:\\d\\d:\\d\\d\\.\\d{3} \x1b\\[33mWARN \x1b\\[0m job ended +job=0198 "},
		{"text in a file", "text", Output{}, `^\d\d:\d\d:\d\d\.\d{3} WARN  job ended `},
		{"file", "auto", Output{}, `^\{"time":"[^"]+","level":"WARN","msg":"job ended","event":"job.ended","job":"0198","took":"1.5s","empty":"","words":"a b","n":3,"at":"1970-01-01T00:00:00Z"\}\n$`},
		{"journal", "auto", Output{Journal: true}, `^<4>\{"level":"WARN","msg":"job ended","event":"job.ended","job":"0198","took":"1.5s","empty":"","words":"a b","n":3,"at":"1970-01-01T00:00:00Z"\}\n$`},
		{"json in the journal", "json", Output{Journal: true}, `^\{"time":`},
		{"journald elsewhere", "journald", Output{}, `^<4>\{"level"`},
	} {
		if got := logged(t, test.form, test.to, say); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
	if got := logged(t, "json", Output{}, func(l *slog.Logger) { l.Debug("what nobody listed") }); !strings.Contains(got, `"event":"other"`) {
		t.Errorf("got %s", got)
	}
}

func TestLogLevelChanges(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := NewLog(config.Telemetry{LogFormat: "json", LogLevel: "warn"}, Output{Writer: &b})
	part := log.With("part", "x")
	part.Info("serving")
	setLevel(log, config.Telemetry{LogLevel: "debug"})
	part.Debug("serving")
	setLevel(log, config.Telemetry{LogLevel: "error"})
	part.Warn("serving")
	if n := strings.Count(b.String(), "\n"); n != 1 || !strings.Contains(b.String(), "DEBUG") {
		t.Errorf("got %s", b.String())
	}
	setLevel(slog.New(slog.DiscardHandler), config.Telemetry{LogLevel: "error"})
}

// TestOutputOf: the journal is recognized by the file, not by the variable alone.
func TestOutputOf(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{"": false, "1:2": false, "x": false, fmt.Sprintf("%d:%d", st.Dev, st.Ino): true} {
		t.Setenv("JOURNAL_STREAM", stream)
		if o := OutputOf(f); o.Journal != want || o.Terminal || o.Colour {
			t.Errorf("%q: got %+v", stream, o)
		}
	}
}

// TestEveryMessageHasAnEvent reads the source of the program: each message that it logs has a key, and each key a message.
func TestEveryMessageHasAnEvent(t *testing.T) {
	t.Parallel()
	unused := maps.Clone(events)
	maps.Copy(unused, begun)
	for _, state := range []string{"delivered", "retry", "dead"} { // "callback " + state
		delete(unused, "callback "+state)
	}
	found := 0
	for _, dir := range []string{"../../cmd", "../../gateway", "../../internal", "../../policy", "../../wasm", "../../executor"} {
		err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "trial" || entry.Name() == "templates") {
				return fs.SkipDir
			}
			if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				message, ok := loggedMessage(n)
				if !ok {
					return true
				}
				found++
				delete(unused, message)
				if strings.HasSuffix(message, " ") || strings.HasSuffix(message, ": ") {
					for beginning := range begun {
						if strings.HasPrefix(message, beginning) {
							delete(unused, beginning)
							return true
						}
					}
					if message == "callback " {
						return true
					}
				}
				if eventOf(message) == otherEvent {
					t.Errorf("%s logs %q, which has no key in internal/daemon/events.go", name, message)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 80 {
		t.Errorf("only %d messages were found", found)
	}
	for _, gone := range []string{"cannot read who callbacks are due for", "cannot read the callbacks that are due", "checkpoint of the audit log"} { // passed on as arguments
		delete(unused, gone)
	}
	for _, message := range slices.Sorted(maps.Keys(unused)) {
		t.Errorf("events.go has %q, which nothing logs", message)
	}
	for message, key := range events {
		if !regexp.MustCompile(`^[a-z]+\.[a-z_]+$`).MatchString(key) {
			t.Errorf("%q has the key %q", message, key)
		}
	}
}

// loggedMessage returns the message of a call of a logger, or its beginning, where it stands in the source.
func loggedMessage(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	of := ""
	switch x := method.X.(type) {
	case *ast.Ident:
		of = x.Name
	case *ast.SelectorExpr:
		of = x.Sel.Name
	}
	if of = strings.ToLower(of); of != "log" && of != "logger" {
		return "", false
	}
	at := map[string]int{"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "LogAttrs": 2, "Log": 2, "InfoContext": 1, "DebugContext": 1}
	i, ok := at[method.Sel.Name]
	if !ok || i >= len(call.Args) {
		return "", false
	}
	message := call.Args[i]
	if sum, ok := message.(*ast.BinaryExpr); ok {
		message = sum.X
	}
	literal, ok := message.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}
