package executor

import (
	"os"
	"strings"
	"testing"
)

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		keep       int
		written    int64
		want       string
	}{
		{"short enough", "0123456789", 10, 10, "0123456789"},
		{"one byte too long", "0123456789a", 10, 11, "01234\n[sidegate: 1 bytes left out]\n6789a"},
		{"an odd number is kept", "0123456789", 5, 10, "012\n[sidegate: 5 bytes left out]\n89"},
		{"characters stay whole", "aé" + strings.Repeat("x", 9) + "éa", 4, 15, "a\n[sidegate: 13 bytes left out]\na"},
		{"more was written", "0123456789", 4, 1000, "01\n[sidegate: 996 bytes left out]\n89"},
		{"nothing", "", 4, 0, ""},
	} {
		o := OutputOf([]byte(tt.text))
		got, err := o.Shorten(tt.keep, tt.written)
		if err != nil {
			t.Fatal(err)
		}
		text, err := got.Bytes()
		if err != nil || string(text) != tt.want || got.Len() != int64(len(tt.want)) || got.Truncated() != (got != o) {
			t.Errorf("%s: %q, %v, truncated %v", tt.name, text, err, got.Truncated())
		}
	}
	if got, err := (*Output)(nil).Shorten(1, 0); got != nil || err != nil {
		t.Errorf("nothing became %v, %v", got, err)
	}
}

// What is in a file is read from there, and need not be there afterwards.
func TestShortenLongOutput(t *testing.T) {
	t.Parallel()
	r := newRecording(1<<20, 10, func(b []byte) (*spool, error) { return newSpool(t.TempDir(), 1<<20, -1, b) }, func(err error) { t.Error(err) })
	r.write([]byte("begin" + strings.Repeat("-", 1000) + "end"))
	r.end()
	o := r.output()
	r.release()
	got, err := o.Shorten(8, 1008)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if text, err := got.Bytes(); err != nil || string(text) != "begi\n[sidegate: 1000 bytes left out]\n-end" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := o.Shorten(8, 1008); err == nil || !strings.Contains(err.Error(), os.ErrClosed.Error()) {
		t.Errorf("of a closed one: %v", err)
	}
}
