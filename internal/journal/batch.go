package journal

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// errTouched says that an operation was refused after it had changed something, so that its transaction must not be committed.
var errTouched = errors.New("a refused operation has left something behind")

// errDoubtful says of a commit that failed that a crash now may bring it to life all the same: see settle.
var errDoubtful = errors.New("a crash may bring back what was not committed")

// way is how a batch is run.
type way struct {
	savepoints bool  // each operation in one of its own; see commit
	refusal    error // of new work; nil where it is checked
}

// commit commits a batch. Operations that are refused are so before they change anything, nearly always, and a savepoint for each costs as much as a
// quarter of the work. So there are none at first; where they turn out to be needed, everything is rolled back and run again with them.
//
// When there is no room for a batch that is not only new work, the ballast is given up and it is tried again without that.
func (w *writer) commit(batch []*op) (results []error, err error) {
	start := time.Now()
	if slices.ContainsFunc(batch, func(o *op) bool { return !o.newWork }) {
		w.relieve()
	}
	defer func() { w.tally.batch(results, time.Since(start), err) }()
	for how := (way{}); ; {
		results, err = w.transact(batch, how)
		switch {
		case err == nil:
			return results, nil
		case !how.savepoints && errors.Is(err, errTouched):
			how.savepoints = true
		case how.refusal == nil && w.release(batch, err):
			how.refusal = classify(err)
		default:
			return results, err
		}
	}
}

// release gives the ballast up, if there was no room for a batch and that may help.
func (w *writer) release(batch []*op, cause error) bool {
	if !errors.Is(classify(cause), ErrNoSpace) || !slices.ContainsFunc(batch, func(o *op) bool { return !o.newWork }) {
		return false
	}
	return w.dropBallast(cause)
}

// relieve gives the ballast up on a disk that is full, as soon as something goes on there: the WAL has headroom for what is recorded, but a job that waited
// needs a directory, and so does a gateway that starts.
func (w *writer) relieve() {
	if !w.ballast.heavy() {
		return
	}
	if free, err := w.free(); err == nil && free < bare {
		w.dropBallast(fmt.Errorf("%d bytes are free", free))
	}
}

// dropBallast gives the ballast up, and tells whether there was one.
func (w *writer) dropBallast(cause error) bool {
	released, err := w.ballast.release()
	if released {
		w.log.Error("the disk is full: the ballast is given up so that jobs can end, and new work is refused", "error", cause)
	}
	if err != nil {
		w.log.Error("the ballast could not be given up", "error", err)
	}
	if released { // before anybody else does
		if err := w.headroom.grow(); err != nil {
			w.log.Error("the room of the ballast is taken already", "error", err)
		}
	}
	return released
}

// transact runs a batch in one transaction. It returns each operation's own result, or one error for all of them if nothing was committed.
func (w *writer) transact(batch []*op, how way) (results []error, err error) {
	before := w.st.counts
	results = make([]error, len(batch))
	err = w.st.exec(w.st.begin)
	if err == nil && w.unsettled {
		err = w.st.exec(w.st.beat) // so that this commit writes something even if every operation is refused
	}
	if err == nil {
		err = w.runAll(batch, results, how)
	}
	if err != nil {
		w.rollback(before)
		return nil, err
	}
	if err := w.st.exec(w.st.commit); err != nil {
		w.rollback(before)
		w.unsettled = true
		if w.settle(); w.unsettled {
			err = fmt.Errorf("%w: %w", errDoubtful, err)
		}
		return nil, err
	}
	w.unsettled = false
	w.st.nonces.committed()
	w.tally.publish(&w.st.counts)
	if leaves := w.st.counts.tree.size - before.tree.size; leaves > 0 {
		w.appended(int(leaves))
	}
	return results, nil
}

// runAll runs the operations of a batch, and appends the leaves of those that succeeded to the audit. The error is one that the transaction does not
// survive.
func (w *writer) runAll(batch []*op, results []error, how way) error {
	space := sync.OnceValue(func() error {
		if how.refusal != nil {
			return how.refusal
		}
		return w.checkNew(w.st.reusableBytes)
	})
	stored := w.st.counts.stored
	var leaves []leaf
	for i, o := range batch {
		if o.newWork {
			if results[i] = space(); results[i] != nil {
				continue
			}
		}
		var err error
		if how.savepoints {
			results[i], err = w.savepoint(o)
		} else {
			results[i], err = w.run(o)
		}
		if err != nil {
			return err
		}
		if !o.newWork && w.ballast.heavy() && errors.Is(classify(results[i]), ErrNoSpace) {
			return results[i] // it gets another try
		}
		if results[i] != nil {
			continue
		}
		leaves = append(leaves, o.leaves...)
		if o.after != nil {
			more, err := o.after()
			if err != nil {
				return err
			}
			leaves = append(leaves, more...)
		}
	}
	if err := w.st.storeNonces(); err != nil {
		return err
	}
	if err := w.st.appendLeaves(leaves); err != nil || w.st.counts.stored == stored || !w.st.counts.noted {
		return err
	}
	w.st.counts.noted = false
	return w.st.exec(w.st.note, nil)
}

// run runs one operation. Its refusal has left no trace, or the second result is errTouched.
func (w *writer) run(o *op) (refusal, fatal error) {
	w.st.touched = false
	before := w.st.nonces.now()
	refusal = o.run(w.st)
	if refusal == nil {
		return nil, nil
	}
	if !w.st.untouched(refusal) {
		return nil, fmt.Errorf("%w: %w", errTouched, refusal)
	}
	w.st.nonces.back(before)
	return refusal, nil
}

// savepoint runs one operation so that its refusal leaves no trace. The second result is an error that the transaction does not survive.
func (w *writer) savepoint(o *op) (refusal, fatal error) {
	if err := w.st.exec(w.st.savepoint); err != nil {
		return nil, err
	}
	stored, nonces := w.st.counts.stored, w.st.nonces.now()
	refusal = o.run(w.st)
	if refusal != nil {
		w.st.counts.stored = stored
		w.st.nonces.back(nonces)
		// After some errors SQLite has rolled back everything by itself; then there is no savepoint to go back to, and the batch is lost.
		if err := w.st.exec(w.st.rollbackTo); err != nil {
			return nil, errors.Join(refusal, err)
		}
	}
	return refusal, w.st.exec(w.st.release)
}

// rollback leaves the transaction after a failure, with what was counted before it. That there may be none any more is not an error.
func (w *writer) rollback(before counts) {
	w.st.counts = before
	w.st.nonces.back(moment{})
	if err := w.st.exec(w.st.rollback); err != nil {
		w.log.Debug("journal: rollback after a failure", "error", err)
	}
}

// settle commits something harmless after a failed COMMIT. If the failure was the fsync, the WAL may hold the complete transaction, and a crash now
// would bring to life what its callers were told is not committed. The next commit writes over it; settle makes it come at once.
func (w *writer) settle() {
	err := w.st.exec(w.st.begin)
	if err == nil {
		err = w.st.exec(w.st.beat)
	}
	if err == nil {
		err = w.st.exec(w.st.commit)
	}
	if err != nil {
		w.rollback(w.st.counts)
		w.log.Error("the journal cannot be written", "error", err)
		return
	}
	w.unsettled = false
	w.tally.commits.Add(1)
}
