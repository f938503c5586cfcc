package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The defaults of MakerConfig.
const (
	DefaultInterval = 10 * time.Second
	DefaultLeaves   = 1000
)

// closing is how long Run goes on after its context ended: for the last checkpoint, and then for the sinks.
const closing = 5 * time.Second

// A Tree is the log as far as it is signed: its size and its hashes. Its methods are called concurrently.
type Tree interface {
	// AuditSize returns the number of leaves that are on disk.
	AuditSize(ctx context.Context) (int64, error)
	// ReadHashes returns stored hashes by their index.
	tlog.HashReader
}

// A Store keeps checkpoints. Its methods are called concurrently.
type Store interface {
	// AddCheckpoint commits a checkpoint together with the leaf that tells of it.
	AddCheckpoint(ctx context.Context, s Signed, leaf []byte) error
	// Checkpoints returns up to limit checkpoints of more leaves than after, in the order of their size.
	Checkpoints(ctx context.Context, after int64, limit int) ([]Signed, error)
}

// MakerConfig says what is signed, when, and who is told. Fields without a default are required.
type MakerConfig struct {
	Tree  Tree
	Store Store
	Key   *Key
	Last  Signed // the newest stored checkpoint; zero when there is none

	Interval time.Duration // between two checkpoints, at most, while leaves are written; default DefaultInterval
	Leaves   int64         // after so many there is a checkpoint at once; default DefaultLeaves

	Sinks  []Sink
	Logger *slog.Logger // default: no log
}

// A Maker signs checkpoints as the log grows, and sends them out. Make it with NewMaker, call Run once, and Appended after each commit.
//
// It never signs what contradicts what it signed before: when the log has become shorter, or is another one, it stops signing for good and says so.
type Maker struct {
	cfg      MakerConfig
	log      *slog.Logger
	started  atomic.Bool
	appended atomic.Int64  // leaves since the last checkpoint
	wake     chan struct{} // has one place
	sinks    []*sender

	mu     sync.Mutex // guards what follows
	last   Checkpoint // zero when there is none
	broken error
}

// NewMaker checks cfg, and holds the log against the newest checkpoint that is stored and against the newest that each sink has. Where they
// contradict each other there is a Maker all the same, which signs nothing, so that the gateway can go on to write down what happens: Broken says why,
// and somebody should be told. An error means that the log could not be read.
func NewMaker(ctx context.Context, cfg MakerConfig) (*Maker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Maker{cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1)}
	if err := m.resume(ctx); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return m, nil
}

func (cfg MakerConfig) withDefaults() (MakerConfig, error) {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Leaves == 0 {
		cfg.Leaves = DefaultLeaves
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Tree == nil || cfg.Store == nil || cfg.Key == nil:
		return cfg, errors.New("audit: Tree, Store and Key are required")
	case cfg.Interval < 0 || cfg.Leaves < 0:
		return cfg, errors.New("audit: interval and leaves must be positive")
	}
	names := map[string]bool{}
	for _, s := range cfg.Sinks {
		if s.Name == "" || s.Send == nil || names[s.Name] {
			return cfg, errors.New("audit: every sink needs a name of its own and a function")
		}
		names[s.Name] = true
	}
	return cfg, nil
}

// Last returns the newest checkpoint; zero when there is none.
func (m *Maker) Last() Checkpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Appended says that so many leaves were committed. It never blocks.
func (m *Maker) Appended(leaves int) {
	if m.appended.Add(int64(leaves)) < m.cfg.Leaves {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run signs and sends until ctx ends. Then it signs what is not signed yet, offers it to the sinks once more, and returns, 10 s later at most. Whoever
// writes leaves should be done before. It returns an error only when it is called twice.
func (m *Maker) Run(ctx context.Context) error {
	if !m.started.CompareAndSwap(false, true) {
		return errors.New("audit: Run was called twice")
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var sinks sync.WaitGroup
	last := make(chan struct{})
	for _, s := range m.sinks {
		sinks.Go(func() { s.run(sending, last) })
	}
	m.loop(ctx)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	m.sign(ending)
	cancel()
	close(last)
	time.AfterFunc(closing, stop)
	sinks.Wait()
	return nil
}

func (m *Maker) loop(ctx context.Context) {
	timer := time.NewTimer(m.cfg.Interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-timer.C:
		}
		m.sign(ctx)
		timer.Reset(m.cfg.Interval)
	}
}

// sign makes a checkpoint if there is something to sign. What fails is tried again when it is time for the next.
func (m *Maker) sign(ctx context.Context) {
	m.appended.Store(0)
	switch made, err := m.checkpoint(ctx); {
	case err != nil && ctx.Err() == nil:
		m.log.Warn("no checkpoint of the audit log could be made; it is tried again", "error", err)
	case err == nil && made:
		for _, s := range m.sinks {
			s.wakeUp()
		}
	}
}

// checkpoint signs the log as it is, and commits it. It answers false where there is nothing new but the leaf of the last checkpoint.
func (m *Maker) checkpoint(ctx context.Context) (bool, error) {
	last := m.Last()
	size, err := m.cfg.Tree.AuditSize(ctx)
	if err != nil || m.Broken() != nil || size == 0 || last.Size > 0 && size == last.Size+1 {
		return false, err
	}
	next, err := m.next(last, size)
	if err != nil || m.Broken() != nil {
		return false, err
	}
	text, err := m.cfg.Key.sign(next)
	if err != nil {
		return false, err
	}
	leaf := Leaf{Type: CheckpointMade, Time: next.Time, Checkpoint: text}
	if err := m.cfg.Store.AddCheckpoint(ctx, Signed{next.Size, next.Time, text}, leaf.Encode()); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = next
	return true, nil
}
