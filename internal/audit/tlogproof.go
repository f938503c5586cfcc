package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// The parts of https://c2sp.org/tlog-proof.
const (
	tlogProofHeader = "c2sp.org/tlog-proof@v1\n"
	tlogProofExtra  = "extra "
	tlogProofIndex  = "index "
)

// TLogProof returns an inclusion in the form of https://c2sp.org/tlog-proof, with the leaf as the extra data. The form has no consistency.
func (p Proof) TLogProof() ([]byte, error) {
	if p.Kind != Inclusion {
		return nil, fmt.Errorf("%w: only the inclusion of a leaf has this form", ErrProof)
	}
	var b strings.Builder
	b.WriteString(tlogProofHeader)
	b.WriteString(tlogProofExtra + base64.StdEncoding.EncodeToString([]byte(p.Leaf)) + "\n")
	b.WriteString(tlogProofIndex + strconv.FormatInt(p.Seq, 10) + "\n")
	for _, h := range p.Hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n" + p.Checkpoint)
	return []byte(b.String()), nil
}

func isTLogProof(document []byte) bool { return bytes.HasPrefix(document, []byte(tlogProofHeader)) }

// decodeTLogProof takes nothing that TLogProof does not write.
func decodeTLogProof(document string) (Proof, error) {
	p := Proof{Version: proofVersion, Kind: Inclusion, Hashes: []Hash{}}
	head, checkpoint, ok := strings.Cut(strings.TrimPrefix(document, tlogProofHeader), "\n\n")
	if !ok || !utf8.ValidString(checkpoint) {
		return Proof{}, fmt.Errorf("%w: there is no checkpoint behind an empty line", ErrProof)
	}
	p.Checkpoint = checkpoint
	lines := strings.Split(head, "\n")
	if len(lines) < 2 || len(lines) > 2+maxHashes {
		return Proof{}, fmt.Errorf("%w: it must have a leaf, a number, and up to %d hashes", ErrProof, maxHashes)
	}
	extra, ok := strings.CutPrefix(lines[0], tlogProofExtra)
	leaf, err := base64.StdEncoding.Strict().DecodeString(extra)
	if !ok || err != nil || !utf8.Valid(leaf) {
		return Proof{}, fmt.Errorf("%w: line 2 must hold the leaf, as in: extra BASE64", ErrProof)
	}
	p.Leaf = string(leaf)
	index, ok := strings.CutPrefix(lines[1], tlogProofIndex)
	if p.Seq, err = strconv.ParseInt(index, 10, 64); !ok || err != nil || p.Seq < 0 {
		return Proof{}, fmt.Errorf("%w: line 3 must hold the number of the leaf, as in: index 12", ErrProof)
	}
	for i, line := range lines[2:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return Proof{}, fmt.Errorf("%w: line %d must be a hash in base64", ErrProof, i+4)
		}
		p.Hashes = append(p.Hashes, h)
	}
	if again, err := p.TLogProof(); err != nil || string(again) != document {
		return Proof{}, fmt.Errorf("%w: it is not written as TLogProof writes it", ErrProof)
	}
	return p, nil
}
