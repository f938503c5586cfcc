package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// storedRecords shows what the journal keeps of jobs to whoever holds it against the audit.
type storedRecords struct {
	r   *journal.Reader
	log *journal.AuditLog
	key *audit.Key // nil where it is not known
}

// auditRecords are the jobs of the journal in dir. The remark says what cannot be compared.
func auditRecords(r *journal.Reader, log *journal.AuditLog, dir string) (records *audit.Records, remark string) {
	s := storedRecords{r: r, log: log}
	key, err := audit.ReadKey(dir)
	keys, listed := audit.ReadKeys(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remark = "there is no " + audit.PrivateFile + " beside the journal"
	case err != nil:
		remark = err.Error()
	case listed != nil || len(keys.Lines()) > 1:
		remark = audit.PublicFile + " lists more than one key, and digests tell not by which they were made"
	default:
		s.key = key
	}
	if remark != "" {
		remark = "the requests, decisions and results that are stored were not compared with their digests: " + remark
	}
	return &audit.Records{Find: s.find, Now: s.now}, remark
}

func (s storedRecords) find(ctx context.Context, jobs []string) ([]audit.Record, error) {
	return s.all(ctx, s.r, jobs)
}

func (s storedRecords) now(ctx context.Context) (*audit.RecordsNow, error) {
	m, err := s.log.Now(ctx)
	if err != nil {
		return nil, err
	}
	return &audit.RecordsNow{
		Leaves: turned(m.Leaves(), func(l journal.Leaf) audit.Row { return audit.Row{Seq: l.Seq, Leaf: l.Data} }),
		Jobs:   m.Jobs(),
		Find:   func(ctx context.Context, jobs []string) ([]audit.Record, error) { return s.all(ctx, m, jobs) },
		Close:  m.Close,
	}, nil
}

func (s storedRecords) all(ctx context.Context, from interface {
	Records(context.Context, []string) ([]journal.Record, error)
}, jobs []string) ([]audit.Record, error) {
	rows, err := from.Records(ctx, jobs)
	if err != nil {
		return nil, err
	}
	records := make([]audit.Record, len(rows))
	for i, row := range rows {
		if records[i], err = s.record(ctx, row); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (s storedRecords) record(ctx context.Context, row journal.Record) (audit.Record, error) {
	r := audit.Record{
		Job: row.ID, Client: row.Client, Decision: row.DecisionID, Command: row.Command, Ended: row.Status.Final(), Status: string(row.Status),
		ExitCode: row.ExitCode, Signal: row.Signal, Reason: row.Reason, Micros: row.Duration.Microseconds(),
	}
	if s.key != nil {
		r.Request, r.Spec, r.Result = s.key.Digest("request", row.Request), s.key.Digest("spec", row.Spec), s.key.Digest("result", row.Result)
	}
	if row.Output == nil {
		return r, nil
	}
	damaged, err := s.damage(ctx, row.ID, journal.Stdout, row.Output.Stdout, row.Stdout, row.StdoutFile)
	if err != nil {
		return r, err
	}
	more, err := s.damage(ctx, row.ID, journal.Stderr, row.Output.Stderr, row.Stderr, row.StderrFile)
	r.Damage = append(damaged, more...)
	r.Stdout, r.Stderr = streamOf(row.Output.Stdout), streamOf(row.Output.Stderr)
	return r, err
}

func streamOf(s journal.StoredStream) *audit.Stream {
	return &audit.Stream{Bytes: s.Bytes, Truncated: s.Truncated, SHA256: hex.EncodeToString(s.SHA256[:])}
}

// damage reads a stored output to its end, so that its row's word for it is not all there is, and says what is wrong with it.
func (s storedRecords) damage(ctx context.Context, job string, name journal.StreamName, stored journal.StoredStream, content []byte, inFile bool) ([]string, error) {
	wrong := func(why string) []string {
		return []string{fmt.Sprintf("its stored %s was changed or is lost: %s", name, why)}
	}
	if !inFile {
		if sha256.Sum256(content) != stored.SHA256 {
			return wrong("it does not match its digest"), nil
		}
		return nil, nil
	}
	file, err := s.r.OpenOutput(ctx, job, name)
	if err == nil {
		err = errors.Join(file.Verify(), file.Close())
	}
	switch {
	case err == nil, errors.Is(err, journal.ErrNotFound): // forgotten since the row was read
		return nil, nil
	case errors.Is(err, journal.ErrCorrupt):
		return wrong(err.Error()), nil
	}
	return nil, err
}
