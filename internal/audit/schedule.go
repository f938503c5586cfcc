package audit

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// schedule prepares the checkpoints. Where none are stored it reads the leaves once, for those that are in them.
func (v *verification) schedule() (*checkpoints, error) {
	c := &checkpoints{v: v, keys: v.expect.Keys, known: v.log.Checkpoints != nil}
	for _, k := range v.expect.Kept {
		c.kept = append(c.kept, k.checkpoints...)
	}
	slices.SortStableFunc(c.kept, func(a, b placed) int { return cmp.Compare(a.Size, b.Size) })
	rows := v.log.Checkpoints
	if !c.known {
		found, err := c.inLeaves()
		if err != nil {
			return nil, err
		}
		rows = func(yield func(Signed, error) bool) {
			for _, s := range found {
				if !yield(s, nil) {
					return
				}
			}
		}
	}
	c.next, c.stop = iter.Pull2(rows)
	return c, nil
}

// inLeaves collects the checkpoints that leaves hold.
func (c *checkpoints) inLeaves() ([]Signed, error) {
	var found []Signed
	for row, err := range c.v.log.Leaves {
		if err != nil {
			return nil, err
		}
		if !isCheckpoint(row.Leaf) {
			continue
		}
		leaf, err := Decode(row.Leaf)
		if err != nil {
			continue // counted as unreadable
		}
		told, err := Unverified(leaf.Checkpoint)
		if err != nil || told.Size > row.Seq {
			c.wrong = append(c.wrong, Finding{
				Kind: CheckpointForged, Leaves: &Range{row.Seq, row.Seq},
				Text: fmt.Sprintf("leaf %d holds no checkpoint of leaves before it", row.Seq),
			})
			continue
		}
		found = append(found, Signed{Size: told.Size, Note: leaf.Checkpoint})
		c.where = append(c.where, fmt.Sprintf("leaf %d", row.Seq))
	}
	return found, c.v.ctx.Err()
}
