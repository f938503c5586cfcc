package guest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	sealName     = "seal"
	maxEntries   = 64         // modules in a cache directory; those used longest ago go first
	leftoverName = ".making-" // begins the names of entries in the making
	leftoverAge  = time.Hour  // after which one in the making is taken for abandoned
)

// A cacheEntry is the directory with the native code of one module, below the cache directory.
//
// wazero names its files by the module, the engine's version and the processor, and checks of what it
// reads only the code, by a CRC: offsets into that code are believed. So each entry has a seal here,
// the SHA-256 of every file in it, and one that does not match is made anew. That holds against
// disks and crashes. Against another user only the mode of the directory does, which is checked; who can
// write as this user needs no plugin to run code.
type cacheEntry struct {
	path  string // where wazero reads and writes now
	final string // where a new entry belongs; "" for one that exists
}

// openCache gives the entry for a module, sealed or new.
func openCache(dir string, binary []byte) (*cacheEntry, error) {
	if err := private(dir); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(binary)
	final := filepath.Join(dir, hex.EncodeToString(sum[:]))
	if sealed(final) {
		now := time.Now()
		_ = os.Chtimes(final, now, now) // only decides which entry goes first
		return &cacheEntry{path: final}, nil
	}
	if err := os.RemoveAll(final); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	prune(dir)
	making, err := os.MkdirTemp(dir, leftoverName)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &cacheEntry{path: making, final: final}, nil
}

// commit seals a new entry and puts it in its place. If another process was faster, its entry stays.
func (e *cacheEntry) commit() error {
	if e.final == "" {
		return nil
	}
	if err := writeSeal(e.path); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := os.Rename(e.path, e.final); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// abandon removes an entry that was not committed.
func (e *cacheEntry) abandon() {
	if e.final != "" {
		_ = os.RemoveAll(e.path) // gone after a commit; prune removes what stays
	}
}

// private creates dir, or checks that it is a directory that only this user can write to and read.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("cache: %s is not a directory", dir)
	case !ok || int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("cache: %s belongs to another user", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("cache: %s holds native code, and has mode %04o: want 0700", dir, info.Mode().Perm())
	}
	return nil
}

// sealed reports whether the entry exists and is what was sealed.
func sealed(entry string) bool {
	want, err := os.ReadFile(filepath.Join(entry, sealName))
	if err != nil {
		return false
	}
	got, err := digests(entry)
	return err == nil && got == string(want)
}

func writeSeal(entry string) error {
	text, err := digests(entry)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(entry, sealName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// digests lists the files of an entry, but for its seal, with their SHA-256, in the order of their names.
// Anything in it that is not a regular file or directory is an error.
func digests(entry string) (string, error) {
	var list strings.Builder
	err := filepath.WalkDir(entry, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(entry, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() || name == sealName:
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", path)
		}
		sum, err := fileDigest(path)
		fmt.Fprintf(&list, "%x %s\n", sum, name)
		return err
	})
	return list.String(), err
}

func fileDigest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// prune removes entries beyond the number that is kept, and what a crash has left in the making. What it
// cannot remove stays: the cache works without that.
func prune(dir string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var entries []fs.FileInfo
	for _, d := range list {
		info, err := d.Info()
		if err != nil {
			continue
		}
		switch {
		case strings.HasPrefix(d.Name(), leftoverName):
			if time.Since(info.ModTime()) > leftoverAge {
				_ = os.RemoveAll(filepath.Join(dir, d.Name()))
			}
		case len(d.Name()) == 2*sha256.Size:
			entries = append(entries, info)
		}
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, old := range entries[min(len(entries), maxEntries-1):] {
		_ = os.RemoveAll(filepath.Join(dir, old.Name()))
	}
}
