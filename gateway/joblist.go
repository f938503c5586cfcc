package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/journal"
)

// listReply is a page of jobs, newest first.
type listReply struct {
	Jobs []jobReply `json:"jobs"`
	Next string     `json:"next,omitempty"` // what to send as cursor for the next page; "" after the last
}

// serveList lists jobs.
func (g *Gateway) serveList(w http.ResponseWriter, r *http.Request) {
	reply, err := g.list(r)
	if err != nil {
		g.unread(w, err)
		return
	}
	g.send(w, http.StatusOK, mediaJSON, reply)
}

func (g *Gateway) list(r *http.Request) (listReply, error) {
	none := listReply{}
	principal, err := g.caller(r)
	if err != nil {
		return none, err
	}
	filter, err := filterOf(r)
	if err != nil {
		return none, err
	}
	if filter.Client, err = seenBy(principal, filter.Client, "jobs"); err != nil {
		return none, err
	}
	ctx, done := g.lookUp(r)
	defer done()
	pages := pager[journal.Job]{
		read: func(before int64, limit int) ([]journal.Job, error) {
			f := filter
			f.Before, f.Limit = before, limit
			return g.journal.Jobs(ctx, f)
		},
		seq:  func(j journal.Job) int64 { return j.Seq },
		size: textOf,
		step: int(max(1, min(listLimit, stepBytes/g.limits.Body))),
	}
	jobs, next, err := pages.page(filter.Before, filter.Limit)
	if err != nil {
		return none, err
	}
	reply := listReply{Jobs: make([]jobReply, len(jobs)), Next: next}
	for i, job := range jobs {
		reply.Jobs[i] = shown(job)
	}
	return reply, nil
}

// textOf is how many bytes of a job its caller has chosen.
func textOf(j journal.Job) int {
	n := len(j.Command)
	for name, value := range j.Labels {
		n += len(name) + len(value)
	}
	return n
}

// filterOf reads what a caller wants to see: status (several may be named), client, label (NAME=VALUE, several must all be there), since (RFC 3339),
// cursor (next of the last page) and limit.
func filterOf(r *http.Request) (journal.Filter, error) {
	f := journal.Filter{Labels: map[string]string{}}
	query, err := queryOf(r, "status", "client", "label", "since", "cursor", "limit")
	if err != nil {
		return f, err
	}
	for _, list := range query["status"] {
		for name := range strings.SplitSeq(list, ",") {
			status := journal.Status(name)
			if status != journal.Accepted && status != journal.Running && !status.Final() {
				return f, invalid(&FieldError{"status", "must be accepted, running, exited, signaled, timed_out, killed, failed or interrupted"})
			}
			f.Statuses = append(f.Statuses, status)
		}
	}
	for _, label := range query["label"] {
		name, value, ok := strings.Cut(label, "=")
		if was, twice := f.Labels[name]; !ok || name == "" || twice && was != value {
			return f, invalid(&FieldError{"label", "must be NAME=VALUE, and each name have one value"})
		}
		f.Labels[name] = value
	}
	if len(f.Labels) > maxLabels { // no job has more
		return f, invalid(&FieldError{"label", fmt.Sprintf("may be given for %d names at most", maxLabels)})
	}
	f.Client = query.Get("client")
	if since := query.Get("since"); since != "" {
		if f.Since, err = time.Parse(time.RFC3339, since); err != nil {
			return f, invalid(&FieldError{"since", "must be a time such as 2026-01-31T12:00:00Z"})
		}
	}
	if f.Before, f.Limit, err = pageOf(query); err != nil {
		return f, err
	}
	return f, nil
}
