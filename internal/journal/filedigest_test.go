package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestFileDigest(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("0123456789abcde\n"), 1<<14)
	for name, c := range map[string]struct {
		pieces []int // how long the file is, as its writer goes on
		cut    int64 // what becomes of its length before the end; -1 for nothing
		want   error
	}{
		"empty":         {nil, -1, nil},
		"at once":       {[]int{len(text)}, -1, nil},
		"in pieces":     {[]int{1, 2, maxInline, maxInline + 1, len(text) - 1, len(text)}, -1, nil},
		"nothing new":   {[]int{7, 7, 8}, -1, nil},
		"cut by others": {[]int{len(text)}, 100, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := os.Create(filepath.Join(t.TempDir(), "file"))
			must(t, err)
			defer f.Close()
			d, at := digestOf(f), 0
			for _, upTo := range c.pieces {
				_, err := f.Write(text[at:upTo])
				must(t, err)
				if at = upTo; c.cut >= 0 {
					must(t, f.Truncate(c.cut))
				}
				d.grow(int64(at))
			}
			sum, err := d.end()
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want == nil && sum != sha256.Sum256(text[:at]) {
				t.Error("the digest is of something else")
			}
		})
	}
}
