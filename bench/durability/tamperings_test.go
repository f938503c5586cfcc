package durability

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sidegate/sidegate/internal/audit"
)

// tamperings are what intruders do. at is a leaf in the middle that names a client.
var tamperings = []struct {
	name string
	do   func(i *intruder, at int)
	want audit.Kind // of a finding that names leaf at, or begins there
	kept bool       // only against checkpoints that were kept; without them nothing is found, if what is stored of jobs was changed likewise
}{
	{"a leaf is edited", func(i *intruder, at int) {
		i.do("UPDATE audit SET leaf = ? WHERE seq = ?", i.edited(at), at)
	}, audit.LeafChanged, false},
	{"a leaf is edited, and its hash", func(i *intruder, at int) {
		i.do("UPDATE audit SET leaf = ? WHERE seq = ?", i.edited(at), at)
		hash := tlog.RecordHash(i.edited(at))
		i.do("UPDATE audit_hash SET hashes = CAST(? || substr(hashes, 33) AS BLOB) WHERE seq = ?", hash[:], at)
	}, audit.LeafChanged, false},
	{"a leaf is edited, and all hashes", func(i *intruder, at int) {
		i.leaves[at] = i.edited(at)
		i.rehash()
	}, audit.Rewritten, false},
	{"a leaf is edited, and all hashes and checkpoints with the key", func(i *intruder, at int) {
		l, err := audit.Decode(i.leaves[at])
		must(i.t, err)
		if l.Type == audit.Admitted { // the others' client is stored nowhere else
			i.do("UPDATE job SET client = 'fund' WHERE id = ?", l.Job)
		}
		i.leaves[at] = i.edited(at)
		i.resign()
	}, audit.Rewritten, true},
	{"a row is dropped", func(i *intruder, at int) {
		i.do("DELETE FROM audit WHERE seq = ?", at)
	}, audit.LeafMissing, false},
	{"a row is dropped, with its hashes", func(i *intruder, at int) {
		i.do("DELETE FROM audit WHERE seq = ?", at)
		i.do("DELETE FROM audit_hash WHERE seq = ?", at)
	}, audit.LeafMissing, false},
	{"a row is dropped, and the rest moved up", func(i *intruder, at int) {
		i.leaves = slices.Delete(i.leaves, at, at+1)
		i.do("DELETE FROM audit WHERE seq >= ?", at)
		for seq := at; seq < len(i.leaves); seq++ {
			i.do("INSERT INTO audit (seq, leaf) VALUES (?, ?)", seq, i.leaves[seq])
		}
	}, audit.LeafMoved, false},
	{"a row is dropped, and the tree made anew", func(i *intruder, at int) {
		i.leaves = slices.Delete(i.leaves, at, at+1)
		i.rehash()
	}, audit.Rewritten, false},
	{"two rows are swapped", func(i *intruder, at int) {
		i.do("UPDATE audit SET leaf = ? WHERE seq = ?", i.leaves[at+7], at)
		i.do("UPDATE audit SET leaf = ? WHERE seq = ?", i.leaves[at], at+7)
	}, audit.LeafSwapped, false},
	{"two rows are swapped, and the tree made anew", func(i *intruder, at int) {
		i.leaves[at], i.leaves[at+7] = i.leaves[at+7], i.leaves[at]
		i.rehash()
	}, audit.Rewritten, false},
	{"a row is added", func(i *intruder, at int) {
		i.leaves = slices.Insert(i.leaves, at, i.edited(at))
		i.rehash()
	}, audit.Rewritten, false},
	{"the last rows are cut off", func(i *intruder, at int) {
		i.do("DELETE FROM audit WHERE seq >= ?", at)
	}, audit.LeafMissing, false},
	{"the last rows are cut off, with their hashes", func(i *intruder, at int) {
		i.do("DELETE FROM audit WHERE seq >= ?", at)
		i.do("DELETE FROM audit_hash WHERE seq >= ?", at)
	}, audit.CutOff, false},
	{"the last rows are cut off, with their hashes and checkpoints", func(i *intruder, at int) {
		i.do("DELETE FROM audit WHERE seq >= ?", at)
		i.do("DELETE FROM audit_hash WHERE seq >= ?", at)
		i.do("DELETE FROM checkpoint WHERE size >= ?", at)
	}, audit.CutOff, false}, // the jobs are still there
	{"a hash is changed", func(i *intruder, at int) {
		i.do("UPDATE audit_hash SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE seq = ?", at)
	}, audit.HashChanged, false},
	{"a row is dropped from the hashes", func(i *intruder, at int) {
		i.do("DELETE FROM audit_hash WHERE seq = ?", at)
	}, audit.HashMissing, false},
	{"a row stands before the first", func(i *intruder, at int) {
		i.do("INSERT INTO audit (seq, leaf) VALUES (-1, ?)", i.leaves[at])
	}, audit.LeafMisplaced, false},
	{"a checkpoint is dropped", func(i *intruder, _ int) {
		i.do("DELETE FROM checkpoint WHERE size = ?", i.checkpoints[1].Size)
	}, audit.CheckpointMissing, false},
	{"a checkpoint is edited", func(i *intruder, _ int) {
		i.do("UPDATE checkpoint SET note = replace(note, 'time 2', 'time 1') WHERE size = ?", i.checkpoints[1].Size)
	}, audit.CheckpointForged, false},
	{"the time of a checkpoint is edited", func(i *intruder, _ int) {
		i.do("UPDATE checkpoint SET at = at - 1 WHERE size = ?", i.checkpoints[1].Size)
	}, audit.CheckpointChanged, false},
	{"a checkpoint is added, by another key", func(i *intruder, at int) {
		private, _, err := note.GenerateKey(nil, strings.SplitN(i.checkpoints[0].Note, "\n", 2)[0])
		must(i.t, err)
		signer, err := note.NewSigner(private)
		must(i.t, err)
		lines := strings.SplitN(i.checkpoints[1].Note, "\n", 5)
		lines[1] = fmt.Sprint(at)
		signed, err := note.Sign(&note.Note{Text: strings.Join(lines[:4], "\n") + "\n"}, signer)
		must(i.t, err)
		i.do("INSERT OR REPLACE INTO checkpoint (size, at, note) VALUES (?, ?, ?)", at, i.checkpoints[1].At.UnixMicro(), string(signed))
	}, audit.CheckpointForged, false},
	{"all is empty", func(i *intruder, _ int) {
		i.do("DELETE FROM audit")
		i.do("DELETE FROM audit_hash")
		i.do("DELETE FROM checkpoint")
	}, audit.CutOff, false},
	{"all is empty, without any job", func(i *intruder, _ int) {
		for _, table := range []string{"audit", "audit_hash", "checkpoint", "outbox", "output", "job"} {
			i.do("DELETE FROM " + table)
		}
	}, audit.CutOff, true},
}
