package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// zip packs what fill writes into an archive, after edit has changed it.
func zip(t testing.TB, fill func(w *tar.Writer) error, edit func([]byte) []byte) []byte {
	t.Helper()
	var plain, out bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := errors.Join(fill(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(&out)
	if _, err := zipped.Write(edit(plain.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asIs(b []byte) []byte { return b }

func add(w *tar.Writer, header tar.Header, content string) error {
	header.Size, header.Mode = int64(len(content)), 0o644
	if err := w.WriteHeader(&header); err != nil {
		return err
	}
	_, err := io.WriteString(w, content)
	return err
}

// holes is an archive of n files of a size each that are nothing but a hole
// and take no room, in the form GNU 1.0. A tar.Writer does not write it, so
// the keys are put in afterwards.
func holes(t testing.TB, n int, size int64) []byte {
	return zip(t, func(w *tar.Writer) error {
		for i := range n {
			name := fmt.Sprintf("d%d/data.json", i)
			noParts := "0\n" + strings.Repeat("\x00", 510)
			err := add(w, tar.Header{Name: name, Format: tar.FormatPAX, PAXRecords: map[string]string{
				"GNU_sparse.major": "1", "GNU_sparse.minor": "0", "GNU_sparse.name": name, "GNU_sparse.realsize": fmt.Sprint(size),
			}}, noParts)
			if err != nil {
				return err
			}
		}
		return nil
	}, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("GNU_sparse."), []byte("GNU.sparse.")) })
}

func files(n int, content string) func(w *tar.Writer) error {
	return func(w *tar.Writer) error {
		for i := range n {
			if err := add(w, tar.Header{Name: fmt.Sprintf("d%d/data.json", i)}, content); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestPackedBounds(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	tail := func(n int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b, make([]byte, n)...) }
	}
	for name, test := range map[string]struct {
		packed []byte
		limit  int64
		want   string // "" when it passes
	}{
		"a small one":                   {zip(t, files(3, "{}"), asIs), limit, ""},
		"exactly the limit":             {zip(t, files(1, "{}"), tail(limit-512-512-1024)), limit, ""},
		"a byte more":                   {zip(t, files(1, "{}"), tail(limit-512-512-1024+1)), limit, "unpacks to more than 1048576 bytes"},
		"many files":                    {zip(t, files(3, strings.Repeat("x", limit/3)), asIs), limit, "unpacks to more than 1048576 bytes"},
		"holes":                         {holes(t, 4, limit/3), limit, "unpacks to more than 1048576 bytes"},
		"a hole of all there is":        {holes(t, 1, 1<<62), limit, "unpacks to more than 1048576 bytes"},
		"small holes":                   {holes(t, 4, limit/5), limit, ""},
		"as many files as there may be": {zip(t, files(maxSourceFiles, ""), asIs), maxSourceBytes, ""},
		"one file too many":             {zip(t, files(maxSourceFiles+1, ""), asIs), maxSourceBytes, "holds more than 20000 files"},
		"not packed":                    {[]byte("text"), limit, ""},
		"torn":                          {zip(t, files(3, "{}"), asIs)[:60], limit, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkPacked(test.packed, test.limit)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q, got %v", test.want, err)
			}
		})
	}
}

// The archive of holes is one that OPA would unpack: otherwise it proves nothing.
func TestHolesAreFiles(t *testing.T) {
	t.Parallel()
	zipped, err := gzip.NewReader(bytes.NewReader(holes(t, 1, 12345)))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(zipped)
	header, err := r.Next()
	if err != nil || header.Typeflag != tar.TypeReg || header.Size != 12345 {
		t.Fatalf("header %+v, error %v", header, err)
	}
	if n, err := io.Copy(io.Discard, r); n != 12345 || err != nil {
		t.Errorf("%d bytes, error %v", n, err)
	}
}

// Bundles of every kind are held to the bounds: those of a server are in
// TestRemoteBundleRefused, here are files and what lies in the state directory.
func TestPackedBoundsOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"b.tar.gz": string(holes(t, 2, maxSourceBytes))})
	e, _ := open(t, Config{Paths: []string{dir + "/b.tar.gz"}})
	if err := e.Status().LastError; err == nil || !strings.Contains(err.Error(), "b.tar.gz: the bundle unpacks to more than") {
		t.Errorf("error %v", err)
	}
	if _, err := readPersisted(holes(t, 2, 6000), 10_000, nil); err == nil || !strings.Contains(err.Error(), "unpacks to more than 10000 bytes") {
		t.Errorf("error %v", err)
	}
}

// A signature that nothing could be checked by is not passed over, nor one that is broken.
func TestSignedBundleInThePaths(t *testing.T) {
	t.Parallel()
	signed := rules("1", allows("a"))
	signed.key = newKey(t)
	broken := zip(t, func(w *tar.Writer) error { return add(w, tar.Header{Name: "/.signatures.json"}, "{") }, asIs)
	for name, content := range map[string][]byte{"signed": signed.bytes(t), "broken": broken} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"b.tar.gz": string(content)})
		config := Config{Paths: []string{filepath.Join(dir, "b.tar.gz")}}
		e, _ := open(t, config)
		s := e.Status()
		if s.Ready || !errors.Is(s.LastError, ErrSigned) || !strings.Contains(s.LastError.Error(), "b.tar.gz: the bundle is signed, ") {
			t.Errorf("%s: %v", name, s.LastError)
		}
		if err := Verify(t.Context(), config); !errors.Is(err, ErrSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
