package audit

import (
	"fmt"
	"strings"
	"time"
)

// conclude turns what was met into findings, the gravest first.
func (v *verification) conclude() {
	r, c := v.report, v.checkpoints
	r.Size = v.tree.size
	if r.Size > 0 {
		r.Root = v.tree.root(&v.tree.now).hash
	}
	r.Stored, r.Kept = c.stored.Compared, c.others.Compared
	v.kept()
	v.beyond(c.others, "an older copy of the journal was put in its place, or its end was cut off")
	v.beyond(c.stored, "its end was cut off")
	v.rewritten(c.others)
	v.rewritten(c.stored)
	v.leaves()
	v.misplacedRows()
	v.storedHashes()
	v.rows()
	v.untold()
}

// kept reports what is wrong with kept checkpoints themselves.
func (v *verification) kept() {
	for _, k := range v.expect.Kept {
		for _, f := range k.wrong {
			v.report.Kept.Bad++
			v.report.add(f)
		}
		origins := strings.Join(v.expect.Keys.Origins(), ", ")
		switch {
		case len(k.checkpoints)+len(k.wrong) > 0 && k.foreign > 0:
			v.report.remark("%s has %d checkpoints of other logs, such as %s; they were left out", k.name, k.foreign, k.origin)
		case len(k.checkpoints)+len(k.wrong) > 0:
		case k.foreign > 0:
			v.report.add(Finding{Kind: KeptForeign, Checkpoint: &Told{Where: k.name},
				Text: fmt.Sprintf("no checkpoint in %s is of this log (%s); they are of %s", k.name, origins, k.origin)})
		case len(k.fragments) == 0 && v.unsigned():
			v.report.remark("%s holds no checkpoint yet, and neither does the log", k.name)
		default:
			v.report.add(Finding{Kind: KeptForeign, Checkpoint: &Told{Where: k.name}, Text: fmt.Sprintf("%s holds no checkpoint", k.name)})
		}
		if len(k.fragments) > 0 {
			v.report.remark("%s holds something that is no whole checkpoint, first at line %d; it was passed over", k.name, k.fragments[0])
		}
	}
}

// unsigned tells whether the log holds no checkpoint of its own, good or bad, as in the first seconds of a gateway.
func (v *verification) unsigned() bool {
	c := v.checkpoints
	return c.stored.Good+c.stored.Bad+c.stored.untold == 0 && len(c.wrong)+len(c.missing) == 0
}

// beyond reports checkpoints of more leaves than there are.
func (v *verification) beyond(from vouching, why string) {
	if from.beyond == 0 {
		return
	}
	end := "the log is empty"
	if v.tree.size > 0 {
		end = fmt.Sprintf("the log ends with leaf %d", v.tree.size-1)
	}
	p := from.last
	v.report.add(Finding{
		Kind: CutOff, Leaves: &Range{v.tree.size, p.Size - 1}, Checkpoint: p.told(),
		Text: fmt.Sprintf("%s, but the checkpoint of %s in %s signed %d leaves: %s", end, moment(p.Time), p.place, p.Size, why),
	})
}

func (p placed) told() *Told { return &Told{Size: p.Size, Time: p.Time, Where: p.place.String()} }

// rewritten reports the first checkpoint that signed something else than there is.
func (v *verification) rewritten(from vouching) {
	bad, good := from.first, from.until
	if bad.Size == 0 {
		return
	}
	since := "from the beginning"
	if good.Size > 0 {
		since = fmt.Sprintf("since the one of %s", moment(good.Time))
	}
	v.report.add(Finding{
		Kind: Rewritten, Leaves: &Range{good.Size, bad.Size - 1}, Checkpoint: bad.told(),
		Text: fmt.Sprintf("%s %s not what the checkpoint of %s in %s signed: something among what was written %s was changed together with its hashes, or the log went on from an older copy",
			leaves(good.Size, bad.Size-1), is(good.Size, bad.Size-1), moment(bad.Time), bad.place, since),
	})
}

// leaves reports missing leaves, and those that are not what was hashed.
func (v *verification) leaves() {
	for _, g := range v.gone.list {
		v.report.add(Finding{Kind: LeafMissing, Leaves: &g, Text: leaves(g.First, g.Last) + " " + is(g.First, g.Last) + " missing"})
	}
	v.report.More += v.gone.more + v.tree.uncounted
	for _, f := range displaced(v.tree.odd, v.tree.lost) {
		v.report.add(f)
	}
	var changed, doubtful ranges
	for _, d := range v.tree.odd {
		switch {
		case d.verdict == hashChanged || d.found || d.follows:
		case d.level > 0 && d.verdict == leafChanged:
			v.report.add(Finding{Kind: LeafChanged, Leaves: &Range{d.first, d.last}, Hash: &d.index,
				Text: fmt.Sprintf("one or more of %s were changed together with the hashes below hash %d", leaves(d.first, d.last), d.index)})
		case d.level > 0:
			v.report.add(Finding{Kind: LeafUnclear, Leaves: &Range{d.first, d.last}, Hash: &d.index,
				Text: fmt.Sprintf("%s and hash %d, which is stored above them, do not fit; nothing that is left tells which was changed", leaves(d.first, d.last), d.index)})
		case d.verdict == leafChanged:
			changed.add(d.first)
		default:
			doubtful.add(d.first)
		}
	}
	for _, g := range changed.list {
		v.report.add(Finding{Kind: LeafChanged, Leaves: &g, Text: leaves(g.First, g.Last) + " " + was(g.First, g.Last) + " changed"})
	}
	for _, g := range doubtful.list {
		v.report.add(Finding{Kind: LeafUnclear, Leaves: &g,
			Text: leaves(g.First, g.Last) + " or the stored hash was changed; no checkpoint covers it yet, and nothing else tells which"})
	}
}

