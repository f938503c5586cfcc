package callback

import (
	"context"
	"net/http"
	"time"
)

// A Delivery is a callback that waits in the store.
type Delivery struct {
	ID        string // unique, and the same in every attempt
	JobID     string // for the log
	URL       string // as Destination.String wrote it
	Body      []byte // JSON
	Attempt   int    // attempts made so far
	CreatedAt time.Time
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
	Body    []byte
	Changes string // what was done to the delivery, for the store
}

// A Settlement is the outcome of an attempt, or of the decision to make none.
type Settlement struct {
	ID         string
	Attempt    int // attempts made so far, with this one if there was one
	State      State
	NextAt     time.Time // with Retry
	StatusCode int       // of the answer; 0 when there was none
	Error      string    // for people; "" with Delivered
	Changes    string    // of the attempt's Message
	At         time.Time
}

// A Store keeps deliveries. Its methods are called concurrently.
type Store interface {
	// Due returns up to limit deliveries that are due at now, the longest due
	// first, and when the first of all others will be due, which is zero when
	// there is none. A delivery that is being attempted is still due.
	Due(ctx context.Context, now time.Time, limit int) (due []Delivery, next time.Time, err error)

	// Settle commits an outcome. When it fails, the delivery stays as it was.
	Settle(ctx context.Context, s Settlement) error
}
