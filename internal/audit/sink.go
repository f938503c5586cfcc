package audit

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A Sink is a place outside of the log that checkpoints are sent to.
type Sink struct {
	Name string // for logs and figures; not of another sink
	// Send delivers one checkpoint: text that ends with a line feed. It is called for one at a time, in the order in which they were made, and for
	// each again until it returns nil, with a context that ends after a minute. It may get one again that it has.
	Send func(ctx context.Context, checkpoint string) error
	// Last is the newest checkpoint that the sink has; "" if that is not known. Then the newest one of the log is sent first.
	Last string
}

const (
	sendTimeout = time.Minute
	firstPause  = time.Second
	maxPause    = 5 * time.Minute
	sendBatch   = 100
)

// A sender brings checkpoints to one sink. It keeps none: what is not sent yet is read from the store, so that a sink that is away for days costs
// nothing, and misses nothing when it is back.
type sender struct {
	sink  Sink
	store Store
	log   *slog.Logger
	wake  chan struct{} // has one place
	known bool          // what the sink has

	mu    sync.Mutex // guards what follows
	state SinkState
}

// SinkState is how a sink is doing.
type SinkState struct {
	Name     string
	Size     int64     // of the largest checkpoint that it has
	Failures int       // in a row
	Since    time.Time // of the first of them; zero while there is none
}

func newSender(m *Maker, s Sink, size int64) *sender {
	known := size > 0
	if !known { // the newest is sent again, for it may be what a crash kept from being sent
		size = max(m.last.Size-1, 0)
	}
	return &sender{sink: s, store: m.cfg.Store, log: m.log.With("sink", s.Name), wake: make(chan struct{}, 1), known: known, state: SinkState{Name: s.Name, Size: size}}
}

// Sinks says how the sinks are doing, in the order of the configuration.
func (m *Maker) Sinks() []SinkState {
	all := make([]SinkState, len(m.sinks))
	for i, s := range m.sinks {
		all[i] = s.now()
	}
	return all
}

func (s *sender) now() SinkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *sender) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends, or until everything was tried once more after last is closed.
func (s *sender) run(ctx context.Context, last <-chan struct{}) {
	pause := firstPause
	for {
		err := s.flush(ctx)
		if err == nil {
			pause = firstPause
			select {
			case <-s.wake:
			case <-last:
				_ = s.flush(ctx)
				return
			case <-ctx.Done():
				return
			}
			continue
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
			pause = min(2*pause, maxPause)
		case <-last:
			_ = s.flush(ctx)
			return
		case <-ctx.Done():
			return
		}
	}
}

// flush sends everything that is stored and was not sent.
func (s *sender) flush(ctx context.Context) error {
	for {
		waiting, err := s.store.Checkpoints(ctx, s.now().Size, sendBatch)
		if err != nil {
			return s.failed(ctx, err)
		}
		for _, c := range waiting {
			if err := s.send(ctx, c); err != nil {
				return s.failed(ctx, err)
			}
		}
		if len(waiting) < sendBatch {
			return nil
		}
	}
}

func (s *sender) send(ctx context.Context, c Signed) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := s.sink.Send(ctx, c.Note); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Failures > 0 {
		s.log.Info("checkpoints of the audit log are sent again", "failures", s.state.Failures, "size", c.Size)
	}
	s.state = SinkState{Name: s.sink.Name, Size: c.Size}
	return nil
}

func (s *sender) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Failures++; s.state.Failures == 1 {
		s.state.Since = time.Now()
	}
	s.log.Warn("a checkpoint of the audit log could not be sent; it is tried again", "failures", s.state.Failures, "error", err)
	return err
}
