package journal

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Filter selects jobs. Its zero value selects the newest hundred.
type Filter struct {
	Statuses []Status          // any of them; none means all
	Client   string            // "" means any
	Labels   map[string]string // all of them
	Since    time.Time         // accepted then or later; the zero time means ever
	Before   int64             // only jobs whose Seq is smaller, which is how to ask for the next page; 0 means from the newest
	Limit    int               // 0 means 100; at most 1000 are returned
}

// Jobs lists jobs, newest first, without Request, Spec and Result.
func (r *Reader) Jobs(ctx context.Context, f Filter) ([]Job, error) {
	found, args := f.query()
	rows, err := r.db.QueryContext(ctx, "SELECT "+jobColumns+withoutPayload+" FROM job WHERE seq IN ("+found+") ORDER BY seq DESC LIMIT ?",
		append(args, pageSize(f.Limit))...)
	if err != nil {
		return nil, wrap("jobs", err)
	}
	jobs, err := collect(rows, scanJob)
	return jobs, wrap("jobs", err)
}

// query finds the numbers of the newest jobs that are wanted, without sorting all of them: it follows one index from its end, and looks at the rows. With
// labels that is the index of the first one. Without, it is that of the status or of the client; several statuses are several searches, because their
// jobs do not stand in order together.
func (f Filter) query() (text string, args []any) {
	limit := pageSize(f.Limit)
	if len(f.Labels) > 0 {
		s := f.selection(f.Statuses)
		return s.text(limit)
	}
	statuses := slices.Compact(slices.Sorted(slices.Values(f.Statuses)))
	if len(statuses) == 0 {
		s := f.selection(nil)
		return s.text(limit)
	}
	for i, status := range statuses {
		s := f.selection([]Status{status})
		one, more := s.text(limit)
		if i > 0 {
			text += " UNION ALL "
		}
		text, args = text+"SELECT seq FROM ("+one+")", append(args, more...)
	}
	return text, args
}

// selection is a search for jobs that have one of some statuses, and all else that is wanted.
func (f Filter) selection(statuses []Status) selection {
	s := selection{from: "job", order: "job.seq"}
	for i, name := range slices.Sorted(maps.Keys(f.Labels)) {
		if i == 0 {
			s.from, s.order = "job_label CROSS JOIN job ON job.seq = job_label.job", "job_label.job"
			s.add(true, "job_label.name = ? AND job_label.value = ?", name, f.Labels[name])
			continue
		}
		s.add(true, "EXISTS (SELECT 1 FROM job_label AS l WHERE l.name = ? AND l.value = ? AND l.job = job.seq)", name, f.Labels[name])
	}
	if len(statuses) > 0 {
		list := make([]any, len(statuses))
		for i, status := range statuses {
			list[i] = string(status)
		}
		s.add(true, "job.status IN (?"+strings.Repeat(", ?", len(list)-1)+")", list...)
	}
	s.add(f.Client != "", "job.client = ?", f.Client)
	since := f.Since.UnixMicro() // the number bounds the search, which has no index of the time
	s.add(!f.Since.IsZero(), "job.accepted_at >= ? AND job.seq >= (SELECT min(seq) FROM job INDEXED BY job_accepted WHERE accepted_at >= ?)", since, since)
	s.add(f.Before != 0, s.order+" < ?", f.Before)
	return s
}

// selection is a search for rows, from constant texts and their arguments.
type selection struct {
	from, order string // order is a number of the wanted table
	conditions  []string
	args        []any
}

func (s *selection) add(wanted bool, condition string, args ...any) {
	if wanted {
		s.conditions = append(s.conditions, condition)
		s.args = append(s.args, args...)
	}
}

// text finds up to limit numbers, the highest first.
func (s *selection) text(limit int) (string, []any) {
	return "SELECT " + s.order + " AS seq FROM " + s.from + s.where() + " ORDER BY " + s.order + " DESC LIMIT ?", append(s.args, limit)
}

func (s *selection) where() string {
	if len(s.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(s.conditions, " AND ")
}

// pageSize applies the default and the bound of a listing.
func pageSize(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}
