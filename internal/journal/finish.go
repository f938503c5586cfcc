package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"
)

// Outcome is how a job ended.
type Outcome struct {
	JobID    string
	Status   Status // one that is Final
	ExitCode int
	Signal   string // the signal that ended the process, if one did
	Reason   string // why it failed, was killed or interrupted; for people
	At       time.Time
	Duration time.Duration // stored in microseconds

	Stdout, Stderr Stream
	Result         []byte    // opaque to the journal
	Callback       *Callback // nil if nobody is to be told

	// Leaf makes what the audit says of the end, from what is stored of the output. Finish calls it before it commits. nil means no leaf.
	Leaf func(Output) ([]byte, error)
}

// Stream is an output stream of a job on its way into the journal.
type Stream struct {
	// Content writes what was kept of it: all, and the same, each time it is called. Finish calls it once, on its caller's goroutine, and holds no more
	// than 64 KiB of it in memory. nil means that nothing was kept. What is in a file without a name already may say so by the methods File and SHA256 of
	// executor.Output: if that file is on the file system of the journal it becomes a file of the journal, which must not be written to any more.
	Content   io.WriterTo
	Bytes     int64 // how many the command wrote; never less than were kept
	Truncated bool  // not all of them were kept
}

// Callback is a message about a job's end that must be delivered.
type Callback struct {
	DeliveryID  string // 1 to 128 bytes, unique, the same in every attempt
	Destination string // whom it waits for; deliveries with the same one are tried together
	URL         string
	Body        io.WriterTo // like Stream.Content
}

func (o Outcome) check() error {
	switch {
	case !o.Status.Final():
		return fmt.Errorf("%w: %q is not an end", ErrInvalid, o.Status)
	case o.At.IsZero():
		return fmt.Errorf("%w: a job ends at some time", ErrInvalid)
	case o.Callback == nil:
		return nil
	case o.Callback.URL == "" || o.Callback.Destination == "":
		return fmt.Errorf("%w: a callback needs a URL and a destination", ErrInvalid)
	}
	return checkID(o.Callback.DeliveryID)
}

// Finish commits the end of a job, with its output and its callback: durability point C. Only after it returned nil may the outcome be told to
// anybody. A running job may end in any final status; one that never started can only be failed, interrupted or killed. Otherwise it answers ErrState,
// and ErrNotFound if there is no such job. The low-water mark does not hold it back. After ErrNoSpace, ErrContent or another failure the job is as it was, and
// Finish may be called again.
func (j *Journal) Finish(ctx context.Context, o Outcome) error {
	if err := o.check(); err != nil {
		return wrap("finish", err)
	}
	f := finish{Outcome: o}
	err := f.prepare(j.spool)
	if err == nil {
		err = j.writer.do(ctx, op{name: "finish", size: f.size(), leaves: f.leaves, files: f.files(), run: f.store})
	}
	if err != nil && !errors.Is(err, errDoubtful) { // or else the writer has the files removed when it is certain that no row names them
		f.discard(j.spool)
	}
	return wrap("finish", err)
}

// finish is an outcome that is ready to be committed.
type finish struct {
	Outcome
	stdout, stderr, body *kept
	leaves               []leaf
}

// prepare stores what is long, so that it is on disk before a row names it. All of it happens on the caller's goroutine, hashing too.
func (f *finish) prepare(s *spool) (err error) {
	if f.stdout, err = s.keep(f.Stdout.Content); err != nil {
		return err
	}
	if f.stderr, err = s.keep(f.Stderr.Content); err != nil {
		return err
	}
	if f.Stdout.Bytes < f.stdout.size || f.Stderr.Bytes < f.stderr.size {
		return fmt.Errorf("%w: more output was kept than written", ErrInvalid)
	}
	if f.Callback != nil {
		if f.body, err = s.keep(f.Callback.Body); err != nil {
			return err
		}
	}
	if f.Leaf != nil {
		text, err := f.Leaf(Output{f.stdout.of(f.Stdout), f.stderr.of(f.Stderr)})
		if err != nil {
			return err
		}
		if f.leaves, err = newLeaves(text); err != nil {
			return err
		}
	}
	return nil
}

// of describes the content of a stream.
func (k *kept) of(s Stream) StoredStream {
	return StoredStream{Bytes: s.Bytes, Size: k.size, Truncated: s.Truncated, SHA256: k.sha256}
}

func (f *finish) files() (names []string) {
	for _, k := range []*kept{f.stdout, f.stderr, f.body} {
		if k != nil {
			names = append(names, k.file)
		}
	}
	return names
}

// discard removes what no row will name.
func (f *finish) discard(s *spool) { s.remove(f.files()...) }

func (f *finish) size() int {
	n := len(f.stdout.inline) + len(f.stderr.inline) + len(f.Result)
	if f.body != nil {
		n += len(f.body.inline)
	}
	return n
}

func (f *finish) store(st *statements) error {
	seq, _, err := st.step(f.JobID, f.Status)
	if err != nil {
		return err
	}
	err = st.exec(st.finishJob, string(f.Status), f.At.UnixMicro(), f.ExitCode, f.Signal, f.Reason, f.Duration.Microseconds(), f.Result, seq)
	if err != nil {
		return err
	}
	stdout, stdoutFile, stdoutSize := f.stdout.columns()
	stderr, stderrFile, stderrSize := f.stderr.columns()
	err = st.exec(st.insertOutput, seq, f.Stdout.Bytes, f.Stdout.Truncated, f.stdout.sha256[:], stdout, stdoutFile, stdoutSize,
		f.Stderr.Bytes, f.Stderr.Truncated, f.stderr.sha256[:], stderr, stderrFile, stderrSize)
	st.counts.stored += int64(len(f.Result)) + f.stdout.size + f.stderr.size
	if err != nil || f.Callback == nil {
		return err
	}
	st.counts.stored += f.body.size
	body, bodyFile, bodySize := f.body.columns()
	at := f.At.UnixMicro() // a callback is due at once
	err = st.exec(st.insertDelivery, f.Callback.DeliveryID, seq, at, at, f.Callback.Destination, f.Callback.URL, body, bodyFile, bodySize, f.body.sha256[:])
	if isDuplicate(err) {
		return fmt.Errorf("%w: delivery %s", ErrExists, f.Callback.DeliveryID)
	}
	return err
}

// step checks that the job may go to the next status and returns its row, and the size of its spec.
func (st *statements) step(id string, next Status) (seq, spec int64, err error) {
	var now Status
	switch err := st.jobState.QueryRow(id).Scan(&seq, &now, &spec); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, 0, fmt.Errorf("%w: job %s", ErrNotFound, id)
	case err != nil:
		return 0, 0, err
	case !now.mayBecome(next):
		return 0, 0, fmt.Errorf("%w: job %s is %s and cannot become %s", ErrState, id, now, next)
	}
	return seq, spec, nil
}
