package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// walRoom is how much of the disk the WAL takes before a commit copies it into the main file: what makes that due, and one more batch. It is needed even
// if everything goes to pages that are used again, because every change goes through the WAL.
const walRoom = checkpointPages*4096 + maxBatchBytes

// OutputReserve is how many bytes must stay free of long outputs where the low-water mark is this one: they give way after new work, and before the ends of jobs
// do. It is half of the mark, and at most 32 MiB; -1 means that nothing is checked.
func OutputReserve(lowWater int64) int64 {
	if lowWater < 0 {
		return -1
	}
	return min(lowWater, DefaultLowWater) / 2
}

// freeBytes is the default of Config.Free.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// checkNew tells whether new work can be taken.
func (j *Journal) checkNew(reusable func() (int64, error)) error {
	if err := j.opened.check(); err != nil {
		return err
	}
	return j.checkSpace(reusable)
}

// checkSpace is the low-water check, and takes the ballast and the WAL's headroom again when there is room for all. The room inside the journal counts as free, because the file
// keeps some when jobs are forgotten; but it counts only as long as the WAL can be written too. Not knowing how much space is left counts as none.
func (j *Journal) checkSpace(reusable func() (int64, error)) error {
	if err := j.enough(reusable); err != nil {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	if err := errors.Join(j.headroom.grow(), j.ballast.take()); err != nil && j.lowWater >= 0 {
		return fmt.Errorf("%w: the ballast cannot be made: %w", ErrNoSpace, err)
	}
	return nil
}

// enough tells whether there is room for new work beside the ballast.
func (j *Journal) enough(reusable func() (int64, error)) error {
	if j.lowWater < 0 {
		return nil
	}
	free, err := j.free(j.dir)
	if err != nil {
		return err
	}
	missing := j.ballast.missing() + j.headroom.missing()
	free -= missing
	if free >= j.lowWater {
		return nil
	}
	inside, err := reusable()
	if err != nil {
		return err
	}
	wal, err := j.walBytes()
	if err != nil {
		return err
	}
	if free+inside >= j.lowWater && free+wal >= min(j.lowWater, walRoom) {
		return nil
	}
	return fmt.Errorf("%d bytes are free on the file system of %s and %d in the journal, and new work needs %d", free+missing, j.dir, inside, j.lowWater+missing)
}

// roomForOutput is checked while a content is stored that is too long for a row.
func (j *Journal) roomForOutput() error {
	reserve := OutputReserve(j.lowWater)
	if reserve < 0 {
		return nil
	}
	free, err := j.free(j.dir)
	if err == nil && free < reserve {
		err = fmt.Errorf("%d bytes are free on the file system of %s, and long outputs must leave %d", free, j.dir, reserve)
	}
	return err
}

// walBytes is the size of the WAL, which is written from its start again after it was copied.
func (j *Journal) walBytes() (int64, error) {
	st, err := os.Stat(filepath.Join(j.dir, fileName+"-wal"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
