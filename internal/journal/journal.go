package journal

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	// DefaultLowWater is how much space the state directory's file system must have for new work, unless Config says otherwise. It leaves every job
	// that runs room to record its end.
	DefaultLowWater = 64 << 20

	readerConns = 4 // what listing and callbacks need; a WAL reader blocks nobody
)

// Config is what Open needs. Only Dir is required.
type Config struct {
	Dir    string       // the state directory; created with mode 0700 if it is absent, refused if others may write to it
	Logger *slog.Logger // nil means slog.Default()

	// LowWater is the number of free bytes below which Admit answers ErrNoSpace: 0 means DefaultLowWater, a negative number that nothing is checked.
	// Room that PruneJobs made inside the journal's file counts as free as long as the disk has 24 MiB, or LowWater if that is less, for its WAL.
	LowWater int64
	// Free returns the bytes that an unprivileged process may still write to dir's file system; nil means statfs(2).
	Free func(dir string) (int64, error)

	// patience is how long Open waits for a lock that somebody holds: 0 means lockPatience, a negative number that it is tried once.
	patience time.Duration
}

// Journal is an open journal. All its methods are safe for concurrent use.
//
// A context given to a method that writes is honoured until the operation is in the writer's queue. From then on the method waits for the writer's
// answer even if the context ends, so that a caller always learns whether its operation was committed: an error of the context means that it was not.
type Journal struct {
	dir      string
	log      *slog.Logger
	lowWater int64
	free     func(dir string) (int64, error)
	patience time.Duration

	lock    *os.File
	readers *sql.DB
	writer  *writer
}

// Open opens the journal in c.Dir, creating it or bringing its schema forward as needed. It holds an exclusive lock on the directory until Close, so
// that two gateways cannot share one; a lock that is held is waited for some seconds. It answers ErrInUse, ErrNewerSchema or ErrCorrupt, and in these cases leaves the file as it is. ctx bounds the
// opening only.
func Open(ctx context.Context, c Config) (*Journal, error) {
	j, err := newJournal(c)
	if err != nil {
		return nil, wrap("open", err)
	}
	if err := j.open(ctx); err != nil {
		return nil, wrap("open", errors.Join(err, j.release()))
	}
	go j.writer.loop()
	return j, nil
}

// newJournal checks the configuration and fills in its defaults.
func newJournal(c Config) (*Journal, error) {
	if c.Dir == "" {
		return nil, errors.New("no state directory is configured")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LowWater == 0 {
		c.LowWater = DefaultLowWater
	}
	if c.patience == 0 {
		c.patience = lockPatience
	}
	if c.Free == nil {
		c.Free = freeBytes
	}
	return &Journal{dir: dir, log: c.Logger, lowWater: c.LowWater, free: c.Free, patience: c.patience}, nil
}

// open takes the lock, looks at the file without changing it, and only then opens it for writing.
func (j *Journal) open(ctx context.Context) error {
	if err := prepareDir(j.dir); err != nil {
		return err
	}
	var err error
	if j.lock, err = lockDir(ctx, j.dir, j.patience); err != nil {
		return err
	}
	path := filepath.Join(j.dir, fileName)
	if err := ensureFile(ctx, path); err != nil {
		return err
	}
	if err := inspect(ctx, path); err != nil {
		return err
	}
	if j.writer, err = openWriter(ctx, path, j.log, j.checkSpace); err != nil {
		return err
	}
	j.readers, err = openReaders(ctx, path)
	return err
}

// Close commits what is queued, refuses what would be written later with ErrClosed, waits for readers, and releases the directory. Later reads fail with
// an error of database/sql. It may be called more than once.
func (j *Journal) Close() error {
	if !j.writer.stop() {
		return nil
	}
	return wrap("close", j.release())
}

// release closes whatever is open; the writer goroutine has ended or was never started. The writer's connection goes last, because the last
// connection brings the WAL back into the main file.
func (j *Journal) release() error {
	var errs []error
	if j.readers != nil {
		errs = append(errs, j.readers.Close())
	}
	if j.writer != nil {
		errs = append(errs, j.writer.close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}
