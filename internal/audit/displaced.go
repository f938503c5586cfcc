package audit

import "fmt"

// displaced finds out which changed leaves are others of this log that stand in the wrong place, and marks them as found. lost are the stored hashes
// of leaves that are missing.
func displaced(odd []difference, lost []lostLeaf) []Finding {
	d := displacement{home: map[Hash]int64{}, at: map[int64]int{}}
	for _, l := range lost {
		d.home[l.hash] = l.seq
	}
	for i := range odd {
		if o := &odd[i]; o.level == 0 && o.verdict != hashChanged {
			d.home[o.stored], d.at[o.first] = o.first, len(d.odd)
			d.odd = append(d.odd, o)
		}
	}
	var found []Finding
	for i := 0; i < len(d.odd); {
		length, f := d.from(i)
		if length > 0 {
			found = append(found, f)
		}
		i += max(length, 1)
	}
	return found
}

type displacement struct {
	odd  []*difference  // of leaves
	home map[Hash]int64 // by hash, where a leaf was written
	at   map[int64]int  // by leaf, where in odd it is
}

// source returns where the leaf that stands at a difference was written.
func (d *displacement) source(i int) (int64, bool) {
	seq, ok := d.home[d.odd[i].now]
	return seq, ok && !d.odd[i].found
}

// from describes the displaced leaves that begin at i, and returns how many differences that are; 0 if that one is not displaced.
func (d *displacement) from(i int) (int, Finding) {
	source, ok := d.source(i)
	if !ok {
		return 0, Finding{}
	}
	this := d.odd[i]
	if j, ok := d.at[source]; ok && j > i && d.odd[j].now == this.stored {
		this.found, d.odd[j].found = true, true
		return 1, Finding{Kind: LeafSwapped, Leaves: &Range{this.first, source}, Text: fmt.Sprintf("leaf %d and leaf %d were swapped", this.first, source)}
	}
	by := source - this.first
	end := i
	for ; end < len(d.odd) && d.odd[end].first == this.first+int64(end-i); end++ {
		if source, ok := d.source(end); !ok || source-d.odd[end].first != by {
			break
		}
		d.odd[end].found = true
	}
	first, last := this.first, d.odd[end-1].first
	return end - i, Finding{Kind: LeafMoved, Leaves: &Range{first, last}, Text: movedText(first, last, by)}
}

func movedText(first, last, by int64) string {
	where, why := "further on", "removed"
	if by < 0 {
		where, why, by = "before", "added", -by
	}
	verb := "hold"
	if first == last {
		verb = "holds"
	}
	return fmt.Sprintf("%s %s what was written %d %s: something was %s, or they were put in another order", leaves(first, last), verb, by, where, why)
}
