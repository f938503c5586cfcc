package callback

import (
	"context"
	"io"
	"net/http"
	"time"
)

// A Delivery is a callback that waits in the store.
type Delivery struct {
	ID          string // unique, and the same in every attempt
	JobID       string // for the log
	Destination string // as Destination.Origin wrote it: whom attempts are counted by
	URL         string // as Destination.String wrote it
	BodySize    int64  // in bytes
	Attempt     int    // attempts made so far
	CreatedAt   time.Time

	// A delivery that was asked for again has its attempts and its time anew: Earlier of its attempts were made before Since. Where it was not, these are
	// zero.
	Earlier int
	Since   time.Time

	// Traceparent names the attempt to the receiver, in the header of that name; empty for none. It is not of the store: see Config.Trace.
	Traceparent string
}

// made returns how many attempts count, and since is when the delivery began to be due.
func (d Delivery) made() int { return d.Attempt - d.Earlier }

func (d Delivery) since() time.Time {
	if d.Since.IsZero() {
		return d.CreatedAt
	}
	return d.Since
}

// State is what becomes of a delivery after an attempt.
type State string

// The states of a Settlement.
const (
	Delivered State = "delivered" // the receiver acknowledged it
	Retry     State = "retry"     // it is due again at NextAt
	Dead      State = "dead"      // given up; Error says why
)

// A Message is what one attempt sends.
type Message struct {
	// Header is added to the headers of every delivery. The destination, the framing of the body and X-Sidegate-* are not
	// the sender's to choose: naming them is an error.
	Header  http.Header
	Body    []byte // nil: the stored one, as it is
	Changes string // what was done to the delivery, for the store
}

// A Settlement is the outcome of an attempt, or of the decision to make none.
type Settlement struct {
	ID          string
	JobID       string
	Destination string
	Attempt     int // attempts made so far, with this one if there was one
	State       State
	Outcome     Outcome
	NextAt      time.Time // with Retry
	StatusCode  int       // of the answer; 0 when there was none
	Error       string    // for people; "" with Delivered
	Changes     string    // of the attempt's Message
	At          time.Time
}

// Waiting is a destination that deliveries wait for, and when the first of them is due.
type Waiting struct {
	Destination string
	NextAt      time.Time
}

// A Body is the stored body of a delivery. Its methods are safe for concurrent use.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
	Verify() error // whether it is what was stored
}

// A Store keeps deliveries. Its methods are called concurrently.
type Store interface {
	// Waiting returns up to limit destinations that deliveries wait for, in the order of their names, from the first behind after.
	Waiting(ctx context.Context, after string, limit int) ([]Waiting, error)

	// Due returns up to limit deliveries to a destination that are due at now, the longest due first, and when the first of all its others will be
	// due, which is zero when there is none. A delivery that is being attempted is still due.
	Due(ctx context.Context, destination string, now time.Time, limit int) (due []Delivery, next time.Time, err error)

	// Body opens the body of a delivery that waits. The caller closes it.
	Body(ctx context.Context, id string) (Body, error)

	// Settle commits an outcome. When it fails, the delivery stays as it was.
	Settle(ctx context.Context, s Settlement) error

	// Retry makes a delivery due at the given time that waits or is dead, with its attempts and its time anew, and returns its destination.
	Retry(ctx context.Context, id string, at time.Time) (destination string, err error)
}
