package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A tampering changes a log, and says what the report has to name.
type tampering struct {
	name string
	do   func(*memoryLog) (want func(Finding) bool, what string)
}

// names tells whether a finding is of one of the kinds and about exactly these leaves.
func names(first, last int64, kinds ...Kind) func(Finding) bool {
	return func(f Finding) bool {
		return slices.Contains(kinds, f.Kind) && f.Leaves != nil && *f.Leaves == Range{first, last}
	}
}

// includes tells whether a finding is of one of the kinds and about leaves of which this is one.
func includes(leaf int64, kinds ...Kind) func(Finding) bool {
	return func(f Finding) bool {
		return slices.Contains(kinds, f.Kind) && f.Leaves != nil && f.Leaves.First <= leaf && leaf <= f.Leaves.Last
	}
}

func namesHash(index int64, kinds ...Kind) func(Finding) bool {
	return func(f Finding) bool { return slices.Contains(kinds, f.Kind) && f.Hash != nil && *f.Hash == index }
}

func namesCheckpoint(size int64, kinds ...Kind) func(Finding) bool {
	return func(f Finding) bool {
		return slices.Contains(kinds, f.Kind) && f.Checkpoint != nil && f.Checkpoint.Size == size
	}
}

func either(a, b func(Finding) bool) func(Finding) bool {
	return func(f Finding) bool { return a(f) || b(f) }
}

// flip changes one bit.
func flip(b []byte, random *rand.Rand) { b[random.IntN(len(b))] ^= 1 << random.IntN(8) }

