package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A world is a Maker at work on a log in memory, in time that passes when everybody waits.
type world struct {
	*testing.T
	log   *memoryLog
	maker *Maker
	said  *bytes.Buffer // what was logged
	stop  func()        // ends Run and waits for it
}

func inWorld(t *testing.T, leaves, every int, cfg MakerConfig, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newLog(t, leaves, every), cfg)
		do(w)
		w.stop()
	})
}

func newWorld(t *testing.T, log *memoryLog, cfg MakerConfig) *world {
	t.Helper()
	w := &world{T: t, log: log, said: new(bytes.Buffer)}
	cfg.Tree, cfg.Store, cfg.Key = w.log, w.log, w.log.key
	cfg.Logger = slog.New(slog.NewTextHandler(w.said, nil))
	if n := len(log.checkpoints); n > 0 && cfg.Last.Note == "" {
		cfg.Last = log.checkpoints[n-1]
	}
	var err error
	if w.maker, err = NewMaker(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.maker.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// add appends leaves and says so.
func (w *world) add(n int) {
	w.log.mu.Lock()
	for range n {
		w.log.append(exampleLeaf().Encode())
	}
	w.log.mu.Unlock()
	w.maker.Appended(n)
	synctest.Wait()
}

// refuse has one operation of the log fail.
func (w *world) refuse(what string) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.fail = func(which string) error {
		if which == what {
			return errors.New("disk full")
		}
		return nil
	}
}

func (w *world) signed() []int64 {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	sizes := []int64{}
	for _, c := range w.log.checkpoints {
		sizes = append(sizes, c.Size)
	}
	return sizes
}

func (w *world) want(sizes ...int64) {
	w.Helper()
	synctest.Wait()
	if got := w.signed(); !slices.Equal(got, sizes) {
		w.Fatalf("checkpoints of %v, want %v", got, sizes)
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestWhenCheckpointsAreMade: after an interval, after enough leaves, at the end; and not where there is nothing new.
func TestWhenCheckpointsAreMade(t *testing.T) {
	t.Parallel()
	inWorld(t, 0, 0, MakerConfig{}, func(w *world) {
		pass(time.Minute)
		w.want() // nothing to sign
		w.add(3)
		pass(10 * time.Second)
		w.want(3)
		pass(time.Hour)
		w.want(3) // nothing but its own leaf
		w.add(1)
		pass(10 * time.Second)
		w.want(3, 5)
		w.add(999)
		w.want(3, 5)
		w.add(1)
		w.want(3, 5, 1006) // at once
		pass(9 * time.Second)
		w.add(1)
		w.want(3, 5, 1006)
		pass(time.Second)
		w.want(3, 5, 1006, 1008)
		w.add(7)
		w.stop()
		w.want(3, 5, 1006, 1008, 1016)
		if r := w.log.verify(w.T); !r.OK() || r.Stored.Good != 5 || r.Stored.Covered != 1016 {
			w.Errorf("%+v%s", r, texts(r))
		}
		if w.said.Len() > 0 {
			w.Error(w.said)
		}
	})
}

// TestMakerGoesOn: a Maker on a log that has checkpoints goes on from the last.
func TestMakerGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, 11, 10, MakerConfig{Interval: time.Second, Leaves: 2}, func(w *world) {
		pass(time.Hour)
		w.want(10)
		w.add(1)
		pass(time.Second)
		w.want(10, 12)
		w.add(2)
		w.want(10, 12, 15)
		if last := w.maker.Last(); last.Size != 15 || !last.Time.Equal(time.Now()) || last.Origin != w.log.key.Origin() {
			w.Errorf("%+v", last)
		}
	})
}

// TestStoreFails: what cannot be committed is tried again, and never sent.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	var sent []string
	sink := Sink{Name: "a", Send: func(_ context.Context, c string) error { sent = append(sent, c); return nil }}
	for _, what := range []string{"size", "hashes", "add"} {
		sent = nil
		inWorld(t, 5, 0, MakerConfig{Sinks: []Sink{sink}}, func(w *world) {
			w.refuse(what)
			pass(time.Minute)
			w.want()
			if n := strings.Count(w.said.String(), "level=WARN"); n != 6 || len(sent) != 0 {
				w.Errorf("%s: %d warnings, %d sent: %s", what, n, len(sent), w.said)
			}
			w.refuse("")
			pass(10 * time.Second)
			w.want(5)
			if len(sent) != 1 || w.maker.Broken() != nil {
				w.Errorf("%s: %d sent, %v", what, len(sent), w.maker.Broken())
			}
		})
	}
}

