package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Bounds of what is read, far above any sensible policy.
const (
	maxSourceBytes = 256 << 20
	maxSourceFiles = 20_000
	maxSourceDepth = 32
)

const manifestName = ".manifest"

// source is what one configured path held when it was read.
type source struct {
	path  string
	trust *trust // while it is read
	isDir bool
	files []sourceFile // of a directory, by name; of a bundle, the bundle itself
}

type sourceFile struct {
	name    string // relative, with slashes
	path    string // where it was read
	content []byte
}

var errUnsteady = errors.New("the policy files keep changing while they are read")

// readSources reads every path, twice, until both readings agree: a set of
// files that is being replaced one by one must not be taken for a policy. What
// others could change is an error, unless anyOwner is set.
func readSources(paths []string, anyOwner bool) ([]source, [sha256.Size]byte, error) {
	var before [sha256.Size]byte
	for range 6 {
		var t *trust
		if !anyOwner {
			t = newTrust()
		}
		sources, err := readOnce(paths, t)
		if err != nil {
			return nil, before, err
		}
		now := fingerprint(sources)
		if now == before {
			return sources, now, nil
		}
		before = now
	}
	return nil, before, errUnsteady
}

func readOnce(paths []string, t *trust) ([]source, error) {
	left := &budget{bytes: maxSourceBytes, files: maxSourceFiles}
	sources := make([]source, 0, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if err := t.path(path); err != nil {
			return nil, err
		}
		s := source{path: path, trust: t, isDir: info.IsDir()}
		if s.isDir {
			err = s.readDir(left, "", nil)
			slices.SortFunc(s.files, func(a, b sourceFile) int { return strings.Compare(a.name, b.name) })
		} else {
			err = s.readFile(left, filepath.Base(path), path)
		}
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	return sources, nil
}

// readDir adds what lies below the directory name, following symbolic links:
// in a mounted ConfigMap everything is one. above holds the directories around
// it, by identity, so that a link to one of them is found out.
func (s *source) readDir(left *budget, name string, above []os.FileInfo) error {
	dir := filepath.Join(s.path, filepath.FromSlash(name))
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if len(above) >= maxSourceDepth || slices.ContainsFunc(above, func(a os.FileInfo) bool { return os.SameFile(a, info) }) {
		return fmt.Errorf("%s: nested too deeply, or a link to a directory around it", dir)
	}
	if err := s.trust.directory(dir, info, true); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	above = append(slices.Clone(above), info)
	for _, entry := range entries {
		child := strings.TrimPrefix(name+"/"+entry.Name(), "/")
		if !wanted(child) {
			continue
		}
		if err := s.readEntry(left, child, entry.Type()&os.ModeSymlink != 0, above); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) readEntry(left *budget, name string, isLink bool, above []os.FileInfo) error {
	path := filepath.Join(s.path, filepath.FromSlash(name))
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		// A dangling link of an editor, or gone since the listing.
		return nil
	case err != nil:
		return err
	case !info.IsDir() && !isPolicyFile(name):
		return nil
	case isLink:
		if err := s.trust.path(path); err != nil {
			return err
		}
	}
	if info.IsDir() {
		return s.readDir(left, name, above)
	}
	return s.readFile(left, name, path)
}

// wanted leaves out hidden files and directories, except for the manifest.
func wanted(name string) bool {
	return name == manifestName || !strings.HasPrefix(filepath.Base(name), ".")
}

// isPolicyFile says what of a directory is policy: rules and data, no tests.
func isPolicyFile(name string) bool {
	switch filepath.Ext(name) {
	case ".rego":
		return !isTest(name)
	case ".json", ".yaml", ".yml":
		return true
	}
	return name == manifestName
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.rego") }

func (s *source) readFile(left *budget, name, path string) error {
	// Not blocking, so that a pipe in the way is an error and not a hang.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	if err := s.trust.file(path, info); err != nil {
		return err
	}
	content, err := io.ReadAll(io.LimitReader(f, left.bytes+1))
	if err != nil {
		return err
	}
	if !left.take(int64(len(content))) {
		return fmt.Errorf("%s: the policy is larger than %d bytes or %d files", path, maxSourceBytes, maxSourceFiles)
	}
	s.files = append(s.files, sourceFile{name: name, path: path, content: content})
	return nil
}

type budget struct {
	bytes int64
	files int
}

func (b *budget) take(n int64) bool {
	b.bytes -= n
	b.files--
	return b.bytes >= 0 && b.files >= 0
}

// fingerprint is the SHA-256 of all names and contents, each preceded by its
// length. Where the files lie on disk does not matter.
func fingerprint(sources []source) [sha256.Size]byte {
	var b bytes.Buffer
	part := func(p []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint64(len(p)))
		b.Write(p)
	}
	for _, s := range sources {
		part(binary.BigEndian.AppendUint64(nil, uint64(len(s.files))))
		for _, f := range s.files {
			sum := sha256.Sum256(f.content)
			part([]byte(f.name))
			part(sum[:])
		}
	}
	return sha256.Sum256(b.Bytes())
}
