package executor

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFileDigest(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("0123456789abcde\n"), 1<<17)
	for name, c := range map[string]struct {
		pieces []int // how long the file is, as its writer goes on
		cut    int64 // what becomes of its length before the end; -1 for nothing
		given  bool  // up before the end
		none   bool
	}{
		"empty":         {nil, -1, false, false},
		"at once":       {[]int{len(text)}, -1, false, false},
		"in pieces":     {[]int{1, 2, digestStep, digestStep + 1, len(text) - 1, len(text)}, -1, false, false},
		"nothing new":   {[]int{7, 7, 8}, -1, false, false},
		"cut by others": {[]int{100}, 10, false, true},
		"given up":      {[]int{len(text)}, -1, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := os.Create(filepath.Join(t.TempDir(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			done := make(chan struct{})
			d, at := digestOf(f, func() { close(done) }), 0
			for _, upTo := range c.pieces {
				if _, err := f.Write(text[at:upTo]); err != nil {
					t.Fatal(err)
				}
				if at = upTo; c.cut >= 0 {
					if err := f.Truncate(c.cut); err != nil {
						t.Fatal(err)
					}
				}
				if c.given {
					d.giveUp()
				}
				d.grow(int64(at))
			}
			d.end()
			d.end()
			sum, ok := d.get()
			<-done
			if ok == c.none {
				t.Fatalf("there is a digest: %v", ok)
			}
			if ok && sum != sha256.Sum256(text[:at]) {
				t.Error("the digest is of something else")
			}
		})
	}
}

// TestOutputFile: the whole of a long output is in a file of its own, with its digest. What is short or cut has none.
func TestOutputFile(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	for name, c := range map[string]struct {
		written int
		is      bool
	}{
		"nothing": {0, false}, "short": {inMemory, false}, "long": {inMemory + 1, true}, "as long as may be": {limit, true}, "cut": {limit + 1, false}, "cut often": {5 * limit, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecording(limit, inMemory, func(b []byte) (*spool, error) { return newSpool(t.TempDir(), limit, -1, b) }, func(err error) { t.Error(err) })
			text := bytes.Repeat([]byte("0123456789abcde\n"), c.written/16+1)[:c.written]
			for rest := text; len(rest) > 0; {
				n := min(len(rest), 100<<10)
				r.write(rest[:n])
				rest = rest[n:]
			}
			r.end()
			o := r.output()
			r.release()
			file := o.File()
			sum, ok := o.SHA256()
			if (file != nil) != c.is || ok != c.is {
				t.Fatalf("a file: %v, a digest: %v", file != nil, ok)
			}
			if c.is {
				all := make([]byte, len(text)+1)
				if n, _ := file.ReadAt(all, 0); !bytes.Equal(all[:n], text) || sum != sha256.Sum256(text) {
					t.Error("the file or its digest is not that of the output")
				}
			}
			o.Close()
			if _, err := o.ReadAt(make([]byte, 1), 0); c.written > inMemory && !errors.Is(err, os.ErrClosed) {
				t.Errorf("reading what is closed: %v", err)
			}
		})
	}
}
