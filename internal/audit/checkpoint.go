package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is SHA-256, of a leaf or of a node of the tree. Its text is base64.
type Hash = tlog.Hash

// A Checkpoint says what the log was at one time: so many leaves, and the root of their tree.
type Checkpoint struct {
	Origin string // which log; also the name of the key
	Size   int64  // leaves that it covers: those before leaf Size; at least 1
	Root   Hash
	Time   time.Time // UTC, in microseconds
}

// maxSize bounds the size of a tree that is read: the arithmetic of package tlog ends somewhere below 1<<62.
const maxSize = 1 << 48

const timeExtension = "time "

// text returns what is signed.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n" + timeExtension + stamp(c.Time).String() + "\n"
}

// What a checkpoint is refused for.
var (
	// ErrCheckpoint says that the text is not a checkpoint, or is written in another way than it was signed.
	ErrCheckpoint = errors.New("not a checkpoint")
	// ErrSignature says that a known key did not make the signature: the checkpoint was changed or forged.
	ErrSignature = errors.New("the signature does not hold")
	// ErrOtherLog says that the checkpoint is of a log whose key is not known.
	ErrOtherLog = errors.New("of another log")
	// ErrUnknownKey says that the checkpoint claims to be of a known log and is signed with another key.
	ErrUnknownKey = errors.New("signed with an unknown key")
)

// parseCheckpoint reads the text of a checkpoint. It takes nothing that text does not write.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return Checkpoint{}, fmt.Errorf("%w: it must have four lines: log, size, root and time", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0]}
	if !isOrigin(c.Origin) {
		return Checkpoint{}, fmt.Errorf("%w: the name of the log must be text without spaces and plus signs", ErrCheckpoint)
	}
	var err error
	c.Size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || c.Size < 1 || c.Size > maxSize || strconv.FormatInt(c.Size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: the size must be a number from 1 to %d", ErrCheckpoint, int64(maxSize))
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil || c.Root.String() != lines[2] {
		return Checkpoint{}, fmt.Errorf("%w: the root must be 32 bytes in base64", ErrCheckpoint)
	}
	at, ok := strings.CutPrefix(lines[3], timeExtension)
	if c.Time, err = parseStamp(at); err != nil || !ok {
		return Checkpoint{}, fmt.Errorf("%w: the fourth line must be a time, as in: time %s", ErrCheckpoint, stampFormat)
	}
	return c, nil
}

// openCheckpoint reads a signed checkpoint, and verifies that the log's own key signed it, which must be among keys. Signatures of others, such as
// witnesses, may stand beside it and are not looked at. It answers ErrCheckpoint, ErrSignature, ErrOtherLog or ErrUnknownKey.
func openCheckpoint(signed string, keys Keys) (Checkpoint, error) {
	n, err := note.Open([]byte(signed), keys.verifiers)
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return Checkpoint{}, keys.notOurs(unverified.Note)
	}
	if forged, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return Checkpoint{}, fmt.Errorf("%w: it is not by key %s+%08x", ErrSignature, forged.Name, forged.Hash)
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: it is not a signed note", ErrCheckpoint)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range n.Sigs {
		// Base64 has spare bits behind what it encodes. A signature with others in them says the same, but nobody wrote it.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("%w: its signature is not written as it was", ErrCheckpoint)
		}
		if i := slices.Index(keys.origins, c.Origin); s.Name == c.Origin && i >= 0 {
			c.Origin = keys.origins[i] // so that the text can be forgotten
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("%w: it is of %s and signed by %s", ErrUnknownKey, c.Origin, n.Sigs[0].Name)
}

// Unverified reads a signed checkpoint without looking at its signatures, to show it. It answers ErrCheckpoint.
func Unverified(signed string) (Checkpoint, error) { return parseCheckpoint(noteText(signed)) }

// isOrigin tells whether a name can be that of a log and its key: it is not empty, and without what separates the parts of notes and keys.
func isOrigin(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for _, r := range name {
		if r <= ' ' || r >= 0x7f || r == '+' {
			return false
		}
	}
	return true
}
