package field_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/wasm/field"
)

const document = ` {"command": "git status", "argv": null, "env": {"LANG":"C" , "A/B" : 1.50, "m~n": [], "":true},
	"argv2": ["a", "b" , {"c": -0e+0}], "caf\u00e9": "\u0041\/", "\ud83d\ude00": {}, "n":123456789012345678901234567890 }
`

func TestGet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path, want string
		err        error
	}{
		{"", strings.TrimSpace(document), nil},
		{"/command", `"git status"`, nil},
		{"/argv", "null", nil},
		{"/env/LANG", `"C"`, nil},
		{"/env/A~1B", "1.50", nil},
		{"/env/m~0n", "[]", nil},
		{"/env/", "true", nil},
		{"/argv2/0", `"a"`, nil},
		{"/argv2/2/c", "-0e+0", nil},
		{"/café", `"\u0041\/"`, nil},
		{"/\U0001F600", "{}", nil},
		{"/n", "123456789012345678901234567890", nil},

		{"/", "", field.ErrNotFound},
		{"/nothing", "", field.ErrNotFound},
		{"/Command", "", field.ErrNotFound},
		{"/command/0", "", field.ErrNotFound},
		{"/argv/x", "", field.ErrNotFound},
		{"/argv2/3", "", field.ErrNotFound},
		{"/argv2/-", "", field.ErrNotFound},
		{"/argv2/-1", "", field.ErrNotFound},
		{"/argv2/00", "", field.ErrNotFound},
		{"/argv2/01", "", field.ErrNotFound},
		{"/argv2/+1", "", field.ErrNotFound},
		{"/argv2/1.0", "", field.ErrNotFound},
		{"/argv2/", "", field.ErrNotFound},
		{"/argv2/18446744073709551616", "", field.ErrNotFound}, // 2^64 is not 0
		{"/argv2/4294967296", "", field.ErrNotFound},
		{"/caf\\u00e9", "", field.ErrNotFound},
		{"/env/A/B", "", field.ErrNotFound},

		{"command", "", field.ErrPath},
		{"#/command", "", field.ErrPath},
		{"/~", "", field.ErrPath},
		{"/~2", "", field.ErrPath},
		{"/env~/A", "", field.ErrPath},
		{"/a~01~", "", field.ErrPath},
		{"/\xff", "", field.ErrPath},
	} {
		got, err := field.Get([]byte(document), test.path)
		if string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("Get(%q) = %s, %v; want %s, %v", test.path, got, err, test.want, test.err)
		}
	}
}

