package history

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/audit"
)

// Source is where audited requests are read from. Nothing of it is verified: that is what `sidegate audit verify` is for.
type Source struct {
	Leaves iter.Seq2[audit.Row, error] // oldest first
	// Requests returns the requests that are stored with some jobs, at most 500, by the job's ID. Nil: there is the log alone, as in an export.
	Requests func(ctx context.Context, jobs []string) (map[string][]byte, error)
}

// Query says which audited requests are wanted.
type Query struct {
	Since, Until time.Time // from the first on, and before the second; zero is any
	Client       string    // "" is any
	Limit        int       // of distinct requests that are kept, above zero; the others are counted
	// Apart keeps requests apart that differ in ID and time alone, for policies that may tell them apart.
	Apart bool
	// Progress is told after every thousand leaves how many were read; nil tells nobody.
	Progress func(leaves int64)
}

// The answers that the audit has of a request.
const (
	Allowed  = "allowed"
	Denied   = "denied"
	Observed = "observed" // denied by the policy, and let through by observe mode
)

// Recorded is what the audit says of the decision on a request.
type Recorded struct {
	Verdict  string   // Allowed, Denied or Observed
	Grants   []string // of what the policy allowed
	Reasons  []string // of a denial as the caller got them, and those of the policy where it was observed
	Revision string   // of the policy; "" where an older version did not write it down
}

// Request stands for all requests in the audit that are alike: asked for the same, by the same client and from the same address, and answered alike.
type Request struct {
	Newest   gateway.Request
	Recorded Recorded
	Count    int64    // of events
	Stored   bool     // the newest is as it was stored with its job, and not as the audit tells it
	Unknown  []string // what of it is not known, in words: values of variables, which are "" in Newest, and the path of the callback
	Stranger bool     // the client is not in the configuration any more, so its labels are not known
}

// Requests are what Read found. At most 64 MiB of requests are kept, whatever the limit of the query is: of more, those that occurred last.
type Requests struct {
	Leaves  int64 // that were read
	Damaged int64 // of these, what cannot be read
	Events  int64 // decided requests that were asked for
	LeftOut int64 // of these, what is in none of Distinct
	// Distinct are in the order in which each occurred last.
	Distinct []Request
}

// shorter orders requests by how much there is to read of them.
func (a Request) shorter(b Request) int {
	return cmp.Or(cmp.Compare(a.length(), b.length()), strings.Compare(a.Newest.Command, b.Newest.Command), slices.Compare(a.Newest.Argv, b.Newest.Argv),
		strings.Compare(a.Newest.ID, b.Newest.ID))
}

func (a Request) length() int {
	n := len(a.Newest.Command) + len(a.Newest.Workdir)
	for _, word := range a.Newest.Argv {
		n += len(word) + 1
	}
	for _, v := range a.Newest.Env {
		n += len(v.Key) + len(v.Value) + 2
	}
	if c := a.Newest.Callback; c != nil {
		n += len(c.String())
	}
	return n
}
