package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Keys are the public keys that a log's checkpoints may be signed with: the one in use, and those before it. The zero value knows none.
type Keys struct {
	lines     []string
	origins   []string
	verifiers note.Verifiers
}

// ErrKey says that a text is no public key of a log, or the file of a private key no such file.
var ErrKey = errors.New("not a key of an audit log")

// maxKeys bounds how many keys one log may have had.
const maxKeys = 100

// ParseKeys reads public keys, one a line, in the form of golang.org/x/mod/sumdb/note: name, hash and key, with plus signs between. Empty lines, and
// those that begin with #, are left out. There must be at least one key, and none twice.
func ParseKeys(text string) (Keys, error) {
	var (
		k    Keys
		list []note.Verifier
	)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := note.NewVerifier(line)
		switch {
		case strings.HasPrefix(line, privatePrefix):
			return Keys{}, fmt.Errorf("%w: this is the private key; give the public one, which stands in %s", ErrKey, PublicFile)
		case err != nil || !isOrigin(v.Name()):
			return Keys{}, fmt.Errorf("%w: a public key has the form NAME+HASH+KEY, as in %s", ErrKey, PublicFile)
		case slices.Contains(k.lines, line):
			return Keys{}, fmt.Errorf("%w: %s is there twice", ErrKey, keyName(v))
		case len(list) == maxKeys:
			return Keys{}, fmt.Errorf("%w: there are more than %d", ErrKey, maxKeys)
		}
		k.lines, k.origins, list = append(k.lines, line), append(k.origins, v.Name()), append(list, v)
	}
	if len(list) == 0 {
		return Keys{}, fmt.Errorf("%w: there is none", ErrKey)
	}
	k.verifiers = note.VerifierList(list...)
	return k, nil
}

// Lines returns the keys as ParseKeys reads them.
func (k Keys) Lines() []string { return slices.Clone(k.lines) }

// Origins returns the names of the logs, one for each key.
func (k Keys) Origins() []string { return slices.Clone(k.origins) }

// notOurs says what a note is that no known key has signed.
func (k Keys) notOurs(n *note.Note) error {
	c, err := parseCheckpoint(n.Text)
	switch {
	case err != nil:
		return err
	case slices.Contains(k.origins, c.Origin):
		return fmt.Errorf("%w: it is of %s, and by none of the keys that were given", ErrUnknownKey, c.Origin)
	}
	return fmt.Errorf("it is %w: %s", ErrOtherLog, c.Origin)
}

func keyName(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }
