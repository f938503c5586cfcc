package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The header check never panics, knows no error but ErrCorrupt, and accepts nothing but a journal's header.
func FuzzHeader(f *testing.F) {
	whole, err := os.ReadFile(makeJournal(f, f.TempDir()))
	must(f, err)
	header := whole[:headerSize]
	f.Add(header, int64(len(whole)))
	f.Add(header, int64(100))
	f.Add(header[:99], int64(4096))
	f.Add(append([]byte("SQLite format 3\x00\x00\x01"), make([]byte, 90)...), int64(65536))
	f.Add([]byte{}, int64(-1))
	f.Fuzz(func(t *testing.T, header []byte, size int64) {
		switch err := checkHeader(header, size); {
		case err == nil && (len(header) < headerSize || size < 512 || !bytes.HasPrefix(header, []byte("SQLite format 3\x00"))):
			t.Errorf("accepted %q of a file of %d bytes", header, size)
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Errorf("error %v is not ErrCorrupt", err)
		}
	})
}

// A journal that was overwritten somewhere, or cut off, is opened or refused, and when it is refused it is left alone. Whatever it still holds is read
// without a panic.
func FuzzDamagedFile(f *testing.F) {
	whole, err := os.ReadFile(makeJournal(f, f.TempDir()))
	must(f, err)
	f.Add(uint32(0), []byte("SQLite format 4"), uint32(len(whole)))
	f.Add(uint32(60), []byte{0, 0, 0, 2}, uint32(len(whole)))
	f.Add(uint32(28), []byte{0, 0, 0, 1}, uint32(len(whole)))
	f.Add(uint32(100), []byte{5, 0, 1, 0, 0}, uint32(len(whole)))
	f.Add(uint32(4096), []byte{2, 0, 0, 0, 9}, uint32(len(whole)))
	f.Add(uint32(len(whole)-8), []byte("accepted"), uint32(len(whole)))
	f.Add(uint32(0), []byte{}, uint32(3*4096))
	f.Fuzz(func(t *testing.T, offset uint32, patch []byte, length uint32) {
		b := bytes.Clone(whole)
		copy(b[int(offset)%len(b):], patch)
		b = b[:min(int(length), len(b))]
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		must(t, os.WriteFile(path, b, 0o600))
		j, err := Open(t.Context(), testConfig(dir))
		if err != nil {
			if after, readErr := os.ReadFile(path); readErr != nil || !bytes.Equal(b, after) {
				t.Errorf("refused (%v) and changed, %v", err, readErr)
			}
			return
		}
		defer j.Close()
		j.Nonces(t.Context())
		j.Running(t.Context())
		j.Waiting(t.Context())
		j.Jobs(t.Context(), Filter{})
		j.Destinations(t.Context(), "", 10)
		j.Due(t.Context(), receiver, epoch, 10)
		if err := j.Admit(t.Context(), admission("b")); err == nil {
			if job, err := j.Job(t.Context(), "b"); err != nil || job.ID != "b" {
				t.Errorf("acknowledged, and read as %+v, %v", job, err)
			}
		}
	})
}
