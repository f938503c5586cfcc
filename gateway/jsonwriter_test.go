package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/executor"
)

// FuzzJSONWriter compares what is written in pieces with what encoding/json makes of the whole.
func FuzzJSONWriter(f *testing.F) {
	for _, seed := range []string{"", "a", "中文\n", "a\xffb", "\x00\x1b<>&\u2028", strings.Repeat("中", jsonPiece), strings.Repeat("\x80", jsonPiece+5),
		strings.Repeat("a", jsonPiece-1) + "😀" + "b", "\xe4\xb8", "\xf0\x9f\x98",
		`"""""\\\\\"`, "12345678\"1234567\\123456\n12345\x1f1234\x7f123\x80\xff\xa0\xa2\xdc", "\"\x80\x80\x803\xa2 2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got bytes.Buffer
		w := jsonWriter{w: &got}
		if err := errors.Join(w.text(executor.OutputOf(text)), w.err); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(got.Bytes(), &back); err != nil {
			t.Fatalf("%q is not JSON: %v", got.Bytes(), err)
		}
		var want string
		whole, err := json.Marshal(string(text))
		if err == nil {
			err = json.Unmarshal(whole, &want)
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsFunc(got.Bytes(), func(r rune) bool { return r < ' ' }) {
			t.Fatalf("%q has control characters in it", got.Bytes())
		}
		if back != want {
			t.Fatalf("%q comes back as %q, want %q", text, back, want)
		}
	})
}