// TestGetCannotReachBeyond appends to what Get returned: the document must stay as it was.
func TestGetCannotReachBeyond(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"a":1,"b":2}`)
	got, err := field.Get(doc, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if _ = append(got, "00"...); string(doc) != `{"a":1,"b":2}` {
		t.Errorf("the document became %s", doc)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		doc, path, value string
		want             string
		err              error
	}{
		{`{"a":1, "b" : 2}`, "/a", `{"x":[]}`, `{"a":{"x":[]}, "b" : 2}`, nil},
		{`{"a":1, "b" : 2}`, "/b", " \n3\t", `{"a":1, "b" : 3}`, nil},
		{`{"a":1}`, "", "2", "2", nil},
		{" [] ", "", "null", " null ", nil},
		{`{"\u0061":1}`, "/a", "2", `{"\u0061":2}`, nil},
		{`[1,2,3]`, "/1", "20", `[1,20,3]`, nil},
		{`{"a":{"b":[0]}}`, "/a/b/0", `"x"`, `{"a":{"b":["x"]}}`, nil},

		// What is missing is added to what is there.
		{`{}`, "/a", "1", `{"a":1}`, nil},
		{`{ }`, "/a", "1", `{ "a":1}`, nil},
		{`{"a":1 }`, "/b", "2", `{"a":1 ,"b":2}`, nil},
		{`{"e":{}}`, "/e/A~1B~01", "1", `{"e":{"A/B~1":1}}`, nil},
		{`{}`, "/", "1", `{"":1}`, nil},
		{`{}`, "/-", "1", `{"-":1}`, nil},
		{`{}`, "/\"\\\n\U0001F600é", "1", `{"\"\\\n` + "\U0001F600é" + `":1}`, nil},
		{`[]`, "/-", "1", `[1]`, nil},
		{`[1]`, "/-", "[2]", `[1,[2]]`, nil},
		{`{"a":[[ ]]}`, "/a/0/-", "0", `{"a":[[ 0]]}`, nil},
		{`{}`, "/a/b", "1", "", field.ErrNotFound},
		{`{"a":1}`, "/a/b", "1", "", field.ErrNotFound},
		{`{"a":null}`, "/a/b", "1", "", field.ErrNotFound},
		{`[1]`, "/1", "2", "", field.ErrNotFound},
		{`[1]`, "/-/0", "2", "", field.ErrNotFound},
		{`[1]`, "/x", "2", "", field.ErrNotFound},
		{`[1]`, "/00", "2", "", field.ErrNotFound},

		// An empty value removes.
		{`{"a":1}`, "/a", "", `{}`, nil},
		{`{ "a" : 1 }`, "/a", "", `{  }`, nil},
		{`{"a":1,"b":2,"c":3}`, "/a", "", `{"b":2,"c":3}`, nil},
		{`{"a":1 , "b":2,"c":3}`, "/b", "", `{"a":1 ,"c":3}`, nil},
		{`{"a":1,"b":2,"c":3}`, "/c", "", `{"a":1,"b":2}`, nil},
		{`[1]`, "/0", "", `[]`, nil},
		{`[1,2]`, "/0", "", `[2]`, nil},
		{`[1,2]`, "/1", "", `[1]`, nil},
		{`[1]`, "/1", "", "", field.ErrNotFound},
		{`[1]`, "/-", "", "", field.ErrNotFound},
		{`{}`, "/a", "", "", field.ErrNotFound},
		{`{}`, "", "", "", field.ErrPath},

		// The path is looked at first, then the document, then the value.
		{`{`, "a", "x", "", field.ErrPath},
		{`{`, "/a", "1", "", field.ErrJSON},
		{`{}`, "/a/b", "x", "", field.ErrJSON},
	} {
		got, err := field.Set([]byte(test.doc), test.path, []byte(test.value))
		if string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("Set(%s, %q, %q) = %s, %v; want %s, %v", test.doc, test.path, test.value, got, err, test.want, test.err)
		}
	}
}

func TestAppendSet(t *testing.T) {
	t.Parallel()
	prefix := []byte("before")
	got, err := field.AppendSet(prefix, []byte(`{"a":1}`), "/a", []byte("2"))
	if string(got) != `before{"a":2}` || err != nil {
		t.Errorf("AppendSet = %s, %v", got, err)
	}
	for path, value := range map[string]string{"a": "1", "/a": "x", "/a/b": "1", "/b": "", "": ""} {
		if got, err := field.AppendSet(prefix, []byte(`{"a":1}`), path, []byte(value)); string(got) != "before" || err == nil {
			t.Errorf("AppendSet(%q, %q) = %q, %v; want what was there before, and an error", path, value, got, err)
		}
	}
}

// hostile are texts that are not one JSON value that every reader reads alike.
var hostile = []string{
	"", " ", "{", "[", "}", "]", `"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `[1`, `[1,`, `[[]`,
	"{,}", "[,]", "[1,]", "[1 2]", `{"a":1,}`, `{"a":1 "b":2}`, `{"a" 1}`, "{a:1}", "{'a':1}", `{1:1}`, `{"a":1]`, `[1}`,
	"1 2", "{}{}", "{} x", "{}\x00", "\xef\xbb\xbf{}", "\v{}", "{}\u00a0", "// x\n1", "[1/**/]",
	"True", "nul", "nulll", "tru", "falsy", "NaN", "Infinity", "undefined", "-",
	"01", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x10", "1_000", "- 1", "--1", "1e1.5",
	"\"\n\"", "\"\t\"", "\"\x00\"", "\"\x1f1234567\"", "\"1234567\x1f\"", `"\x41"`, `"\'"`, `"\`, `"\"`, `"\u`, `"\u12"`, `"\u12G4"`, `"\U00000041"`,
	`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud800\u0041"`, `"\ud800x"`, `"\ud800\n12345"`, `"\ud83d`, `"\ud83d\`, `"\ud83d\ude0"`,
	"\"\xff\"", "\"\xc3\"", "\"\xc3\x28\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc0\xaf\"", "\"1234567\xff\"",
	`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"\/":1,"/":2}`, `{"\ud83d\ude00":1,"` + "\U0001F600" + `":2}`,
	`[{"x":{"":1,"":2}}]`, manyMembers(300, 17), strings.Repeat("[", 100_000), strings.Repeat(`{"":`, 100_000),
}

// manyMembers returns an object in which the name number again stands twice.
func manyMembers(n, again int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%d":0`, i)
	}
	return "{" + b.String()[1:] + fmt.Sprintf(`,"\u%04x%s":0}`, fmt.Sprint(again)[0], fmt.Sprint(again)[1:])
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		short := text[:min(len(text), 40)]
		for _, path := range []string{"", "/a", "/0", "/a/b"} {
			if got, err := field.Get([]byte(text), path); !errors.Is(err, field.ErrJSON) || got != nil {
				t.Errorf("Get(%q, %q) = %q, %v; want ErrJSON", short, path, got, err)
			}
			if got, err := field.Set([]byte(text), path, []byte("1")); !errors.Is(err, field.ErrJSON) || got != nil {
				t.Errorf("Set(%q, %q, 1) = %q, %v; want ErrJSON", short, path, got, err)
			}
		}
		if text == "" {
			continue // removes
		}
		if got, err := field.Set([]byte(`{"a":1}`), "/a", []byte(text)); !errors.Is(err, field.ErrJSON) || got != nil {
			t.Errorf("Set(…, %q) = %q, %v; want ErrJSON", short, got, err)
		}
	}
}

