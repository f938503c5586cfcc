package audit

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
)

// recordsAtOnce is how many leaves about jobs are held until what is stored of their jobs is looked up, all together.
const recordsAtOnce = 256

// comparing holds what is stored of jobs against the log. A job's leaves are an admission, perhaps a start, and an end, with those of others in between.
// It remembers what has not ended, what is missing, and a number for each job that is stored.
type comparing struct {
	ctx     context.Context
	records *Records
	found   Report // what is wrong, and how many were compared

	waiting []jobLeaf
	open    map[string]*openJob // admitted, stored, and not ended as far as was read
	absent  map[string]int64    // admitted in which leaf, not stored, and not forgotten as far as was read
	seed    maphash.Seed
	stored  map[uint64]bool // hashes of the IDs that are stored, and rightly so
}

func newComparing(ctx context.Context, records *Records) *comparing {
	return &comparing{
		ctx: ctx, records: records, seed: maphash.MakeSeed(),
		open: map[string]*openJob{}, absent: map[string]int64{}, stored: map[uint64]bool{},
	}
}

// jobLeaf is a leaf that says something about jobs.
type jobLeaf struct {
	seq  int64
	kind Type
	job  string // "" of one about several
	data []byte
}

// openJob is a job between its admission and its end.
type openJob struct {
	admitted       int64 // its leaf
	record         Record
	decision, spec string // the last that a leaf says
}

// add takes the next leaf of the log, which is as it was written. It keeps nothing of it unless it copies it.
func (c *comparing) add(seq int64, data []byte) error {
	kind, job := about(data)
	switch kind {
	case Admitted, Observed, Started, Ended, Pruned:
	default:
		return nil
	}
	c.waiting = append(c.waiting, jobLeaf{seq, kind, job, slices.Clone(data)})
	if len(c.waiting) < recordsAtOnce {
		return nil
	}
	return c.flush(c.records.Find)
}

