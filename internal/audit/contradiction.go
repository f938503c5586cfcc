package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrContradiction says that the log is not the one that was signed before: it was changed, cut off, or replaced by an older copy.
var ErrContradiction = errors.New("the audit log contradicts a checkpoint that was signed before")

// resume holds the log against what is known of it.
func (m *Maker) resume(ctx context.Context) error {
	size, err := m.cfg.Tree.AuditSize(ctx)
	if err != nil {
		return err
	}
	if m.cfg.Last.Note != "" {
		if m.last, err = openCheckpoint(m.cfg.Last.Note, m.cfg.Key.Known()); err != nil {
			m.give(fmt.Errorf("%w: the newest stored one: %w", ErrContradiction, err))
			m.last = Checkpoint{Size: m.cfg.Last.Size}
		} else if err := m.consistent(m.last, "the newest stored one", size); err != nil {
			return err
		}
	}
	for _, s := range m.cfg.Sinks {
		known, err := openCheckpoint(s.Last, m.cfg.Key.Known())
		if err == nil { // what is of another log, or of an earlier key that is forgotten, says nothing of this one
			if err := m.consistent(known, "the newest in "+s.Name, size); err != nil {
				return err
			}
		}
		m.sinks = append(m.sinks, newSender(m, s, known.Size))
	}
	return nil
}

// consistent holds the log against a checkpoint that was signed before. The error is one of reading.
func (m *Maker) consistent(c Checkpoint, which string, size int64) error {
	if c.Size > size {
		m.give(fmt.Errorf("%w: %s, of %s, signed %d leaves, and there are %d", ErrContradiction, which, moment(c.Time), c.Size, size))
		return nil
	}
	root, err := tlog.TreeHash(c.Size, m.cfg.Tree)
	if err == nil && root != c.Root {
		m.give(fmt.Errorf("%w: the first %d leaves are not what %s, of %s, signed", ErrContradiction, c.Size, which, moment(c.Time)))
	}
	return err
}

// give gives signing up.
func (m *Maker) give(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken == nil {
		m.broken = err
		m.log.Error("the audit log is not signed any more: keep a copy of the state directory as evidence, and run sidegate audit verify", "error", err)
	}
}

// Broken says why nothing is signed any more; nil while all is well. The error is ErrContradiction.
func (m *Maker) Broken() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken
}

// next describes the log as it is, once it is sure that it goes on from the last checkpoint.
func (m *Maker) next(last Checkpoint, size int64) (Checkpoint, error) {
	next := Checkpoint{Origin: m.cfg.Key.Origin(), Size: size, Time: time.Now().UTC().Truncate(time.Microsecond)}
	if size <= last.Size {
		m.give(fmt.Errorf("%w: the last one, of %s, signed %d leaves, and there are %d", ErrContradiction, moment(last.Time), last.Size, size))
		return next, nil
	}
	var err error
	if next.Root, err = tlog.TreeHash(size, m.cfg.Tree); err != nil || last.Size == 0 {
		return next, err
	}
	proof, err := tlog.ProveTree(size, last.Size, m.cfg.Tree)
	if err != nil {
		return next, err
	}
	if tlog.CheckTree(proof, size, next.Root, last.Size, last.Root) != nil {
		m.give(fmt.Errorf("%w: the first %d leaves are not what the last one, of %s, signed", ErrContradiction, last.Size, moment(last.Time)))
	}
	return next, nil
}