// TestContradictions: nothing is signed that contradicts what was.
func TestContradictions(t *testing.T) {
	t.Parallel()
	cut := func(l *memoryLog, n int64) {
		l.leaves, l.hashes = l.leaves[:n], l.hashes[:tlog.StoredHashCount(n)]
	}
	for _, test := range []struct {
		name string
		do   func(l *memoryLog)
		want string
	}{
		{"changed", func(l *memoryLog) { l.leaves[3].data[20]++; l.rewrite() },
			"the first 21 leaves are not what the last one, of 2026-03-01T12:00:00.019Z, signed"},
		{"cut off", func(l *memoryLog) { cut(l, 15) }, "the last one, of 2026-03-01T12:00:00.019Z, signed 21 leaves, and there are 15"},
		{"cut off at the checkpoint", func(l *memoryLog) { cut(l, 21) }, "the last one, of 2026-03-01T12:00:00.019Z, signed 21 leaves, and there are 21"},
	} {
		inWorld(t, 22, 10, MakerConfig{}, func(w *world) { // while it runs
			w.log.mu.Lock()
			test.do(w.log)
			w.log.mu.Unlock()
			w.add(1)
			if test.name != "changed" {
				w.log.mu.Lock()
				test.do(w.log)
				w.log.mu.Unlock()
			}
			before := w.signed()
			pass(time.Minute)
			w.add(5000)
			w.want(before...)
			err := w.maker.Broken()
			if !errors.Is(err, ErrContradiction) || !strings.HasSuffix(err.Error(), test.want) || strings.Count(w.said.String(), "level=ERROR") != 1 {
				w.Errorf("%s: %v\n%s", test.name, err, w.said)
			}
		})
	}
}

// TestContradictionsAtStart: the log is held against what is stored, and against what a sink has.
func TestContradictionsAtStart(t *testing.T) {
	t.Parallel()
	original, other := newLog(t, 22, 10), newLog(t, 22, 10)
	older := original.clone()
	older.leaves, older.hashes, older.checkpoints = older.leaves[:12], older.hashes[:tlog.StoredHashCount(12)], older.checkpoints[:1]
	changed := original.clone()
	changed.leaves[3].data[20]++
	changed.rewrite()
	newest := original.checkpoints[1]
	for _, test := range []struct {
		name string
		log  *memoryLog
		last Signed
		sink string
		want string
	}{
		{"all is well", original, newest, newest.Note, ""},
		{"a sink of another log", original, newest, other.checkpoints[1].Note, ""},
		{"a sink that holds nonsense", original, newest, "x", ""},
		{"an older copy", older, original.checkpoints[0], newest.Note, "the newest in file, of 2026-03-01T12:00:00.019Z, signed 21 leaves, and there are 12"},
		{"an older copy, of which the newest checkpoint is stored", older, newest, "", "the newest stored one, of 2026-03-01T12:00:00.019Z, signed 21 leaves, and there are 12"},
		{"changed", changed, newest, "", "the first 21 leaves are not what the newest stored one, of 2026-03-01T12:00:00.019Z, signed"},
		{"forged", original, Signed{Size: 21, Note: strings.Replace(newest.Note, "\n21\n", "\n20\n", 1)}, "",
			"the newest stored one: the signature does not hold: it is not by key " + keyNameOf(original.key)},
	} {
		m, err := NewMaker(t.Context(), MakerConfig{Tree: test.log, Store: test.log, Key: test.log.key, Last: test.last,
			Sinks: []Sink{{Name: "file", Send: func(context.Context, string) error { return nil }, Last: test.sink}}})
		if err != nil {
			t.Fatal(err)
		}
		err = m.Broken()
		if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, ErrContradiction) || !strings.HasSuffix(err.Error(), ": "+test.want)) {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
		if made, err := m.checkpoint(t.Context()); made || err != nil { // there is nothing new
			t.Errorf("%s: %v, %v", test.name, made, err)
		}
	}
}

func TestMakerRefuses(t *testing.T) {
	t.Parallel()
	log := newLog(t, 3, 0)
	send := func(context.Context, string) error { return nil }
	good := MakerConfig{Tree: log, Store: log, Key: log.key}
	for _, test := range []struct {
		change func(*MakerConfig)
		want   string
	}{
		{func(c *MakerConfig) { c.Tree = nil }, "audit: Tree, Store and Key are required"},
		{func(c *MakerConfig) { c.Key = nil }, "audit: Tree, Store and Key are required"},
		{func(c *MakerConfig) { c.Interval = -1 }, "audit: interval and leaves must be positive"},
		{func(c *MakerConfig) { c.Leaves = -1 }, "audit: interval and leaves must be positive"},
		{func(c *MakerConfig) { c.Sinks = []Sink{{Name: "a"}} }, "audit: every sink needs a name of its own and a function"},
		{func(c *MakerConfig) { c.Sinks = []Sink{{Name: "a", Send: send}, {Name: "a", Send: send}} }, "audit: every sink needs a name of its own and a function"},
	} {
		c := good
		test.change(&c)
		if _, err := NewMaker(t.Context(), c); fmt.Sprint(err) != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	log.fail = func(string) error { return errors.New("broken") }
	if _, err := NewMaker(t.Context(), good); fmt.Sprint(err) != "audit: broken" {
		t.Error(err)
	}
	log.fail = nil
	m, err := NewMaker(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ended); err != nil {
		t.Error(err)
	}
	if err := m.Run(ended); err == nil {
		t.Error("it ran twice")
	}
}
