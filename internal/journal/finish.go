package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
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
}

// Stream is what is kept of one output stream.
type Stream struct {
	Data      []byte            // the kept bytes
	Bytes     int64             // how many the command wrote; never less than len(Data)
	Truncated bool              // something is missing from Data
	SHA256    [sha256.Size]byte // of Data; set by the journal
}

// Callback is a message about a job's end that must be delivered.
type Callback struct {
	DeliveryID string // 1 to 128 bytes, unique, the same in every attempt
	URL        string
	Body       []byte
}

func (o Outcome) check() error {
	switch {
	case !o.Status.Final():
		return fmt.Errorf("%w: %q is not an end", ErrInvalid, o.Status)
	case o.At.IsZero():
		return fmt.Errorf("%w: a job ends at some time", ErrInvalid)
	case o.Stdout.Bytes < int64(len(o.Stdout.Data)) || o.Stderr.Bytes < int64(len(o.Stderr.Data)):
		return fmt.Errorf("%w: more output was kept than written", ErrInvalid)
	case o.Callback == nil:
		return nil
	case o.Callback.URL == "":
		return fmt.Errorf("%w: a callback needs a URL", ErrInvalid)
	}
	return checkID(o.Callback.DeliveryID)
}

func (o Outcome) size() int {
	n := len(o.Stdout.Data) + len(o.Stderr.Data) + len(o.Result)
	if o.Callback != nil {
		n += len(o.Callback.Body)
	}
	return n
}

// Finish commits the end of a job, with its output and its callback: durability point C. Only after it returned nil may the outcome be told to
// anybody. A running job may end in any final status; one that never started can only be failed, interrupted or killed. Otherwise it answers ErrState,
// and ErrNotFound if there is no such job. The low-water mark does not hold it back. After ErrNoSpace or another failure the job is as it was, and
// Finish may be called again.
func (j *Journal) Finish(ctx context.Context, o Outcome) error {
	if err := o.check(); err != nil {
		return wrap("finish", err)
	}
	// Hashing happens here, on the caller's goroutine, not on the one that everybody waits for.
	o.Stdout.SHA256, o.Stderr.SHA256 = sha256.Sum256(o.Stdout.Data), sha256.Sum256(o.Stderr.Data)
	return j.writer.do(ctx, op{name: "finish", size: o.size(), run: o.store})
}

func (o Outcome) store(st *statements) error {
	seq, err := st.step(o.JobID, o.Status)
	if err != nil {
		return err
	}
	err = st.exec(st.finishJob, string(o.Status), o.At.UnixMicro(), o.ExitCode, o.Signal, o.Reason, o.Duration.Microseconds(), o.Result, seq)
	if err != nil {
		return err
	}
	err = st.exec(st.insertOutput, seq, o.Stdout.Bytes, o.Stdout.Truncated, o.Stdout.SHA256[:], o.Stdout.Data,
		o.Stderr.Bytes, o.Stderr.Truncated, o.Stderr.SHA256[:], o.Stderr.Data)
	if err != nil || o.Callback == nil {
		return err
	}
	// A callback is due at once.
	err = st.exec(st.insertDelivery, o.Callback.DeliveryID, seq, o.At.UnixMicro(), o.At.UnixMicro(), o.Callback.URL, o.Callback.Body)
	if isDuplicate(err) {
		return fmt.Errorf("%w: delivery %s", ErrExists, o.Callback.DeliveryID)
	}
	return err
}

// step checks that the job may go to the next status and returns its row.
func (st *statements) step(id string, next Status) (seq int64, err error) {
	var now Status
	switch err := st.jobState.QueryRow(id).Scan(&seq, &now); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("%w: job %s", ErrNotFound, id)
	case err != nil:
		return 0, err
	case !now.mayBecome(next):
		return 0, fmt.Errorf("%w: job %s is %s and cannot become %s", ErrState, id, now, next)
	}
	return seq, nil
}