// about reads type and job of a leaf without the rest. Job is behind the type, where there is one.
func about(data []byte) (Type, string) {
	const from = len(beforeVersion) + len("1") + len(beforeTime) + len(stampFormat) + len(afterTime)
	if len(data) < from {
		return "", ""
	}
	kind, rest, _ := strings.Cut(string(data[from:min(len(data), from+256)]), `"`)
	job, ok := strings.CutPrefix(rest, `,"job":"`)
	if !ok {
		return Type(kind), ""
	}
	job, _, ok = strings.Cut(job, `"`)
	if !ok || strings.Contains(job, `\`) {
		leaf, err := Decode(data)
		if err != nil {
			return "", ""
		}
		return leaf.Type, leaf.Job
	}
	return Type(kind), job
}

// flush compares the leaves that wait.
func (c *comparing) flush(find func(context.Context, []string) ([]Record, error)) error {
	var ids []string
	for _, l := range c.waiting {
		if l.kind == Admitted || l.kind == Observed {
			ids = append(ids, l.job)
		}
	}
	found := map[string]Record{}
	if len(ids) > 0 {
		records, err := find(c.ctx, ids)
		if err != nil {
			return err
		}
		for _, r := range records {
			found[r.Job] = r
		}
	}
	for _, l := range c.waiting {
		c.take(l, found)
	}
	c.waiting = c.waiting[:0]
	return nil
}

func (c *comparing) take(l jobLeaf, found map[string]Record) {
	switch l.kind {
	case Admitted, Observed:
		record, ok := found[l.job]
		if !ok {
			c.absent[l.job] = l.seq
			return
		}
		c.admitted(l, record)
	case Started, Ended:
		job := c.open[l.job]
		if job == nil {
			return
		}
		leaf, err := Decode(l.data)
		switch {
		case err != nil: // counted as unreadable
		case l.kind == Started && leaf.Decision != "":
			job.decision, job.spec = leaf.Decision, leaf.Spec
		case l.kind == Ended:
			job.compare(c, l.seq, leaf)
			delete(c.open, l.job)
		}
	case Pruned:
		if leaf, err := Decode(l.data); err == nil {
			c.forgotten(l.seq, leaf.Jobs)
		}
	}
}

// admitted compares what was asked and decided.
func (c *comparing) admitted(l jobLeaf, record Record) {
	c.stored[maphash.String(c.seed, record.Job)] = true
	c.found.Jobs++
	leaf, err := Decode(l.data)
	if err != nil {
		return
	}
	var wrong differences
	wrong.add("client", record.Client != leaf.Client)
	wrong.add("command", leaf.Command != "" && record.Command != leaf.Command)
	wrong.add("request", record.Request != "" && record.Request != leaf.Request)
	c.changed(record.Job, l.seq, wrong)
	c.open[record.Job] = &openJob{l.seq, record, leaf.Decision, leaf.Spec}
}

// compare holds the end of a job against its leaf.
func (job *openJob) compare(c *comparing, seq int64, leaf Leaf) {
	r := &job.record
	var wrong differences
	job.decided(&wrong)
	wrong.add("status", r.Status != leaf.Status)
	wrong.add("exit code", leaf.ExitCode != nil && r.ExitCode != *leaf.ExitCode)
	wrong.add("signal", r.Signal != leaf.Signal)
	wrong.add("reason", r.Reason != leaf.Reason)
	wrong.add("duration", r.Micros != leaf.Micros)
	wrong.add("result", r.Result != "" && leaf.Result != "" && r.Result != leaf.Result)
	wrong.add("stdout", !r.Stdout.is(leaf.Stdout))
	wrong.add("stderr", !r.Stderr.is(leaf.Stderr))
	c.changed(r.Job, seq, wrong)
	for _, damage := range r.Damage {
		c.found.add(Finding{Kind: RecordChanged, Job: r.Job, Leaves: &Range{seq, seq}, Text: fmt.Sprintf("job %s: %s", r.Job, damage)})
	}
}

// decided compares under which decision the job ran.
func (job *openJob) decided(wrong *differences) {
	wrong.add("decision", job.record.Decision != job.decision)
	wrong.add("spec", job.record.Spec != "" && job.record.Spec != job.spec)
}

func (s *Stream) is(other *Stream) bool {
	return s == other || s != nil && other != nil && *s == *other
}

// differences names what is not what a leaf says.
type differences []string

func (d *differences) add(what string, differs bool) {
	if differs {
		*d = append(*d, what)
	}
}

func (c *comparing) changed(job string, seq int64, wrong differences) {
	if len(wrong) > 0 {
		c.found.add(Finding{Kind: RecordChanged, Job: job, Leaves: &Range{seq, seq},
			Text: fmt.Sprintf("job %s: what is stored as its %s is not what leaf %d says", job, strings.Join(wrong, ", "), seq)})
	}
}

// forgotten takes note that jobs were removed rightly.
func (c *comparing) forgotten(seq int64, jobs []string) {
	for _, job := range jobs {
		if _, ok := c.absent[job]; ok {
			delete(c.absent, job)
			continue
		}
		delete(c.open, job)
		delete(c.stored, maphash.String(c.seed, job)) // where it is stored all the same, it is found there
	}
}

// end compares the rest, and adds what was found to the report on the log.
func (c *comparing) end(report *Report) error {
	if err := c.rest(report.OK()); err != nil {
		return err
	}
	report.Jobs = c.found.Jobs
	for _, f := range c.found.Findings {
		report.add(f)
	}
	report.More += c.found.More
	return nil
}

// rest compares what needs the store at one moment: leaves that came since, jobs that have not ended, those that nobody admitted. Where leaves are not
// what was written, whole is false, and what they would have explained is no finding of its own.
func (c *comparing) rest(whole bool) (err error) {
	now, err := c.records.Now(c.ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closed := now.Close(); err == nil {
			err = closed
		}
	}()
	if err := c.flush(now.Find); err != nil {
		return err
	}
	if err := c.refresh(now); err != nil {
		return err
	}
	for row, err := range now.Leaves {
		if err != nil {
			return err
		}
		if err := c.add(row.Seq, row.Leaf); err != nil {
			return err
		}
	}
	if err := c.flush(now.Find); err != nil {
		return err
	}
	if c.unended(whole); !whole {
		return nil
	}
	for _, job := range slices.Sorted(maps.Keys(c.absent)) {
		seq := c.absent[job]
		c.found.add(Finding{Kind: RecordMissing, Job: job, Leaves: &Range{seq, seq},
			Text: fmt.Sprintf("job %s, which leaf %d admitted, is not stored, and no leaf says that it was forgotten", job, seq)})
	}
	return c.unknown(now)
}

// refresh looks up again what is stored of jobs that had not ended: a gateway that runs goes on with them, and may have forgotten some.
func (c *comparing) refresh(now *RecordsNow) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(c.open)), recordsAtOnce) {
		records, err := now.Find(c.ctx, ids)
		if err != nil {
			return err
		}
		found := map[string]bool{}
		for _, r := range records {
			c.open[r.Job].record, found[r.Job] = r, true
		}
		for _, id := range ids {
			if !found[id] {
				c.absent[id] = c.open[id].admitted
				delete(c.open, id)
				delete(c.stored, maphash.String(c.seed, id))
			}
		}
	}
	return nil
}

// unended compares jobs of which the log tells no end.
func (c *comparing) unended(whole bool) {
	for _, id := range slices.Sorted(maps.Keys(c.open)) {
		job := c.open[id]
		var wrong differences
		job.decided(&wrong)
		c.changed(id, job.admitted, wrong)
		if job.record.Ended && whole {
			c.found.add(Finding{Kind: RecordChanged, Job: id, Leaves: &Range{job.admitted, job.admitted},
				Text: fmt.Sprintf("job %s is stored as %s, and no leaf says that it ended", id, job.record.Status)})
		}
	}
}

// unknown finds what is stored and was never admitted, or was forgotten.
func (c *comparing) unknown(now *RecordsNow) error {
	for job, err := range now.Jobs {
		if err != nil {
			return err
		}
		if !c.stored[maphash.String(c.seed, job)] {
			c.found.add(Finding{Kind: RecordUnknown, Job: job, Text: fmt.Sprintf("job %s is stored, and no leaf says that it was admitted, or one says that it was forgotten", job)})
		}
	}
	return nil
}
