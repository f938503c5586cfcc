package gateway

import (
	"context"
	"net/http"
)

// serveCancel ends a job: the whole process tree of one that runs, and one that waits never starts. A job that has ended stays as it is. The answer is the
// job as it was found; the end is committed, and its callback delivered, like any other.
func (g *Gateway) serveCancel(w http.ResponseWriter, r *http.Request) {
	job, principal, err := g.own(r)
	if err == nil {
		_, err = queryOf(r)
	}
	if err != nil {
		g.unread(w, err)
		return
	}
	status := http.StatusOK
	if _, live := g.live(job.ID); live && !job.Status.Final() {
		// Who wants something ended gets it ended, also while nothing can be written down.
		// And it is written down also if the caller leaves at once.
		if err := g.journal.Record(context.WithoutCancel(r.Context()), g.cancelledLeaf(principal, job)); err != nil {
			g.log.Error("the audit does not know who cancelled a job", "job", job.ID, "by", principal.Client, "error", err)
		}
	}
	if !job.Status.Final() && g.queue.Cancel(job.ID) {
		status = http.StatusAccepted
		g.log.Info("cancelled", "job", job.ID, "client", job.Client, "by", principal.Client)
	}
	reply, err := g.describe(r, job, principal)
	if err != nil {
		g.unread(w, err)
		return
	}
	g.send(w, status, mediaJSON, reply)
}
