package durability

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// collect reads what is in the journal of a site, and what commands wrote.
func (e *evidence) collect(t testing.TB, dir, ran string) {
	t.Helper()
	r, err := journal.OpenReadOnly(t.Context(), dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	e.jobs, e.deliveries, e.leaves, e.outputs = map[string]journal.Job{}, map[string][]journal.Delivery{}, map[string][]audit.Leaf{}, map[string]digests{}
	for _, job := range allJobs(t, r) {
		e.jobs[job.ID] = job
		e.digestOutput(t, r, job)
	}
	for before := int64(0); ; {
		page, err := r.Deliveries(t.Context(), journal.DeliveryFilter{Before: before, Limit: 1000})
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			e.deliveries[d.JobID] = append(e.deliveries[d.JobID], d)
			before = d.Seq
		}
	}
	log, err := r.AuditLog(t.Context())
	must(t, err)
	for row, err := range log.Leaves() {
		must(t, err)
		l, err := audit.Decode(row.Data)
		if err != nil {
			t.Fatalf("leaf %d: %v", row.Seq, err)
		}
		about := l.Job
		if l.Type == audit.Denied {
			about = l.Decision
		}
		e.leaves[about] = append(e.leaves[about], l)
	}
	e.ran = map[string]int{}
	text, err := os.ReadFile(ran)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		e.ran[strings.TrimSpace(line)]++
	}
}

func allJobs(t testing.TB, r *journal.Reader, statuses ...journal.Status) (all []journal.Job) {
	t.Helper()
	for before := int64(0); ; before = all[len(all)-1].Seq {
		page, err := r.Jobs(t.Context(), journal.Filter{Statuses: statuses, Before: before, Limit: 1000})
		must(t, err)
		if all = append(all, page...); len(page) == 0 {
			return all
		}
	}
}

// digestOutput reads what is stored of a job's output.
func (e *evidence) digestOutput(t testing.TB, r *journal.Reader, job journal.Job) {
	t.Helper()
	const inline = 64 << 10
	var d [2]string
	for i, stream := range []journal.StreamName{journal.Stdout, journal.Stderr} {
		content, err := r.OpenOutput(t.Context(), job.ID, stream)
		if errors.Is(err, journal.ErrNotFound) && !job.Status.Final() {
			return
		}
		must(t, err)
		if content.Size() > inline {
			e.long++
		}
		sum := sha256.New()
		_, err = io.Copy(sum, content)
		if err := errors.Join(err, content.Close()); err != nil {
			t.Errorf("the output of job %s (%s): %v", job.ID, job.Status, err)
		}
		d[i] = hex.EncodeToString(sum.Sum(nil))
	}
	e.outputs[job.ID] = digests{d[0], d[1]}
}