// tamperings are all that somebody can do to one row, or two, of each table, with random choices.
func tamperings(random *rand.Rand) []tampering {
	return []tampering{
		{"a byte of a leaf", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves))
			flip(l.leaves[i].data, random)
			return names(int64(i), int64(i), LeafChanged, LeafUnclear), fmt.Sprint("leaf ", i)
		}},
		{"a leaf cut short or made longer", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves))
			l.leaves[i].data = [][]byte{nil, l.leaves[i].data[:len(l.leaves[i].data)-1], append(l.leaves[i].data, ' ')}[random.IntN(3)]
			return names(int64(i), int64(i), LeafChanged, LeafUnclear), fmt.Sprint("leaf ", i)
		}},
		{"a byte of a hash", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.hashes))
			flip(l.hashes[i].hash, random)
			leaf := l.leafOf(i)
			return either(namesHash(int64(i), HashChanged, LeafUnclear), names(leaf, leaf, LeafUnclear)), fmt.Sprint("hash ", i)
		}},
		{"a byte of a checkpoint", func(l *memoryLog) (func(Finding) bool, string) {
			c := &l.checkpoints[random.IntN(len(l.checkpoints))]
			b := []byte(c.Note)
			flip(b, random)
			c.Note = string(b)
			return namesCheckpoint(c.Size, CheckpointForged, CheckpointChanged), fmt.Sprint("checkpoint ", c.Size)
		}},
		{"the size of a checkpoint", func(l *memoryLog) (func(Finding) bool, string) {
			c := &l.checkpoints[random.IntN(len(l.checkpoints))]
			c.Size ^= 1 << random.IntN(63)
			return namesCheckpoint(c.Size, CheckpointChanged), fmt.Sprint("checkpoint ", c.Size)
		}},
		{"the time of a checkpoint", func(l *memoryLog) (func(Finding) bool, string) {
			c := &l.checkpoints[random.IntN(len(l.checkpoints))]
			c.At = c.At.Add(time.Microsecond)
			return namesCheckpoint(c.Size, CheckpointChanged), fmt.Sprint("checkpoint ", c.Size)
		}},
		{"a leaf is dropped", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves))
			l.leaves = slices.Delete(l.leaves, i, i+1)
			return names(int64(i), int64(i), LeafMissing), fmt.Sprint("leaf ", i)
		}},
		{"a hash is dropped", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.hashes))
			l.hashes = slices.Delete(l.hashes, i, i+1)
			return namesHash(int64(i), HashMissing), fmt.Sprint("hash ", i)
		}},
		{"a checkpoint is dropped", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.checkpoints))
			size := l.checkpoints[i].Size
			l.checkpoints = slices.Delete(l.checkpoints, i, i+1)
			return namesCheckpoint(size, CheckpointMissing), fmt.Sprint("checkpoint ", size)
		}},
		{"two leaves are swapped", func(l *memoryLog) (func(Finding) bool, string) {
			i, j := two(random, len(l.leaves))
			l.leaves[i].data, l.leaves[j].data = l.leaves[j].data, l.leaves[i].data
			return names(int64(i), int64(j), LeafSwapped), fmt.Sprint("leaves ", i, " and ", j)
		}},
		{"two hashes are swapped", func(l *memoryLog) (func(Finding) bool, string) {
			i, j := two(random, len(l.hashes))
			l.hashes[i].hash, l.hashes[j].hash = l.hashes[j].hash, l.hashes[i].hash
			a, b := l.leafOf(i), l.leafOf(j)
			return either(either(namesHash(int64(i), HashChanged, LeafUnclear), namesHash(int64(j), HashChanged, LeafUnclear)),
				either(names(a, b, LeafSwapped), either(names(a, a, LeafUnclear), names(b, b, LeafUnclear)))), fmt.Sprint("hashes ", i, " and ", j)
		}},
		{"two checkpoints are swapped", func(l *memoryLog) (func(Finding) bool, string) {
			i, j := two(random, len(l.checkpoints))
			l.checkpoints[i].Note, l.checkpoints[j].Note = l.checkpoints[j].Note, l.checkpoints[i].Note
			return namesCheckpoint(l.checkpoints[i].Size, CheckpointChanged), fmt.Sprint("checkpoint ", l.checkpoints[i].Size)
		}},
		{"the number of a leaf", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves))
			l.leaves[i].seq ^= 1 << random.IntN(64)
			return includes(int64(i), LeafMissing), fmt.Sprint("leaf ", i)
		}},
		{"the index of a hash", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.hashes))
			l.hashes[i].index ^= 1 << random.IntN(64)
			return namesHash(int64(i), HashMissing), fmt.Sprint("hash ", i)
		}},
		{"a leaf is dropped, and those behind it move up", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves) - 2)
			l.leaves = slices.Delete(l.leaves, i, i+1)
			for j := i; j < len(l.leaves); j++ {
				l.leaves[j].seq--
			}
			return names(int64(i), int64(len(l.leaves)-1), LeafMoved), fmt.Sprint("leaves from ", i)
		}},
		{"a leaf is added, and those behind it move down", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(len(l.leaves) - 2)
			for j := i; j < len(l.leaves); j++ {
				l.leaves[j].seq++
			}
			l.leaves = slices.Insert(l.leaves, i, memoryLeaf{int64(i), exampleLeaf().Encode()})
			return names(int64(i), int64(i), LeafChanged, LeafUnclear), fmt.Sprint("leaf ", i)
		}},
		{"a leaf is changed with its hash", func(l *memoryLog) (func(Finding) bool, string) {
			i := random.IntN(int(l.checkpoints[len(l.checkpoints)-1].Size)) // behind the last checkpoint nothing shows it
			flip(l.leaves[i].data, random)
			l.rehash(i)
			return includes(int64(i), LeafChanged, Rewritten, LeafUnclear), fmt.Sprint("leaf ", i)
		}},
	}
}

func two(random *rand.Rand, n int) (int, int) {
	i, j := random.IntN(n-1), random.IntN(n-1)
	if j >= i {
		j++
	}
	return min(i, j), max(i, j)
}

// TestTamperingIsNamed changes one thing, or two, in logs of every shape, and wants the report to say what and where.
func TestTamperingIsNamed(t *testing.T) {
	t.Parallel()
	for size, every := range map[int]int{13: 5, 64: 16, 200: 40} {
		original := newLog(t, size, every)
		if r := original.verify(t); !r.OK() || r.Stored.Good != int64(len(original.checkpoints)) {
			t.Fatalf("a log as it was written: %+v", r)
		}
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		for range 15 {
			for _, one := range tamperings(random) {
				log := original.clone()
				want, what := one.do(log)
				r := log.verify(t)
				if !slices.ContainsFunc(r.Findings, want) {
					t.Fatalf("seed %d, %d leaves, %s: %s is not named:%s", seed, size, one.name, what, texts(r))
				}
				if len(r.Findings) > 25 {
					t.Errorf("seed %d, %d leaves, %s, %s: %d findings for one change:%s", seed, size, one.name, what, len(r.Findings), texts(r))
				}
			}
		}
	}
}

func texts(r *Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n\t%s: %s", f.Kind, f.Text)
	}
	return b.String()
}