// misplacedRows reports rows that have no place.
func (v *verification) misplacedRows() {
	for _, g := range v.misplaced.list {
		v.report.add(Finding{Kind: LeafMisplaced, Leaves: &g, Text: fmt.Sprintf("there is a row for %s, where none can be", leaves(g.First, g.Last))})
	}
	v.report.More += v.misplaced.more
}

// storedHashes reports hashes that do not fit, where the leaves do.
func (v *verification) storedHashes() {
	for _, d := range v.tree.odd {
		if d.verdict == hashChanged && !v.doubted(d) {
			v.report.add(Finding{Kind: HashChanged, Hash: &d.index, Leaves: &Range{d.first, d.last},
				Text: fmt.Sprintf("the stored hash %d (of %s) was changed; the leaves are right", d.index, leaves(d.first, d.last))})
		}
	}
	if v.hashes == nil {
		return
	}
	for _, g := range v.unhashed.list {
		v.report.add(Finding{Kind: HashMissing, Hash: &g.First, Text: fmt.Sprintf("stored %s missing, or no hash", hashNames(g))})
	}
	for _, g := range v.hashes.misplaced.list {
		v.report.add(Finding{Kind: HashMisplaced, Hash: &g.First, Text: fmt.Sprintf("stored %s where the tree has none", hashNames(g))})
	}
	v.report.More += v.unhashed.more + v.hashes.misplaced.more
}

// doubted tells whether what judged a hash to be changed was itself below leaves that were.
func (v *verification) doubted(d difference) bool {
	for _, f := range v.report.Findings {
		if f.Hash != nil && f.Leaves != nil && f.Kind != HashChanged && f.Leaves.First <= d.first && d.last <= f.Leaves.Last {
			return true
		}
	}
	return false
}

func hashNames(g Range) string {
	if g.First == g.Last {
		return fmt.Sprintf("hash %d is", g.First)
	}
	return fmt.Sprintf("hashes %d to %d are", g.First, g.Last)
}

// rows reports what is wrong with stored checkpoints. A row whose leaf is among what was changed is not reported: that has been said.
func (v *verification) rows() {
	c := v.checkpoints
	for _, f := range c.wrong {
		v.report.Stored.Bad++
		v.report.add(f)
	}
	for _, f := range c.missing {
		v.report.add(f)
	}
	for _, s := range c.alone {
		if !v.disturbed(s.size, s.before) {
			v.report.add(Finding{Kind: CheckpointAlone, Checkpoint: &Told{Size: s.size, Where: inJournal},
				Text: fmt.Sprintf("no leaf tells of the checkpoint of %d leaves in %s: leaves behind it were removed, or it was added", s.size, inJournal)})
		}
	}
}

// disturbed tells whether a leaf from first to last was found missing or changed.
func (v *verification) disturbed(first, last int64) bool {
	if v.gone.meets(first, last) {
		return true
	}
	for _, d := range v.tree.odd {
		if d.verdict != hashChanged && !d.follows && d.first <= last && d.last >= first {
			return true
		}
	}
	return false
}

// untold says what could not be checked.
func (v *verification) untold() {
	r, c := v.report, v.checkpoints
	if n := c.stored.untold + c.others.untold; n > 0 {
		r.remark("%d checkpoints could not be compared, because leaves before them are missing with their hashes", n)
	}
	if r.Unreadable > 0 {
		r.remark("%d leaves are as they were written, but not in a form that this version reads", r.Unreadable)
	}
	if len(v.expect.Kept) == 0 {
		r.remark("no checkpoint that was kept elsewhere was given: somebody who can write to the journal and read its key could have made all of it anew")
	}
	covered := max(r.Stored.Covered, r.Kept.Covered)
	switch {
	case covered == 0 && r.Size > 0 && r.OK() && v.hashes == nil:
		r.add(Finding{Kind: Unsigned, Leaves: &Range{0, r.Size - 1}, Text: "no checkpoint vouches for anything in it: these may be leaves of any log, or of none"})
	case covered == r.Size-1 && v.signing == covered: // the leaf of the last checkpoint itself
	case covered < r.Size:
		r.remark("%s %s not signed yet", leaves(covered, r.Size-1), is(covered, r.Size-1))
	}
	if at := c.stored.since.Time; at.After(time.Now().Add(time.Hour)) {
		r.remark("the last checkpoint is of %s, which has not come yet: a clock was wrong", moment(at))
	}
}