// TestDepth puts values as deep as may be into documents as deep as may be.
func TestDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	for _, test := range []struct {
		outer, inner int
		err          error
	}{
		{1, field.MaxDepth - 1, nil}, {1, field.MaxDepth, field.ErrJSON}, {field.MaxDepth, 0, nil}, {field.MaxDepth, 1, field.ErrJSON}, {field.MaxDepth + 1, 0, field.ErrJSON},
	} {
		value := nested(test.inner)
		if test.inner == 0 {
			value = []byte("0")
		}
		got, err := field.Set(nested(test.outer), strings.Repeat("/0", test.outer-1)+"/-", value)
		if !errors.Is(err, test.err) {
			t.Errorf("%d in %d: %v, want %v", test.inner, test.outer, err, test.err)
		}
		if err != nil {
			continue
		}
		if _, err := field.Get(got, ""); err != nil {
			t.Errorf("%d in %d cannot be read again: %v", test.inner, test.outer, err)
		}
	}
}

func TestManyMembers(t *testing.T) {
	t.Parallel()
	doc := []byte(strings.Replace(manyMembers(1000, 0), `"\u0030"`, `"\u00301000"`, 1))
	for _, path := range []string{"/0", "/999", "/01000"} {
		if got, err := field.Get(doc, path); string(got) != "0" || err != nil {
			t.Errorf("Get(%q) = %s, %v", path, got, err)
		}
	}
}

// message is a request with about 1 KiB of command.
var message = []byte(`{"command": "echo ` + strings.Repeat("lorem ipsum dolor ", 50) +
	`", "argv": null, "workdir": "/srv/app", "env": {"LANG": "C", "TOKEN": "0123456789abcdef"}, "labels": {"app": "func"}, "callback": null}`)

func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for name, call := range map[string]func() error{
		"get":     func() error { _, err := field.Get(message, "/env/TOKEN"); return err },
		"replace": func() error { _, err := field.AppendSet(buf, message, "/env/TOKEN", []byte(`""`)); return err },
		"add":     func() error { _, err := field.AppendSet(buf, message, "/labels/new", []byte("1")); return err },
		"remove":  func() error { _, err := field.AppendSet(buf, message, "/env/TOKEN", nil); return err },
		"miss": func() error {
			if _, err := field.Get(message, "/env/NO"); !errors.Is(err, field.ErrNotFound) {
				return errors.New("found")
			}
			return nil
		},
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := call(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	for b.Loop() {
		if _, err := field.Get(message, "/env/TOKEN"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendSet(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(message)))
	buf, value := make([]byte, 0, 4096), []byte(`"other"`)
	for b.Loop() {
		if _, err := field.AppendSet(buf, message, "/env/TOKEN", value); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManyMembers reads an object of 10,000 members with names that are
// alike for long: the worst that checking for duplicates has to do.
func BenchmarkManyMembers(b *testing.B) {
	var doc bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&doc, `,"%s\u0061%d":0`, strings.Repeat("x", 50), i)
	}
	doc.Bytes()[0] = '{'
	doc.WriteByte('}')
	b.SetBytes(int64(doc.Len()))
	for b.Loop() {
		if _, err := field.Get(doc.Bytes(), "/x"); !errors.Is(err, field.ErrNotFound) {
			b.Fatal(err)
		}
	}
}
