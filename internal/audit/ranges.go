package audit

// ranges collects numbers that mostly follow each other.
type ranges struct {
	list []Range
	more int64 // numbers beyond maxRanges
}

// maxRanges bounds the memory that a log takes of which nothing is right.
const maxRanges = 1 << 14

func (r *ranges) add(n int64) {
	if last := len(r.list) - 1; last >= 0 && r.list[last].Last+1 == n {
		r.list[last].Last = n
		return
	}
	if len(r.list) == maxRanges {
		r.more++
		return
	}
	r.list = append(r.list, Range{n, n})
}

// adjacent returns how many numbers directly before n were added last.
func (r *ranges) adjacent(n int64) int64 {
	if last := len(r.list) - 1; last >= 0 && r.list[last].Last+1 == n {
		return n - r.list[last].First
	}
	return 0
}

// meets tells whether any number from first to last was added.
func (r *ranges) meets(first, last int64) bool {
	for _, one := range r.list {
		if one.First <= last && one.Last >= first {
			return true
		}
	}
	return false
}
