package audit

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// inJournal is where a stored checkpoint stands, for people.
const inJournal = "the journal"

// checkpoints are those that a verification meets on its way, each when the tree has the size that it signed.
type checkpoints struct {
	v     *verification
	keys  Keys
	known bool // stored ones have rows of their own, which are compared with the leaves that tell of them

	next   func() (Signed, error, bool)
	stop   func()
	row    Signed // the next one
	begun  bool
	ended  bool
	where  []string // of rows that were taken from leaves, in their order
	kept   []placed // from all files, by size
	stored vouching
	others vouching // those of kept

	waiting []waiting // rows whose leaf has not come yet
	alone   []span    // rows without one
	missing []Finding
	wrong   []Finding
}

// placed is a checkpoint, verified, and where it stands.
type placed struct {
	Checkpoint
	place
}

// A place is where a checkpoint stands: a name, and a line where that is one of a file.
type place struct {
	name string
	line int
}

// String names the place for people.
func (p place) String() string {
	if p.line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s, line %d", p.name, p.line)
}

// vouching is what checkpoints from one place say of the log.
type vouching struct {
	Compared
	since  placed // the last that fits the log
	first  placed // the first that does not
	until  placed // since, when first came
	last   placed // the largest that is beyond the end
	beyond int64
	untold int64
}

// waiting is a row between its size and its leaf.
type waiting struct {
	size   int64
	note   string
	faulty bool // and reported already
}

// span is where the leaf of a checkpoint should be.
type span struct{ size, before int64 }

func (c *checkpoints) close() { c.stop() }

func (c *checkpoints) advance() error {
	row, err, ok := c.next()
	if !ok {
		c.ended = true
		return nil
	}
	c.row = row
	return err
}

// upTo takes the checkpoints whose size the tree has now.
func (c *checkpoints) upTo(size int64) error {
	if !c.begun {
		c.begun = true
		if err := c.advance(); err != nil {
			return err
		}
	}
	for !c.ended && c.row.Size <= size {
		if signed, where, ok := c.open(); ok {
			c.compare(&c.stored, placed{signed, place{name: where}})
		}
		if err := c.advance(); err != nil {
			return err
		}
	}
	for len(c.kept) > 0 && c.kept[0].Size <= size {
		c.compare(&c.others, c.kept[0])
		c.kept = c.kept[1:]
	}
	return nil
}

// open verifies the signature of the row, and that the row says what was signed.
func (c *checkpoints) open() (signed Checkpoint, where string, ok bool) {
	row := c.row
	where = inJournal
	if !c.known {
		where, c.where = c.where[0], c.where[1:]
	}
	signed, err := openCheckpoint(row.Note, c.keys)
	told := &Told{Size: row.Size, Time: row.At, Where: where}
	switch {
	case err != nil:
		c.wrong = append(c.wrong, Finding{Kind: CheckpointForged, Checkpoint: told, Text: fmt.Sprintf("the checkpoint of %d leaves in %s: %s", row.Size, where, reason(err))})
	case signed.Size != row.Size:
		c.wrong = append(c.wrong, Finding{Kind: CheckpointChanged, Checkpoint: told,
			Text: fmt.Sprintf("a row of checkpoints says %d leaves, and what was signed in it %d", row.Size, signed.Size)})
	case !row.At.IsZero() && !row.At.Equal(signed.Time):
		c.wrong = append(c.wrong, Finding{Kind: CheckpointChanged, Checkpoint: told,
			Text: fmt.Sprintf("the row of the checkpoint of %d leaves says %s, and what was signed in it %s", row.Size, moment(row.At), moment(signed.Time))})
	default:
		ok = true
	}
	if c.known {
		c.waiting = append(c.waiting, waiting{row.Size, row.Note, !ok})
	}
	return signed, where, ok
}

// reason says why a checkpoint does not count.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrSignature):
		return "it was changed after it was signed, or forged"
	case errors.Is(err, ErrUnknownKey), errors.Is(err, ErrOtherLog):
		return err.Error()
	}
	return "it is damaged (" + err.Error() + ")"
}

// compare holds a checkpoint against the tree, which has its size.
func (c *checkpoints) compare(from *vouching, p placed) {
	switch c.v.tree.signed(p.Root) {
	case matchNow:
		from.Good++
		from.Covered, from.Time, from.since = p.Size, p.Time, p
	case matchThen:
		from.Bad++
		from.since = p
	case untold:
		from.untold++
	case neither:
		if from.Bad++; from.first.Size == 0 {
			from.first, from.until = p, from.since
		}
	}
}

// leaf looks for the row of the checkpoint that leaf seq holds.
func (c *checkpoints) leaf(seq int64, note string) {
	if !c.known {
		return
	}
	i := slices.IndexFunc(c.waiting, func(w waiting) bool { return w.note == note })
	if i < 0 {
		told, err := Unverified(note)
		i = slices.IndexFunc(c.waiting, func(w waiting) bool { return err == nil && w.size == told.Size })
		if f, ok := c.differs(seq, told, i); ok {
			c.missing = append(c.missing, f)
		}
	}
	for _, w := range c.waiting[:max(i, 0)] {
		c.leave(w, seq)
	}
	c.waiting = c.waiting[i+1:]
}

// differs says what is wrong with the row at i, or that there is none, as leaf seq tells of it.
func (c *checkpoints) differs(seq int64, told Checkpoint, i int) (Finding, bool) {
	f := Finding{Leaves: &Range{seq, seq}, Checkpoint: &Told{Size: told.Size, Time: told.Time, Where: fmt.Sprintf("leaf %d", seq)}}
	switch {
	case i < 0:
		f.Kind = CheckpointMissing
		f.Text = fmt.Sprintf("the checkpoint of %d leaves is missing, of which leaf %d tells", told.Size, seq)
	case c.waiting[i].faulty:
		return f, false
	default:
		f.Kind = CheckpointChanged
		f.Text = fmt.Sprintf("the checkpoint of %d leaves is not the one that leaf %d tells of", told.Size, seq)
	}
	return f, true
}

// end takes what is left: checkpoints of more leaves than there are.
func (c *checkpoints) end() error {
	if err := c.upTo(c.v.tree.size); err != nil {
		return err
	}
	for !c.ended {
		if signed, where, ok := c.open(); ok {
			c.stored.over(placed{signed, place{name: where}})
		}
		if err := c.advance(); err != nil {
			return err
		}
	}
	for _, p := range c.kept {
		c.others.over(p)
	}
	for _, w := range c.waiting {
		if w.size > c.v.tree.size {
			break // reported as beyond the end
		}
		c.leave(w, c.v.tree.size)
	}
	return nil
}

// leave gives up waiting for a row's leaf, which should stand before another.
func (c *checkpoints) leave(w waiting, before int64) {
	if !w.faulty {
		c.alone = append(c.alone, span{w.size, before})
	}
}

// over counts a checkpoint of more leaves than there are.
func (v *vouching) over(p placed) {
	v.Bad++
	v.beyond++
	if p.Size >= v.last.Size {
		v.last = p
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
