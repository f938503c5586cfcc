package audit

import (
	"context"
	"iter"
)

// A Record is what a store keeps of a job beside the log. What is "" or nil where a leaf says something is compared all the same, but for the digests.
type Record struct {
	Job      string
	Client   string
	Decision string
	Command  string

	// Keyed digests, as in leaves; "" where the key is not known.
	Request, Spec, Result string

	Ended    bool // it has a final status
	Status   string
	ExitCode int
	Signal   string
	Reason   string
	Micros   int64
	// Stdout and Stderr are of what is stored; nil where nothing is.
	Stdout, Stderr *Stream
	// Damage says which of what is stored cannot be read or is not what its digest says, in sentences of which the job is the subject.
	Damage []string
}

// Records is what a store keeps of jobs beside the log, for [Verify] to hold against their leaves.
type Records struct {
	// Find returns what is stored of these jobs, in any order and perhaps later than the leaves of the Source were. What is not stored is left out.
	Find func(ctx context.Context, jobs []string) ([]Record, error)
	// Now shows one state of the store, that is not older than anything that Find has shown. Verify closes it.
	Now func(ctx context.Context) (*RecordsNow, error)
}

// RecordsNow is a store as it is at one moment.
type RecordsNow struct {
	Leaves iter.Seq2[Row, error]    // those behind the ones of the Source
	Jobs   iter.Seq2[string, error] // the IDs of all stored jobs, in any order
	Find   func(ctx context.Context, jobs []string) ([]Record, error)
	Close  func() error
}
