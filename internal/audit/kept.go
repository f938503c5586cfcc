package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Kept are checkpoints that were kept elsewhere than beside the log, verified.
type Kept struct {
	name        string
	checkpoints []placed
	wrong       []Finding
	foreign     int64  // of other logs
	origin      string // of the last of those
	fragments   []int  // lines at which something begins that is no checkpoint
}

// ReadKept reads a file of checkpoints: any number of them, one behind the other, with or without empty lines between. name is how it is called in
// reports. Those of other logs are counted and left out. What was cut off, as by a full disk or a crash, is passed over, and the report remarks it.
func ReadKept(name string, r io.Reader, keys Keys) (*Kept, error) {
	k := &Kept{name: name}
	for p, err := range pieces(r) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		k.add(p, keys)
	}
	return k, nil
}

func (k *Kept) add(p piece, keys Keys) {
	at := place{k.name, p.line}
	c, err := openCheckpoint(p.text, keys)
	told, _ := Unverified(p.text) // not verified: for people
	switch {
	case err == nil:
		k.checkpoints = append(k.checkpoints, placed{c, at})
	case errors.Is(err, ErrOtherLog):
		k.foreign++
		k.origin = told.Origin
	case errors.Is(err, ErrCheckpoint), isTorn(p.text):
		k.fragments = append(k.fragments, p.line)
	default:
		k.wrong = append(k.wrong, Finding{
			Kind: CheckpointForged, Checkpoint: &Told{Size: told.Size, Time: told.Time, Where: at.String()},
			Text: fmt.Sprintf("the kept checkpoint in %s: %s", at, reason(err)),
		})
	}
}

// Len returns how many checkpoints of this log there are, whose signatures hold.
func (k *Kept) Len() int { return len(k.checkpoints) }

// Has tells whether a checkpoint is one of these.
func (k *Kept) Has(c Checkpoint) bool {
	return slices.ContainsFunc(k.checkpoints, func(p placed) bool { return p.Checkpoint == c })
}

// Covering returns the smallest checkpoint in a file of kept ones that covers a leaf, signed, and "" if there is none.
func Covering(r io.Reader, keys Keys, seq int64) (string, error) {
	return pick(r, keys, func(c, best Checkpoint) bool { return c.Size > seq && (best.Size == 0 || c.Size < best.Size) })
}

// Newest returns the checkpoint of most leaves in a file of kept ones, signed, and "" if there is none.
func Newest(r io.Reader, keys Keys) (string, error) {
	return pick(r, keys, func(c, best Checkpoint) bool { return c.Size >= best.Size })
}

// pick returns the best of the checkpoints whose signatures hold.
func pick(r io.Reader, keys Keys, better func(c, best Checkpoint) bool) (signed string, err error) {
	var best Checkpoint
	for p, err := range pieces(r) {
		if err != nil {
			return "", err
		}
		if c, err := openCheckpoint(p.text, keys); err == nil && better(c, best) {
			signed, best = p.text, c
		}
	}
	return signed, nil
}

// isTorn tells whether the last signature is too short for one: its line was cut off.
func isTorn(signed string) bool {
	encoded := strings.TrimSuffix(signed[strings.LastIndexByte(signed, ' ')+1:], "\n")
	signature, err := base64.StdEncoding.DecodeString(encoded)
	return err != nil || len(signature) < 4+ed25519.SignatureSize
}

// noteText returns the part of a note that is signed, without looking at the signatures.
func noteText(signed string) string {
	if i := strings.LastIndex(signed, "\n\n"); i >= 0 {
		return signed[:i+1]
	}
	return ""
}
