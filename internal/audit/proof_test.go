package audit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func (l *memoryLog) prove(t testing.TB, seq int64, checkpoint int) Proof {
	t.Helper()
	p, err := Prove(l, seq, l.leaves[seq].data, l.checkpoints[checkpoint].Note, l.key.Known())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProofs: every leaf against every checkpoint that covers it, and every pair of checkpoints, in both forms.
func TestProofs(t *testing.T) {
	t.Parallel()
	log := newLog(t, 60, 7)
	keys := log.key.Known()
	if first, err := log.clone().signFirst(t); err != nil || first.Hashes == nil {
		t.Error(first, err)
	}
	for i, c := range log.checkpoints {
		for seq := range c.Size {
			p := log.prove(t, seq, i)
			text, err := p.TLogProof()
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range [][]byte{p.Encode(), text} {
				back, err := DecodeProof(document)
				if err != nil {
					t.Fatalf("%s: %v", document, err)
				}
				proven, err := back.Check(keys)
				if err != nil || proven.Checkpoint.Size != c.Size || back.Leaf != string(log.leaves[seq].data) || back.Seq != seq {
					t.Fatalf("leaf %d at %d: %+v, %v", seq, c.Size, proven, err)
				}
			}
		}
		for _, older := range log.checkpoints[:i+1] {
			p, err := ProveConsistency(log, older.Note, c.Note, keys)
			if err != nil {
				t.Fatal(err)
			}
			back, err := DecodeProof(p.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if proven, err := back.Check(keys); err != nil || proven.Older.Size != older.Size || proven.Checkpoint.Size != c.Size {
				t.Fatalf("%d to %d: %+v, %v", older.Size, c.Size, proven, err)
			}
		}
	}
}

// signFirst proves the only leaf of a log, which takes no hashes.
func (l *memoryLog) signFirst(t testing.TB) (Proof, error) {
	l.leaves, l.hashes, l.checkpoints = l.leaves[:1], l.hashes[:1], nil
	l.sign(t, epoch)
	p := l.prove(t, 0, 0)
	return DecodeProof(p.Encode())
}

func TestProveRefuses(t *testing.T) {
	t.Parallel()
	log, other := newLog(t, 25, 10), newLog(t, 25, 10)
	keys := log.key.Known()
	older, newer := log.checkpoints[0].Note, log.checkpoints[1].Note
	changed := log.clone()
	changed.leaves[3].data[20]++
	rewritten := changed.clone()
	rewritten.rewrite()
	gone := log.clone()
	gone.hashes = gone.hashes[:5]
	prove := func(l *memoryLog, seq int64, note string) func() error {
		return func() error {
			_, err := Prove(l, seq, l.leaves[max(seq, 0)].data, note, keys)
			return err
		}
	}
	consistent := func(l *memoryLog, older, newer string) func() error {
		return func() error { _, err := ProveConsistency(l, older, newer, keys); return err }
	}
	const wrong = "not a valid proof: the leaf, its number and the hashes do not lead to the root in the checkpoint; the log is not what was signed: run sidegate audit verify"
	for _, test := range []struct {
		name string
		do   func() error
		is   error
		want string
	}{
		{"too new", prove(log, 10, older), ErrNotCovered, "leaf 10 is not covered by the checkpoint of 2026-03-01T12:00:00.009Z, which covers those before leaf 10"},
		{"negative", prove(log, -1, older), ErrNotCovered, "leaf -1 is not covered by the checkpoint of 2026-03-01T12:00:00.009Z, which covers those before leaf 10"},
		{"changed", prove(changed, 3, older), ErrProof, wrong},
		{"rewritten", prove(rewritten, 5, older), ErrProof, wrong},
		{"hashes gone", prove(gone, 5, older), nil, "hash 6 is missing"},
		{"a checkpoint of another log", prove(log, 3, other.checkpoints[0].Note), ErrOtherLog, "it is of another log: " + other.key.Origin()},
		{"the wrong way round", consistent(log, newer, older), ErrNotCovered,
			"the older checkpoint, of 2026-03-01T12:00:00.019Z, is not covered by the checkpoint: it has 21 leaves, and the newer one, of 2026-03-01T12:00:00.009Z, 10"},
		{"a log that was rewritten", consistent(rewritten, older, newer), ErrProof,
			"not a valid proof: the hashes do not lead from the older checkpoint to the newer one; the log is not what was signed: run sidegate audit verify"},
		{"older of another log", consistent(log, other.checkpoints[0].Note, newer), ErrOtherLog, "the older checkpoint: it is of another log: " + other.key.Origin()},
		{"newer of another log", consistent(log, older, other.checkpoints[0].Note), ErrOtherLog, "the newer checkpoint: it is of another log: " + other.key.Origin()},
		{"no text", func() error { _, err := Prove(log, 3, []byte("\xff"), older, keys); return err }, ErrProof, "not a valid proof: leaf 3 is not text, so no gateway wrote it"},
	} {
		err := test.do()
		if fmt.Sprint(err) != test.want || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
	}
}

// TestCheckRefuses: whatever of a proof is changed, it proves nothing.
func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	log, other := newLog(t, 25, 10), newLog(t, 25, 10)
	keys := log.key.Known()
	consistency, err := ProveConsistency(log, log.checkpoints[0].Note, log.checkpoints[1].Note, keys)
	if err != nil {
		t.Fatal(err)
	}
	const (
		wrong     = "not a valid proof: the leaf, its number and the hashes do not lead to the root in the checkpoint"
		different = "not a valid proof: the hashes do not lead from the older checkpoint to the newer one"
		kind      = "not a valid proof: it must be of kind inclusion, with a leaf, or of kind consistency, with an older checkpoint"
	)
	for _, test := range []struct {
		of     Proof
		change func(*Proof)
		want   string
	}{
		{log.prove(t, 3, 0), func(p *Proof) { p.Version = 2 }, "not a valid proof: it has version 2 and this program reads version 1"},
		{log.prove(t, 3, 0), func(p *Proof) { p.Kind = "" }, kind},
		{log.prove(t, 3, 0), func(p *Proof) { p.Kind = Consistency }, kind},
		{log.prove(t, 3, 0), func(p *Proof) { p.Older = p.Checkpoint }, kind},
		{log.prove(t, 3, 0), func(p *Proof) { p.Seq = 2 }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Seq = -1 }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Seq = 10 }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Leaf += " " }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Hashes = p.Hashes[1:] }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Hashes = append(p.Hashes, Hash{}) }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Hashes[0][0]++ }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Hashes = make([]Hash, 65) }, "not a valid proof: it has more than 64 hashes"},
		{log.prove(t, 3, 0), func(p *Proof) { p.Checkpoint = log.checkpoints[1].Note }, wrong},
		{log.prove(t, 3, 0), func(p *Proof) { p.Checkpoint = other.checkpoints[0].Note }, "it is of another log: " + other.key.Origin()},
		{log.prove(t, 3, 0), func(p *Proof) { p.Checkpoint = strings.Replace(p.Checkpoint, "\n10\n", "\n11\n", 1) },
			"the signature does not hold: it is not by key " + keyNameOf(log.key)},
		{consistency, func(p *Proof) { p.Kind = Inclusion }, kind},
		{consistency, func(p *Proof) { p.Seq = 1 }, kind},
		{consistency, func(p *Proof) { p.Leaf = "x" }, kind},
		{consistency, func(p *Proof) { p.Older = "" }, "the older checkpoint: not a checkpoint: it is not a signed note"},
		{consistency, func(p *Proof) { p.Older = p.Checkpoint }, different},
		{consistency, func(p *Proof) { p.Older, p.Checkpoint = p.Checkpoint, p.Older }, different},
		{consistency, func(p *Proof) { p.Hashes = p.Hashes[1:] }, different},
		{consistency, func(p *Proof) { p.Older = other.checkpoints[0].Note }, "the older checkpoint: it is of another log: " + other.key.Origin()},
	} {
		p := test.of
		p.Hashes = append([]Hash{}, p.Hashes...)
		if _, err := p.Check(keys); err != nil {
			t.Fatal(err)
		}
		test.change(&p)
		if got, err := p.Check(keys); fmt.Sprint(err) != test.want || got != (Proven{}) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestDecodeProofRefuses(t *testing.T) {
	t.Parallel()
	log := newLog(t, 25, 10)
	p := log.prove(t, 3, 0)
	text, err := p.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	lines := strings.SplitAfter(good, "\n")
	for _, test := range []struct{ document, want string }{
		{"", "it is not valid JSON at byte 0"},
		{"{}x", "it is not valid JSON at byte 2"},
		{`{"v":1,"proof":1}`, "it has an unknown member"},
		{`{"v":1,"v":1}`, "it is not valid JSON at byte 7"},
		{`{"v":"1"}`, "it has a value of the wrong kind at byte 5"},
		{`{"hashes":["x"]}`, "it has a value of the wrong kind at byte 11"},
		{`{"hashes":[null]}`, "it has a value of the wrong kind at byte 11"},
		{strings.Repeat(" ", maxProof+1), "it is longer than 64 MiB"},
		{tlogProofHeader, "there is no checkpoint behind an empty line"},
		{tlogProofHeader + "\n\n\n", "it must have a leaf, a number, and up to 64 hashes"},
		{tlogProofHeader + strings.Repeat("x\n", 67) + "\n", "it must have a leaf, a number, and up to 64 hashes"},
		{lines[0] + lines[2] + lines[2] + "\n", "line 2 must hold the leaf, as in: extra BASE64"},
		{lines[0] + "extra !\n" + lines[2] + "\n", "line 2 must hold the leaf, as in: extra BASE64"},
		{lines[0] + "extra /w==\n" + lines[2] + "\n", "line 2 must hold the leaf, as in: extra BASE64"}, // no text
		{lines[0] + lines[1] + "index x\n\n", "line 3 must hold the number of the leaf, as in: index 12"},
		{lines[0] + lines[1] + "index -3\n\n", "line 3 must hold the number of the leaf, as in: index 12"},
		{lines[0] + lines[1] + lines[3] + "\n", "line 3 must hold the number of the leaf, as in: index 12"},
		{lines[0] + lines[1] + lines[2] + lines[3] + "x\n\n", "line 5 must be a hash in base64"},
		{strings.Replace(good, "index 3", "index 03", 1), "it is not written as TLogProof writes it"},
		{strings.Replace(good, "index 3", "index +3", 1), "it is not written as TLogProof writes it"},
		{strings.Replace(good, lines[3], lines[3][:42]+"\r"+lines[3][42:], 1), "it is not written as TLogProof writes it"},
		{strings.Replace(good, "extra ", "extra \r", 1), "it is not written as TLogProof writes it"},
	} {
		got, err := DecodeProof([]byte(test.document))
		if want := "not a valid proof: " + test.want; fmt.Sprint(err) != want || !errors.Is(err, ErrProof) || got.Kind != "" {
			t.Errorf("%.300q:\ngot  %v\nwant %s", test.document, err, want)
		}
	}
	consistency := Proof{Kind: Consistency}
	if _, err := consistency.TLogProof(); !errors.Is(err, ErrProof) {
		t.Error(err)
	}
}

// TestTLogProofForm holds the text form against the specification: https://c2sp.org/tlog-proof.
func TestTLogProofForm(t *testing.T) {
	t.Parallel()
	log := newLog(t, 25, 10)
	p := log.prove(t, 3, 0)
	text, err := p.TLogProof()
	if err != nil {
		t.Fatal(err)
	}
	h := func(level int, n int64) string {
		return Hash(log.hashes[tlog.StoredHashIndex(level, n)].hash).String() + "\n"
	}
	// From the sibling of the leaf up to the child of the root.
	path := h(0, 2) + h(1, 0) + h(2, 1) + h(1, 4)
	if rest, ok := strings.CutPrefix(string(text), "c2sp.org/tlog-proof@v1\nextra "); !ok || !strings.HasSuffix(rest, "\nindex 3\n"+path+"\n"+log.checkpoints[0].Note) {
		t.Errorf("%s", text)
	}
}
