package authoring

import (
	"bytes"
	"testing"
)

// Both texts can be read off a diff of them.
func FuzzDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc\nd")
	f.Add("", "x")
	f.Add("same\nsame\n", "same\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if len(before) > 4096 || len(after) > 4096 {
			return
		}
		var one, other bytes.Buffer
		for _, e := range editsBetween(splitLines([]byte(before)), splitLines([]byte(after))) {
			if e.kind != '+' {
				one.Write(e.line)
			}
			if e.kind != '-' {
				other.Write(e.line)
			}
		}
		if one.String() != before || other.String() != after {
			t.Errorf("%q and %q became %q and %q", before, after, &one, &other)
		}
		if diff := Diff("x", []byte(before), []byte(after)); (len(diff) == 0) != (before == after) {
			t.Errorf("diff of %q and %q: %q", before, after, diff)
		}
	})
}

// A signatures file says at most who claims to have signed.
func FuzzReadSignature(f *testing.F) {
	f.Add([]byte(`{"signatures": ["eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.eyJmaWxlcyI6W3t9XX0.c2ln"]}`))
	f.Add([]byte(`{"signatures": ["a.b.c", "d"]}`))
	f.Add([]byte(`{"signatures": null}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := readSignature(file)
		if (s == nil) != (err != nil || file == nil) || s != nil && s.Verified {
			t.Errorf("signature %+v, error %v", s, err)
		}
	})
}
