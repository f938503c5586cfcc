package journal

import (
	"context"
	"time"
)

const pruneJobs = 256 // jobs dropped per commit, so that pruning does not hold up admissions

// PruneJobs forgets the jobs that ended before the given time, with their outputs and deliveries, and returns how many they were. Jobs that have not
// ended, and jobs with a callback still pending, stay whatever their age. The file does not shrink: the space is used
// again, and the low-water check counts it as free.
func (j *Journal) PruneJobs(ctx context.Context, endedBefore time.Time) (int, error) {
	return j.inChunks(ctx, "prune jobs", pruneJobs, func(st *statements) (int, error) {
		rows, err := st.prunable.Query(endedBefore.UnixMicro(), pruneJobs)
		if err != nil {
			return 0, err
		}
		seqs, err := collect(rows, func(row scanner) (seq int64, err error) {
			err = row.Scan(&seq)
			return seq, err
		})
		if err != nil {
			return 0, err
		}
		for _, seq := range seqs {
			if err := st.drop(seq); err != nil {
				return 0, err
			}
		}
		return len(seqs), nil
	})
}

// drop removes one job. A pending delivery would stop it: the foreign key of the outbox does not cascade.
func (st *statements) drop(seq int64) error {
	if err := st.exec(st.dropDeliveries, seq); err != nil {
		return err
	}
	if err := st.exec(st.dropOutput, seq); err != nil {
		return err
	}
	return st.exec(st.dropJob, seq)
}
