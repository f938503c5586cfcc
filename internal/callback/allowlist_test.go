package callback

import (
	"regexp"
	"strings"
	"testing"
)

func mustParse(t testing.TB, raw string) Destination {
	t.Helper()
	d, err := ParseDestination(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return d
}

func TestAllowlist(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern string
		allowed string // separated by spaces
		refused string
	}{
		{"http://172.17.0.1:8088/*",
			"http://172.17.0.1:8088/ http://172.17.0.1:8088/a/b?c=d http://172.17.0.1:8088//x",
			"http://172.17.0.1/ http://172.17.0.1:80/ http://172.17.0.1:80880/x http://172.17.0.1:8089/ https://172.17.0.1:8088/ " +
				"http://172.17.0.10:8088/ http://172.17.0.1.evil.example:8088/ http://172.17.0.2:8088/ http://[::ffff:172.17.0.1]:8088/"},
		{"http://h/hook",
			"http://h/hook http://H:80/hook?x http://h/%68ook",
			"http://h/hook-evil http://h/hook/ http://h/hook/x http://h/ http://h/Hook http://h/x/hook http://h/hook;x"},
		{"http://h/hook/*",
			"http://h/hook/ http://h/hook/a/b",
			"http://h/hook http://h/hook-evil http://h/hooks/a"},
		{"http://h/hook*", "http://h/hook http://h/hook-evil http://h/hook/a/b", "http://h/hoo http://h/x/hook"},
		{"http://h/*/end", "http://h/a/end http://h//end http://h/a/b/end", "http://h/end http://h/a/endx"},
		{"http://h/a*b*a", "http://h/aba http://h/abba http://h/axbyaba", "http://h/ab http://h/aa http://h/a/a http://h/aab"},
		{"http://h/a*a", "http://h/aa http://h/aba", "http://h/a http://h/ab"},
		{"http://h/**", "http://h/ http://h/x", "http://g/"},
		{"http://h", "http://h http://h/ http://h/?q", "http://h/x https://h/"},
		{"http://h/", "http://h http://h/", "http://h/x"},
		{"https://h:443/%7ea", "https://h/~a", "https://h/%257ea https://h:8443/~a"},
		{"http://[::1]:1/", "http://[0:0::1]:1/", "http://[::2]:1/ http://127.0.0.1:1/"},
		{"https://*.example.com/*",
			"https://a.example.com/ https://A.Example.com/x https://x-1.example.com/",
			"https://example.com/ https://a.b.example.com/ https://example.com.evil.test/ https://aexample.com/ https://a.example.org/ http://a.example.com/"},
	} {
		a, err := NewAllowlist([]string{tt.pattern})
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for raw := range strings.FieldsSeq(tt.allowed) {
			if !a.Allows(mustParse(t, raw)) {
				t.Errorf("%q does not allow %q", tt.pattern, raw)
			}
		}
		for raw := range strings.FieldsSeq(tt.refused) {
			// What is no destination is not allowed either.
			if d, err := ParseDestination(raw); err == nil && a.Allows(d) {
				t.Errorf("%q allows %q", tt.pattern, raw)
			}
		}
	}
}

func TestAllowlistRefusesPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ pattern, want string }{
		{"", "must begin with"}, {"*", "must begin with"}, {"h/hook", "must begin with"}, {"172.17.0.1:8088/*", "must begin with"},
		{"*://h/", "pattern 2"}, {"ftp://h/", "must begin with"}, {"http*://h/", "pattern 2"},
		{"http://h/?a=b", "must not have a query"}, {"http://h/*?", "must not have a query"},
		{"http://h/#a", "fragment"}, {"http://u@h/", "user name"}, {"http://u:p@h/*", "user name"},
		{"http://*/", `may have "*"`}, {"http://h:*/", `may have "*"`}, {"http://a.*.com/", `may have "*"`}, {"http://a*.b.com/", `may have "*"`},
		{"http://*.*.com/", `may have "*"`}, {"http://172.17.0.*/", `may have "*"`}, {"http://**.a.com/", `may have "*"`},
		{"http://*.com/", "at least two labels"}, {"http://*.0.0.1/", "four decimal"}, {"http://*.10.0.0.1/", "at least two labels"},
		{"http://*.[::1]/", "at least two labels"}, {"http://*./", "no host"},
		{"http://h:0/", "port"}, {"http://h/../*", "segments"}, {"http://h/a%2f*", "encoded slash"}, {"http://h\\*", `may have "*"`}, {"http://h/\\*", "backslash"},
		{"http://h/中*", "ASCII"}, {"http://h /", "white space"},
	} {
		a, err := NewAllowlist([]string{"http://good/*", tt.pattern})
		if err == nil || a != nil {
			t.Errorf("%q: no error", tt.pattern)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "pattern 2") {
			t.Errorf("%q: error %q, want %q", tt.pattern, err, tt.want)
		}
	}
}

func TestEmptyAllowlistAllowsNothing(t *testing.T) {
	t.Parallel()
	empty, err := NewAllowlist(nil)
	if err != nil {
		t.Fatal(err)
	}
	full, err := NewAllowlist([]string{"http://h/*"})
	if err != nil {
		t.Fatal(err)
	}
	if empty.Allows(mustParse(t, "http://h/")) || (*Allowlist)(nil).Allows(mustParse(t, "http://h/")) {
		t.Error("an empty list allows something")
	}
	if full.Allows(Destination{}) {
		t.Error("the zero destination is allowed")
	}
}

// FuzzMatch compares with a regular expression, which Go matches in linear time.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"/*", "/a"}, {"/a*b*a", "/aba"}, {"/", "/"}, {"/**a*", "/aa"}, {"/a*a", "/a"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		pieces := strings.Split(pattern, "*")
		quoted := make([]string, len(pieces))
		for i, p := range pieces {
			quoted[i] = regexp.QuoteMeta(p)
		}
		re, err := regexp.Compile(`(?s)\A` + strings.Join(quoted, `.*`) + `\z`)
		if err != nil || strings.ToValidUTF8(pattern+path, "") != pattern+path {
			t.Skip("not for regular expressions")
		}
		if got, want := match(pieces, path), re.MatchString(path); got != want {
			t.Fatalf("pattern %q, path %q: %v, want %v", pattern, path, got, want)
		}
	})
}

func BenchmarkAllows(b *testing.B) {
	a, err := NewAllowlist([]string{"http://h/" + strings.Repeat("*a", 500) + "b"})
	if err != nil {
		b.Fatal(err)
	}
	d := mustParse(b, "http://h/"+strings.Repeat("a", 2000))
	for b.Loop() {
		if a.Allows(d) {
			b.Fatal("matches")
		}
	}
}
