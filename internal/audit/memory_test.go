package audit

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A memoryLog is a log in memory, in the form of the journal's three tables. Tests change it under its keeper.
type memoryLog struct {
	mu          sync.Mutex
	key         *Key
	leaves      []memoryLeaf
	hashes      []memoryHash
	checkpoints []Signed
	fail        func(what string) error // may refuse an operation
}

type memoryLeaf struct {
	seq  int64
	data []byte
}

type memoryHash struct {
	index int64
	hash  []byte
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newLog makes a log of n leaves, with a checkpoint and its leaf behind every so many; 0 makes none.
func newLog(t testing.TB, n, every int) *memoryLog {
	t.Helper()
	log := &memoryLog{key: newKey(t)}
	for i := 0; len(log.leaves) < n; i++ {
		l := exampleLeaf()
		l.Time, l.Job = epoch.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("job-%d", i)
		log.append(l.Encode())
		if every > 0 && (i+1)%every == 0 {
			log.sign(t, epoch.Add(time.Duration(i)*time.Millisecond))
		}
	}
	return log
}

func newKey(t testing.TB) *Key {
	t.Helper()
	line, err := newPrivate("test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := parsePrivate(line)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (l *memoryLog) size() int64 { return int64(len(l.leaves)) }

func (l *memoryLog) append(leaf []byte) {
	n := l.size()
	hashes, err := tlog.StoredHashes(n, leaf, tlog.HashReaderFunc(l.readHashes))
	if err != nil {
		panic(err)
	}
	l.leaves = append(l.leaves, memoryLeaf{n, leaf})
	for i, h := range hashes {
		l.hashes = append(l.hashes, memoryHash{tlog.StoredHashIndex(0, n) + int64(i), h[:]})
	}
}

func (l *memoryLog) readHashes(indexes []int64) ([]Hash, error) {
	found := make([]Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(l.hashes)) || l.hashes[index].index != index {
			return nil, fmt.Errorf("hash %d is missing", index)
		}
		found[i] = Hash(l.hashes[index].hash)
	}
	return found, nil
}

// sign makes a checkpoint of what there is, and its leaf.
func (l *memoryLog) sign(t testing.TB, at time.Time) Signed {
	t.Helper()
	root, err := tlog.TreeHash(l.size(), tlog.HashReaderFunc(l.readHashes))
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.key.sign(Checkpoint{Size: l.size(), Root: root, Time: at})
	if err != nil {
		t.Fatal(err)
	}
	s := Signed{Size: l.size(), At: at, Note: text}
	l.checkpoints = append(l.checkpoints, s)
	l.append(Leaf{Type: CheckpointMade, Time: at, Checkpoint: text}.Encode())
	return s
}

// source shows the log sorted, as a database does.
func (l *memoryLog) source() Source {
	slices.SortStableFunc(l.leaves, func(a, b memoryLeaf) int { return cmp.Compare(a.seq, b.seq) })
	slices.SortStableFunc(l.hashes, func(a, b memoryHash) int { return cmp.Compare(a.index, b.index) })
	slices.SortStableFunc(l.checkpoints, func(a, b Signed) int { return cmp.Compare(a.Size, b.Size) })
	return Source{
		Leaves:      each(l.leaves, func(m memoryLeaf) Row { return Row{m.seq, m.data} }),
		Hashes:      each(l.hashes, func(m memoryHash) HashRow { return HashRow{m.index, m.hash} }),
		Checkpoints: each(l.checkpoints, func(s Signed) Signed { return s }),
	}
}

func each[From, To any](list []From, turn func(From) To) iter.Seq2[To, error] {
	return func(yield func(To, error) bool) {
		for _, v := range list {
			if !yield(turn(v), nil) {
				return
			}
		}
	}
}

// clone returns a copy that shares nothing but the key.
func (l *memoryLog) clone() *memoryLog {
	c := &memoryLog{key: l.key, checkpoints: slices.Clone(l.checkpoints)}
	for _, m := range l.leaves {
		c.leaves = append(c.leaves, memoryLeaf{m.seq, slices.Clone(m.data)})
	}
	for _, m := range l.hashes {
		c.hashes = append(c.hashes, memoryHash{m.index, slices.Clone(m.hash)})
	}
	return c
}

func (l *memoryLog) verify(t testing.TB, kept ...*Kept) *Report {
	t.Helper()
	r, err := Verify(context.Background(), l.source(), Expect{Keys: l.key.Known(), Kept: kept})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// leafOf returns the last leaf below a stored hash.
func (l *memoryLog) leafOf(index int) int64 {
	level, n := tlog.SplitStoredHashIndex(int64(index))
	return (n+1)<<level - 1
}

func (l *memoryLog) dropHashes(indexes ...int64) {
	l.hashes = slices.DeleteFunc(l.hashes, func(h memoryHash) bool { return slices.Contains(indexes, h.index) })
}

// rehashNode makes a hash fit the two below it.
func (l *memoryLog) rehashNode(index, left, right int) {
	h := tlog.NodeHash(Hash(l.hashes[left].hash), Hash(l.hashes[right].hash))
	l.hashes[index].hash = h[:]
}

// rehash makes the hash of a leaf fit the leaf, and leaves those above as they are.
func (l *memoryLog) rehash(i int) {
	h := tlog.RecordHash(l.leaves[i].data)
	l.hashes[tlog.StoredHashIndex(0, int64(i))].hash = h[:]
}

// The methods of Tree and Store. Each may be refused by fail, or held up.

func (l *memoryLog) may(what string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(what)
}

func (l *memoryLog) AuditSize(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size(), l.may("size")
}

func (l *memoryLog) ReadHashes(indexes []int64) ([]Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.may("hashes"); err != nil {
		return nil, err
	}
	return l.readHashes(indexes)
}

func (l *memoryLog) AddCheckpoint(_ context.Context, s Signed, leaf []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.may("add"); err != nil {
		return err
	}
	l.checkpoints = append(l.checkpoints, s)
	l.append(leaf)
	return nil
}

func (l *memoryLog) Checkpoints(_ context.Context, after int64, limit int) ([]Signed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.checkpoints, func(s Signed) bool { return s.Size > after })
	if i < 0 {
		return nil, l.may("list")
	}
	return slices.Clone(l.checkpoints[i:min(i+limit, len(l.checkpoints))]), l.may("list")
}

var (
	_ Tree  = (*memoryLog)(nil)
	_ Store = (*memoryLog)(nil)
)
