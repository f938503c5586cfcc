package journal

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
)

// sweepAtOnce is how many files are looked up together.
const sweepAtOnce = 256

// ourFile is how the files of the spool are named.
var ourFile = regexp.MustCompile(`^[A-Z2-7]{16}-[0-9]+$`)

// sweep removes the files that an earlier process left without a row: it was killed before the commit that would have named them, or after the one that
// forgot them. It runs while others work. Their files have other names, and a row that was there when a file of an earlier process was looked up can only be
// forgotten, which removes the file too.
func (j *Journal) sweep(ctx context.Context) (removed int, err error) {
	dir, err := j.spool.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(sweepAtOnce)
		if errors.Is(err, io.EOF) {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
		orphans, err := j.orphans(ctx, j.spool.earlier(entries))
		if err != nil {
			return removed, err
		}
		j.spool.remove(orphans...)
		removed += len(orphans)
	}
}

// earlier are the names of the files that other processes made.
func (s *spool) earlier(entries []os.DirEntry) (names []string) {
	for _, e := range entries {
		if name := e.Name(); e.Type().IsRegular() && ourFile.MatchString(name) && !strings.HasPrefix(name, s.run+"-") {
			names = append(names, name)
		}
	}
	return names
}

// orphans are the files that no row names.
func (j *Journal) orphans(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list := "(?" + strings.Repeat(", ?", len(names)-1) + ")"
	var args []any
	for range 3 {
		for _, name := range names {
			args = append(args, name)
		}
	}
	rows, err := j.db.QueryContext(ctx, "SELECT stdout_file FROM output WHERE stdout_file IN "+list+
		" UNION ALL SELECT stderr_file FROM output WHERE stderr_file IN "+list+" UNION ALL SELECT body_file FROM outbox WHERE body_file IN "+list, args...)
	if err != nil {
		return nil, err
	}
	stored, err := collect(rows, func(row scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(stored))
	for _, name := range stored {
		known[name] = true
	}
	var orphans []string
	for _, name := range names {
		if !known[name] {
			orphans = append(orphans, name)
		}
	}
	return orphans, nil
}

// startSweep sweeps, and counts what is stored if need be, beside everything else, until Close.
func (j *Journal) startSweep() {
	var ctx context.Context
	ctx, j.stopSweep = context.WithCancel(context.Background())
	j.sweeping.Go(func() { j.finishCount(ctx) })
	j.sweeping.Go(func() {
		switch n, err := j.sweep(ctx); {
		case err != nil && ctx.Err() == nil:
			j.log.Warn("files that an earlier gateway left behind could not be looked for", "dir", spoolName, "error", err)
		case n > 0:
			j.log.Info("removed files that an earlier gateway left behind", "dir", spoolName, "files", n)
		}
	})
}
