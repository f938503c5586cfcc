package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/journal"
)

// serveRetry has a callback delivered now that waits or was given up, with all its attempts and its time anew. The answer is the callback as it is then.
func (g *Gateway) serveRetry(w http.ResponseWriter, r *http.Request) {
	reply, err := g.retryDelivery(r)
	if err != nil {
		g.unread(w, err)
		return
	}
	g.send(w, http.StatusAccepted, mediaJSON, reply)
}

func (g *Gateway) retryDelivery(r *http.Request) (deliveryReply, error) {
	none := deliveryReply{}
	d, principal, err := g.ownDelivery(r)
	if err == nil {
		_, err = queryOf(r)
	}
	if err != nil {
		return none, err
	}
	ctx := context.WithoutCancel(r.Context()) // what was begun is done, also when the caller leaves
	if err := g.retry(ctx, d.ID); err != nil {
		return none, g.notRetried(err)
	}
	g.log.Info("a callback was asked for again", "delivery", d.ID, "job", d.JobID, "client", d.Client, "by", principal.Client)
	if d, err = g.journal.Delivery(ctx, d.ID); err != nil {
		return none, notDelivery(err)
	}
	return deliveryFor(principal, d), nil
}

// ownDelivery returns the delivery that a route names, if the caller may see it, as own does with jobs.
func (g *Gateway) ownDelivery(r *http.Request) (journal.Delivery, auth.Principal, error) {
	principal, err := g.caller(r)
	if err != nil {
		return journal.Delivery{}, principal, err
	}
	ctx, done := g.lookUp(r)
	defer done()
	d, err := g.journal.Delivery(ctx, mux.Vars(r)["id"])
	if err == nil && d.Client != principal.Client && !principal.HasRole(auth.RoleOperator) {
		err = journal.ErrNotFound
	}
	return d, principal, notDelivery(err)
}

func notDelivery(err error) error {
	if errors.Is(err, journal.ErrNotFound) {
		return &Error{Code: NotFound, Message: "there is no such callback, or it is another client's, or it was forgotten since"}
	}
	return err
}

// notRetried says why a callback is not delivered again.
func (g *Gateway) notRetried(err error) error {
	switch {
	case errors.Is(err, callback.ErrUnderWay):
		return &Error{Code: AttemptUnderWay, Message: "an attempt to deliver it is going on; see what becomes of that, and try again", RetryAfter: time.Second}
	case errors.Is(err, journal.ErrState):
		return &Error{Code: AlreadyDelivered, Message: "it was delivered, and its message is not kept any more"}
	case errors.Is(err, journal.ErrNotFound):
		return notDelivery(err)
	}
	g.log.Error("a callback was not asked for again because the journal cannot be written", "error", err)
	return &Error{Code: JournalUnavailable, Message: "the journal cannot be written, so nothing was changed; the gateway's log says why", Cause: err, RetryAfter: 10 * time.Second}
}
