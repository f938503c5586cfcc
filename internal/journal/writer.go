package journal

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	maxBatch      = 256     // operations per commit
	maxBatchBytes = 8 << 20 // what a batch may carry before it is committed; one larger operation is a batch by itself
)

// op is one operation in the writer's queue.
type op struct {
	name    string // for errors
	size    int    // roughly the bytes it stores
	newWork bool   // refused below the low-water mark
	run     func(*statements) error
	answer  chan error
}

// writer is the only one that changes the journal. Its goroutine takes all operations that wait and commits them together: one fsync costs the same
// for one and for two hundred.
type writer struct {
	log        *slog.Logger
	checkSpace func(reusable func() (int64, error)) error
	db         *sql.DB
	conn       *sql.Conn
	st         *statements
	unsettled  bool // the last COMMIT failed, see settle; belongs to the writer goroutine

	commits, operations atomic.Uint64

	mu     sync.RWMutex // held for reading while an operation is put into ops, so that stop can close it
	closed bool
	ops    chan *op
	done   chan struct{} // closed when the goroutine has ended
}

// openWriter opens the writing connection, brings the schema forward and prepares every statement. The caller starts loop.
func openWriter(ctx context.Context, path string, log *slog.Logger, checkSpace func(func() (int64, error)) error) (*writer, error) {
	db, conn, err := openConn(ctx, writerDSN(path))
	if err != nil {
		return nil, err
	}
	w := &writer{
		log: log, checkSpace: checkSpace, db: db, conn: conn, st: new(statements),
		ops: make(chan *op, maxBatch), done: make(chan struct{}),
	}
	if err := checkPragmas(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := migrate(ctx, conn, migrations); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.st, err = prepare(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// close closes the connection; the goroutine has ended or was never started.
func (w *writer) close() error { return errors.Join(w.st.close(), w.conn.Close(), w.db.Close()) }

// stop refuses new operations and waits until the queued ones are answered. It tells whether this call was the one that stopped the writer.
func (w *writer) stop() bool {
	w.mu.Lock()
	first := !w.closed
	if first {
		w.closed = true
		close(w.ops)
	}
	w.mu.Unlock()
	<-w.done
	return first
}

// do queues an operation and waits for its answer. Only the queueing is subject to ctx.
func (w *writer) do(ctx context.Context, o op) error {
	o.answer = make(chan error, 1)
	if err := w.enqueue(ctx, &o); err != nil {
		return wrap(o.name, err)
	}
	return wrap(o.name, <-o.answer)
}

func (w *writer) enqueue(ctx context.Context, o *op) error {
	if err := ctx.Err(); err != nil { // a select picks at random when both are ready
		return err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.ops <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loop is the writer goroutine.
func (w *writer) loop() {
	defer close(w.done)
	batch := make([]*op, 0, maxBatch)
	for o := range w.ops {
		// Callers that the last commit woke come back in this moment; letting them run first makes one large batch of two small ones.
		runtime.Gosched()
		batch = w.gather(append(batch, o))
		results, err := w.transact(batch)
		for i, o := range batch {
			if err != nil {
				o.answer <- err
			} else {
				o.answer <- results[i]
			}
		}
		clear(batch)
		batch = batch[:0]
	}
	if w.unsettled {
		w.settle()
	}
}

// gather adds to the batch what waits already, without waiting for more.
func (w *writer) gather(batch []*op) []*op {
	size := batch[0].size
	for len(batch) < maxBatch && size < maxBatchBytes {
		select {
		case o, ok := <-w.ops:
			if !ok {
				return batch
			}
			batch = append(batch, o)
			size += o.size
		default:
			return batch
		}
	}
	return batch
}

// transact runs a batch in one transaction. It returns each operation's own result, or one error for all of them if nothing was committed.
func (w *writer) transact(batch []*op) ([]error, error) {
	space := sync.OnceValue(func() error { return w.checkSpace(w.st.reusableBytes) })
	results := make([]error, len(batch))
	err := w.st.exec(w.st.begin)
	if err == nil && w.unsettled {
		err = w.st.exec(w.st.beat) // so that this commit writes something even if every operation is refused
	}
	if err != nil {
		w.rollback()
		return nil, err
	}
	for i, o := range batch {
		if o.newWork {
			if results[i] = space(); results[i] != nil {
				continue
			}
		}
		if results[i], err = w.savepoint(o); err != nil {
			w.rollback()
			return nil, err
		}
	}
	if err := w.st.exec(w.st.commit); err != nil {
		w.rollback()
		w.unsettled = true
		w.settle()
		return nil, err
	}
	w.unsettled = false
	w.commits.Add(1)
	w.operations.Add(uint64(len(batch)))
	return results, nil
}

// savepoint runs one operation so that its refusal leaves no trace. The second result is an error that the transaction does not survive.
func (w *writer) savepoint(o *op) (refusal, fatal error) {
	if err := w.st.exec(w.st.savepoint); err != nil {
		return nil, err
	}
	refusal = o.run(w.st)
	if refusal != nil {
		// After some errors SQLite has rolled back everything by itself; then there is no savepoint to go back to, and the batch is lost.
		if err := w.st.exec(w.st.rollbackTo); err != nil {
			return nil, errors.Join(refusal, err)
		}
	}
	return refusal, w.st.exec(w.st.release)
}

// rollback leaves the transaction after a failure. That there may be none any more is not an error.
func (w *writer) rollback() {
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
		w.rollback()
		w.log.Error("the journal cannot be written", "error", err)
		return
	}
	w.unsettled = false
	w.commits.Add(1)
}

// Stats counts what the writer did since Open.
type Stats struct {
	Commits    uint64 // transactions, each with at most one fsync
	Operations uint64 // operations in them, refused ones included
	Queued     int    // operations that wait now
}

// Stats returns the writer's counters.
func (j *Journal) Stats() Stats {
	return Stats{Commits: j.writer.commits.Load(), Operations: j.writer.operations.Load(), Queued: len(j.writer.ops)}
}

// Writable tells whether new work could be committed now: it checks the low-water mark and makes a real commit of one changed row. It costs an fsync,
// which simultaneous callers and other operations share.
func (j *Journal) Writable(ctx context.Context) error {
	return j.writer.do(ctx, op{name: "probe", newWork: true, run: func(st *statements) error { return st.exec(st.beat) }})
}
