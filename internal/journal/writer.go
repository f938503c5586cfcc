package journal

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime"
	"sync"
)

const (
	maxBatch      = 256     // operations per commit
	maxBatchBytes = 8 << 20 // what a batch may carry before it is committed; one larger operation is a batch by itself
)

// op is one operation in the writer's queue.
type op struct {
	name    string   // for errors
	size    int      // roughly the bytes it stores
	newWork bool     // refused below the low-water mark
	leaves  []leaf   // for the audit, if it succeeds
	files   []string // of the spool, that what it stores names; some may be ""
	run     func(*statements) error
	after   func() ([]leaf, error) // more leaves, of what only the run tells; may be nil
	answer  chan error
}

// writer is the only one that changes the journal. Its goroutine takes all operations that wait and commits them together: one fsync costs the same
// for one and for two hundred.
type writer struct {
	appended    func(leaves int)
	log         *slog.Logger
	checkNew    func(reusable func() (int64, error)) error // whether new work can be taken
	free        func() (int64, error)                      // bytes of the disk
	ballast     *ballast
	headroom    *headroom
	db          *sql.DB
	conn        *sql.Conn
	st          *statements
	unsettled   bool     // the last COMMIT failed, see settle; belongs to the writer goroutine
	doubtful    []string // files of commits that failed and that a crash may bring back; the same
	removeFiles func(names ...string)

	tally *tally

	mu     sync.RWMutex // held for reading while an operation is put into ops, so that stop can close it
	closed bool
	ops    chan *op
	done   chan struct{} // closed when the goroutine has ended
}

// openWriter opens the writing connection of a journal, brings the schema forward and prepares every statement. The caller starts loop.
func openWriter(ctx context.Context, path string, j *Journal) (*writer, error) {
	db, conn, err := openConn(ctx, writerDSN(path, j.synchronous))
	if err != nil {
		return nil, err
	}
	w := &writer{
		log: j.log, checkNew: j.checkNew, removeFiles: j.spool.remove, free: func() (int64, error) { return j.free(j.dir) }, ballast: j.ballast, db: db, conn: conn, st: new(statements), appended: j.appended,
		ops: make(chan *op, maxBatch), done: make(chan struct{}), tally: newTally(),
	}
	if err := checkPragmas(ctx, conn, j.synchronous); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := migrate(ctx, conn, migrations); err != nil {
		return nil, errors.Join(err, w.close())
	}
	shrinks, err := convert(ctx, conn, j.log)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.st, err = prepare(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.st.shrinks = shrinks
	if err := w.st.counts.loadNote(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.st.counts.tree, err = loadTree(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.st.nonces, err = loadNonces(ctx, conn); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := conn.QueryRowContext(ctx, "SELECT floor FROM meta").Scan(&w.st.counts.floor); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.tally.publish(&w.st.counts)
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
	for _, l := range o.leaves {
		o.size += len(l.data)
	}
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
		// Callers that the last commit woke come back in this moment; letting them run first, as long as more of them come, makes one large batch of two
		// small ones. One caller alone is not kept waiting.
		for n := -1; n != len(w.ops); {
			n = len(w.ops)
			runtime.Gosched()
		}
		batch = w.gather(append(batch, o))
		results, err := w.commit(batch)
		w.keepDoubtful(batch, err)
		if err == nil && w.st.shrunk {
			w.st.shrunk = false
			if err := w.st.exec(w.st.checkpoint); err != nil {
				w.log.Debug("journal: the file gets shorter later", "error", err)
			}
		}
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
	w.noteStored()
}

// keepDoubtful keeps the files of a commit that failed as long as a crash could bring it to life, which one that succeeds rules out.
func (w *writer) keepDoubtful(batch []*op, err error) {
	switch {
	case err == nil && len(w.doubtful) > 0:
		w.removeFiles(w.doubtful...)
		w.doubtful = nil
	case errors.Is(err, errDoubtful):
		for _, o := range batch {
			w.doubtful = append(w.doubtful, o.files...)
		}
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

// Writable tells whether new work could be committed now: it checks the low-water mark and makes a real commit of one changed row. It costs an fsync,
// which simultaneous callers and other operations share.
func (j *Journal) Writable(ctx context.Context) error {
	return j.writer.do(ctx, op{name: "probe", newWork: true, run: func(st *statements) error { return st.exec(st.beat) }})
}
