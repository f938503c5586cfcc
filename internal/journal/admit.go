package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const maxIDLength = 128

// Admission is what Admit commits for one signed request.
type Admission struct {
	Nonce *Nonce // nil for a call that nobody can repeat: the connection says who made it
	At    time.Time
	Job   *NewJob // nil for a request that was refused: its nonce is used up, and its leaves are recorded
	Begin bool    // the job starts at At, at once: Begin is part of the same commit

	Leaves [][]byte // for the audit, in this order
}

// NewJob is a job as it was decided.
type NewJob struct {
	ID         string // 1 to 128 bytes, unique
	Client     string
	DecisionID string
	Command    string
	Request    []byte // what was asked: opaque, enough to decide again
	Spec       []byte // what was decided: opaque, enough to run it after a restart
	Revision   string // of the policy that decided
	AcceptedAt time.Time
	Expires    time.Time // when it may no longer start; zero means never
	Callback   string    // where to report its end; "" means nowhere

	Labels map[string]string // up to 64, with names of 1 to 128 bytes and values of up to 1,024, all UTF-8
}

func (a Admission) check() error {
	if a.Nonce != nil {
		if err := a.Nonce.check(); err != nil {
			return err
		}
	}
	switch {
	case a.Job == nil && a.Begin:
		return fmt.Errorf("%w: there is no job to begin", ErrInvalid)
	case a.Job == nil:
		return nil
	case a.Job.Client == "" || a.Job.AcceptedAt.IsZero() || a.Begin && a.At.IsZero():
		return fmt.Errorf("%w: a job needs a client and its times", ErrInvalid)
	}
	return errors.Join(checkID(a.Job.ID), checkLabels(a.Job.Labels))
}

func checkID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("%w: an ID has 1 to %d bytes, not %d", ErrInvalid, maxIDLength, len(id))
	}
	return nil
}

// Admit commits the nonce and the job of a request: durability point A, and point B with it if a.Begin. Only after it returned nil may the job be
// promised to its caller or started. Otherwise nothing was stored and nothing may run: ErrNonceUsed, ErrNonceForgotten, ErrExists for a known job ID,
// ErrNoSpace, or another *Error.
func (j *Journal) Admit(ctx context.Context, a Admission) error {
	if err := a.check(); err != nil {
		return wrap("admit", err)
	}
	leaves, err := newLeaves(a.Leaves...)
	if err != nil {
		return wrap("admit", err)
	}
	size := 0
	if a.Job != nil {
		size += len(a.Job.Command) + len(a.Job.Request) + len(a.Job.Spec) + sizeOf(a.Job.Labels)
	}
	return j.writer.do(ctx, op{name: "admit", size: size, newWork: true, leaves: leaves, run: func(st *statements) error {
		if a.Nonce != nil {
			if err := a.Nonce.store(st); err != nil {
				return err
			}
		}
		if a.Job == nil {
			return nil
		}
		return a.storeJob(st)
	}})
}

func (a Admission) storeJob(st *statements) error {
	n, status, started := a.Job, Accepted, time.Time{}
	if a.Begin {
		status, started = Running, a.At
	}
	r, err := st.change(st.insertJob, n.ID, n.Client, n.DecisionID, string(status), n.AcceptedAt.UnixMicro(), micros(n.Expires), micros(started),
		n.Revision, n.Callback, n.Command, n.Request, n.Spec)
	switch {
	case isDuplicate(err):
		return fmt.Errorf("%w: job %s", ErrExists, n.ID)
	case err != nil:
		return err
	}
	st.counts.stored += int64(len(n.Command) + len(n.Request) + len(n.Spec))
	if len(n.Labels) == 0 {
		return nil
	}
	seq, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for name, value := range n.Labels {
		if err := st.exec(st.insertLabel, name, value, seq); err != nil {
			return err
		}
	}
	return nil
}

// Start is what Begin commits. Where DecisionID is not empty, the job was decided again since it was admitted: it runs under that decision, and its row
// names it from then on. Revision and Spec replace what was admitted too, and are ignored otherwise.
type Start struct {
	JobID      string
	At         time.Time
	DecisionID string
	Revision   string
	Spec       []byte

	Leaf []byte // for the audit; nil for none
}

// Begin commits that an accepted job starts, and the decision under which it does: durability point B. Only after it returned nil may the job's process
// be created. It answers ErrState if the job is not accepted any more and ErrNotFound if there is none.
func (j *Journal) Begin(ctx context.Context, s Start) error {
	if s.At.IsZero() {
		return wrap("begin", fmt.Errorf("%w: a job begins at some time", ErrInvalid))
	}
	leaves, err := optionalLeaf(s.Leaf)
	if err != nil {
		return wrap("begin", err)
	}
	return j.writer.do(ctx, op{name: "begin", size: len(s.Spec), leaves: leaves, run: func(st *statements) error {
		seq, spec, err := st.step(s.JobID, Running)
		if err != nil {
			return err
		}
		if s.DecisionID != "" {
			st.counts.stored += int64(len(s.Spec)) - spec
			if err := st.exec(st.redecideJob, s.DecisionID, s.Revision, s.Spec, seq); err != nil {
				return err
			}
		}
		return st.exec(st.beginJob, s.At.UnixMicro(), seq)
	}})
}
