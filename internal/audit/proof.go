package audit

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"
)

// What a Proof proves.
const (
	Inclusion   = "inclusion"   // that a leaf is in the log
	Consistency = "consistency" // that the log went on from an older checkpoint, and nothing before that was changed
)

// A Proof is a document that somebody who has neither the log nor a line to its host can check, with the public key alone.
type Proof struct {
	Version int    `json:"v"`
	Kind    string `json:"kind"`
	// Seq and Leaf are the leaf of an inclusion: its number, and its bytes.
	Seq  int64  `json:"seq,omitzero"`
	Leaf string `json:"leaf,omitempty"`
	// Older is the older checkpoint of a consistency, signed.
	Older string `json:"older,omitempty"`
	// Hashes are what RFC 6962 calls a Merkle audit path (section 2.1.1), or a consistency proof (2.1.2).
	Hashes []Hash `json:"hashes"`
	// Checkpoint is what it is proved against, signed.
	Checkpoint string `json:"checkpoint"`
}

const (
	proofVersion = 1
	maxProof     = 64 << 20
	maxHashes    = 64 // a tree of maxSize leaves has no longer paths
)

// What a proof is refused for.
var (
	// ErrProof says that the document is no proof, or does not hold together.
	ErrProof = errors.New("not a valid proof")
	// ErrNotCovered says that no checkpoint covers the leaf yet.
	ErrNotCovered = errors.New("not covered by the checkpoint")
)

// Prove proves that leaf seq, whose bytes are leaf, is in the log, against a signed checkpoint. It answers ErrNotCovered for a leaf that came later,
// ErrProof where the stored hashes do not lead to the checkpoint's root, and what reading its checkpoint answers.
func Prove(hashes tlog.HashReader, seq int64, leaf []byte, checkpoint string, keys Keys) (Proof, error) {
	c, err := openCheckpoint(checkpoint, keys)
	if err != nil {
		return Proof{}, err
	}
	if seq < 0 || seq >= c.Size {
		return Proof{}, fmt.Errorf("leaf %d is %w of %s, which covers those before leaf %d", seq, ErrNotCovered, moment(c.Time), c.Size)
	}
	if !utf8.Valid(leaf) {
		return Proof{}, fmt.Errorf("%w: leaf %d is not text, so no gateway wrote it", ErrProof, seq)
	}
	path, err := tlog.ProveRecord(c.Size, seq, hashes)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Version: proofVersion, Kind: Inclusion, Seq: seq, Leaf: string(leaf), Hashes: path, Checkpoint: checkpoint}
	if _, err := p.Check(keys); err != nil {
		return Proof{}, fmt.Errorf("%w; the log is not what was signed: run sidegate audit verify", err)
	}
	return p, nil
}

// ProveConsistency proves that the log of the newer checkpoint went on from that of the older one.
func ProveConsistency(hashes tlog.HashReader, older, newer string, keys Keys) (Proof, error) {
	from, err := openCheckpoint(older, keys)
	if err != nil {
		return Proof{}, fmt.Errorf("the older checkpoint: %w", err)
	}
	to, err := openCheckpoint(newer, keys)
	if err != nil {
		return Proof{}, fmt.Errorf("the newer checkpoint: %w", err)
	}
	if from.Size > to.Size {
		return Proof{}, fmt.Errorf("the older checkpoint, of %s, is %w: it has %d leaves, and the newer one, of %s, %d", moment(from.Time), ErrNotCovered, from.Size, moment(to.Time), to.Size)
	}
	path, err := tlog.ProveTree(to.Size, from.Size, hashes)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Version: proofVersion, Kind: Consistency, Older: older, Hashes: path, Checkpoint: newer}
	if _, err := p.Check(keys); err != nil {
		return Proof{}, fmt.Errorf("%w; the log is not what was signed: run sidegate audit verify", err)
	}
	return p, nil
}

// Proven is what a proof says, once it has been checked.
type Proven struct {
	Checkpoint Checkpoint
	Older      Checkpoint // of a consistency
}

// Check verifies a proof with the public keys of the log and nothing else. It answers ErrProof, or what reading its checkpoint answers. What the checkpoint is
// worth is for the caller: one that was kept elsewhere, and is the same, cannot have been made afterwards.
func (p Proof) Check(keys Keys) (Proven, error) {
	if p.Version != proofVersion {
		return Proven{}, fmt.Errorf("%w: it has version %d and this program reads version %d", ErrProof, p.Version, proofVersion)
	}
	c, err := openCheckpoint(p.Checkpoint, keys)
	if err != nil {
		return Proven{}, err
	}
	proven := Proven{Checkpoint: c}
	switch {
	case len(p.Hashes) > maxHashes:
		return Proven{}, fmt.Errorf("%w: it has more than %d hashes", ErrProof, maxHashes)
	case p.Kind == Inclusion && p.Older == "":
		if p.Seq < 0 || p.Seq >= c.Size || tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Seq, tlog.RecordHash([]byte(p.Leaf))) != nil {
			return Proven{}, fmt.Errorf("%w: the leaf, its number and the hashes do not lead to the root in the checkpoint", ErrProof)
		}
	case p.Kind == Consistency && p.Seq == 0 && p.Leaf == "":
		if proven.Older, err = openCheckpoint(p.Older, keys); err != nil {
			return Proven{}, fmt.Errorf("the older checkpoint: %w", err)
		}
		older := proven.Older
		if older.Size > c.Size || tlog.CheckTree(p.Hashes, c.Size, c.Root, older.Size, older.Root) != nil {
			return Proven{}, fmt.Errorf("%w: the hashes do not lead from the older checkpoint to the newer one", ErrProof)
		}
	default:
		return Proven{}, fmt.Errorf("%w: it must be of kind %s, with a leaf, or of kind %s, with an older checkpoint", ErrProof, Inclusion, Consistency)
	}
	return proven, nil
}

// Encode returns the proof as JSON for people to look at and DecodeProof to read.
func (p Proof) Encode() []byte {
	if p.Hashes == nil {
		p.Hashes = []Hash{}
	}
	b, err := json.Marshal(p, jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true)) // only what Prove did not make can be invalid
	if err != nil {
		panic("audit: a proof cannot be encoded: " + err.Error())
	}
	return append(b, '\n')
}

// DecodeProof reads a proof, as Encode or TLogProof writes it. It takes no other members than a Proof has, and none twice; it does not check what they
// prove.
func DecodeProof(document []byte) (Proof, error) {
	if len(document) > maxProof {
		return Proof{}, fmt.Errorf("%w: it is longer than %d MiB", ErrProof, maxProof>>20)
	}
	if isTLogProof(document) {
		return decodeTLogProof(string(document))
	}
	var p Proof
	if err := json.Unmarshal(document, &p, json.RejectUnknownMembers(true)); err != nil {
		return Proof{}, fmt.Errorf("%w: %s", ErrProof, plainJSON(err))
	}
	return p, nil
}
