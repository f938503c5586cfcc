package gateway

import (
	"net/http"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
)

// deliveryReply is a callback as the native API shows it. Of its URL nobody sees more than scheme, host and port, operators neither: path and query are
// where receivers have their tokens, what is shown ends up in tickets and logs, and to know where a callback goes, and to have it sent again, nobody needs
// them. Who asked for the callback knows its URL.
type deliveryReply struct {
	DeliveryID  string     `json:"delivery_id"`
	JobID       string     `json:"job_id"`
	Client      string     `json:"client"`
	State       string     `json:"state"`
	Destination string     `json:"destination"`
	Attempts    int        `json:"attempts"`              // made so far
	Bytes       int64      `json:"bytes"`                 // of the message, while it is kept
	CreatedAt   time.Time  `json:"created_at"`            // when the job ended
	NextAt      *time.Time `json:"next_at,omitempty"`     // while it is pending: when the next attempt is due
	SettledAt   *time.Time `json:"settled_at,omitempty"`  // when it was delivered or given up
	RetriedAt   *time.Time `json:"retried_at,omitempty"`  // when somebody asked for it again; attempts and time count from then
	StatusCode  int        `json:"status_code,omitempty"` // of the last answer
	LastError   string     `json:"last_error,omitempty"`  // for operators only
}

// deliveryFor is a delivery as somebody may see it. What the last attempt failed with tells what of the network the gateway can reach, and under which
// addresses: that is for operators. The status of an answer is the receiver's word to the client.
func deliveryFor(to auth.Principal, d journal.Delivery) deliveryReply {
	r := deliveryReply{
		DeliveryID: d.ID, JobID: d.JobID, Client: d.Client, State: string(d.State), Destination: d.Destination, Attempts: d.Attempt, Bytes: d.BodySize,
		CreatedAt: d.CreatedAt, SettledAt: known(d.SettledAt), RetriedAt: known(d.Since), StatusCode: d.StatusCode,
	}
	if d.State == journal.Pending {
		r.NextAt = known(d.NextAt)
	}
	if to.HasRole(auth.RoleOperator) {
		r.LastError = d.LastError
	}
	return r
}

// callbacksReply is a page of callbacks, newest first.
type callbacksReply struct {
	Callbacks []deliveryReply `json:"callbacks"`
	Next      string          `json:"next,omitempty"` // what to send as cursor for the next page; "" after the last
}

// serveCallbacks lists callbacks.
func (g *Gateway) serveCallbacks(w http.ResponseWriter, r *http.Request) {
	reply, err := g.callbacks(r)
	if err != nil {
		g.unread(w, err)
		return
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}

func (g *Gateway) callbacks(r *http.Request) (callbacksReply, error) {
	none := callbacksReply{}
	principal, err := g.caller(r)
	if err != nil {
		return none, err
	}
	filter, err := deliveryFilterOf(r)
	if err != nil {
		return none, err
	}
	if filter.Client, err = seenBy(principal, filter.Client, "callbacks"); err != nil {
		return none, err
	}
	ctx, done := g.lookUp(r)
	defer done()
	pages := pager[journal.Delivery]{
		read: func(before int64, limit int) ([]journal.Delivery, error) {
			f := filter
			f.Before, f.Limit = before, limit
			return g.journal.Deliveries(ctx, f)
		},
		seq:  func(d journal.Delivery) int64 { return d.Seq },
		size: func(d journal.Delivery) int { return len(d.URL) + len(d.LastError) + len(d.Changes) },
		step: listLimit,
	}
	rows, next, err := pages.page(filter.Before, filter.Limit)
	if err != nil {
		return none, err
	}
	reply := callbacksReply{Callbacks: make([]deliveryReply, len(rows)), Next: next}
	for i, d := range rows {
		reply.Callbacks[i] = deliveryFor(principal, d)
	}
	return reply, nil
}

// seenBy is the client whose jobs or callbacks somebody lists, who asked for those of a client or, with "", for all that there are to see.
func seenBy(p auth.Principal, client, what string) (string, error) {
	switch {
	case p.HasRole(auth.RoleOperator):
		return client, nil
	case client != "" && client != p.Client:
		return "", &Error{Code: Denied, Message: "the " + what + " of other clients are for clients with the role " + auth.RoleOperator}
	}
	return p.Client, nil
}

// deliveryFilterOf reads which callbacks a caller wants to see: state, client, job, destination, before (next of the last page) and limit.
func deliveryFilterOf(r *http.Request) (journal.DeliveryFilter, error) {
	var f journal.DeliveryFilter
	query, err := queryOf(r, "state", "client", "job", "destination", "cursor", "limit")
	if err != nil {
		return f, err
	}
	f.State, f.Client, f.JobID = journal.DeliveryState(query.Get("state")), query.Get("client"), query.Get("job")
	switch f.State {
	case "", journal.Pending, journal.Delivered, journal.Dead:
	default:
		return f, invalid(&FieldError{"state", "must be pending, delivered or dead"})
	}
	if destination := query.Get("destination"); destination != "" {
		to, err := callback.ParseDestination(destination)
		if err != nil {
			return f, invalid(&FieldError{"destination", err.Error()})
		}
		f.Destination = to.Origin()
	}
	if f.Before, f.Limit, err = pageOf(query); err != nil {
		return f, err
	}
	return f, nil
}
