package journal

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
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
	// Room that Prune made inside the journal's file counts as free as long as the disk has 24 MiB, or LowWater if that is less, for its WAL.
	LowWater int64
	// Ballast is the size in bytes of a file that only takes room, to be given up when the disk is full, so that jobs can still end: 0 means DefaultBallast,
	// or half of LowWater if that is less; a negative number means none. As much again, but at most 16 MiB, is taken ahead by the WAL, where nobody else can
	// take it. New work needs LowWater beside both.
	Ballast int64
	// Appended is called after each commit that has added leaves to the audit, by the goroutine that all commits wait for. nil means that nobody asks.
	Appended func(leaves int)
	// Free returns the bytes that an unprivileged process may still write to dir's file system; nil means statfs(2).
	Free func(dir string) (int64, error)

	// patience is how long Open waits for a lock that somebody holds: 0 means lockPatience, a negative number that it is tried once.
	patience time.Duration
	// synchronous is SQLite's pragma of that name: "" means FULL. Everything else loses what was acknowledged, which a test shows.
	synchronous string
}

// Journal is an open journal. All its methods are safe for concurrent use.
//
// A context given to a method that writes is honoured until the operation is in the writer's queue. From then on the method waits for the writer's
// answer even if the context ends, so that a caller always learns whether its operation was committed: an error of the context means that it was not.
type Journal struct {
	*Reader
	log      *slog.Logger
	lowWater int64
	ballast  *ballast
	headroom *headroom
	free     func(dir string) (int64, error)
	patience time.Duration

	ballastSize int64
	synchronous string
	appended    func(leaves int)

	lock   *os.File
	opened opened
	spool  *spool
	writer *writer

	count     count
	sweeping  sync.WaitGroup // and counting
	stopSweep context.CancelFunc
}

// Open opens the journal in c.Dir, creating it or bringing its schema forward as needed. It holds an exclusive lock on the directory until Close, so
// that two gateways cannot share one; a lock that is held is waited for some seconds. It answers ErrInUse, ErrNewerSchema or ErrCorrupt, and in these
// cases leaves the file as it is. ctx bounds the opening only.
func Open(ctx context.Context, c Config) (*Journal, error) {
	j, err := newJournal(c)
	if err != nil {
		return nil, wrap("open", err)
	}
	if err := j.open(ctx); err != nil {
		return nil, wrap("open", errors.Join(err, j.release()))
	}
	go j.writer.loop()
	j.startSweep()
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
	switch {
	case c.Ballast < 0:
		c.Ballast = 0
	case c.Ballast == 0 && c.LowWater > 0:
		c.Ballast = min(DefaultBallast, c.LowWater/2)
	case c.Ballast == 0:
		c.Ballast = DefaultBallast
	}
	if c.patience == 0 {
		c.patience = lockPatience
	}
	c.synchronous = cmp.Or(c.synchronous, full)
	if c.Appended == nil {
		c.Appended = func(int) {}
	}
	if c.Free == nil {
		c.Free = freeBytes
	}
	return &Journal{
		Reader: &Reader{dir: dir}, log: c.Logger, lowWater: c.LowWater, free: c.Free, patience: c.patience,
		ballastSize: c.Ballast, synchronous: c.synchronous, appended: c.Appended,
	}, nil
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
	if j.spool, err = openSpool(j.dir, j.log, j.roomForOutput); err != nil {
		return err
	}
	if j.ballast, err = openBallast(j.dir, j.ballastSize); err != nil {
		return err
	}
	if j.writer, err = openWriter(ctx, path, j); err != nil {
		return err
	}
	if j.headroom, err = openHeadroom(path+"-wal", min(maxHeadroom, j.ballastSize)); err != nil {
		return err
	}
	j.writer.headroom = j.headroom
	if err := j.opened.look(j.dir); err != nil {
		return err
	}
	if err := j.checkSpace(j.writer.st.reusableBytes); err != nil {
		j.log.Warn("new work is refused until there is room for it", "error", err)
		j.writer.relieve()
	}
	if j.db, err = openReaders(ctx, readerDSN(path)); err != nil {
		return err
	}
	return j.beginCount()
}

// Close commits what is queued, refuses what would be written later with ErrClosed, waits for readers, and releases the directory. Later reads fail with
// an error of database/sql. It may be called more than once.
func (j *Journal) Close() error {
	if !j.writer.stop() {
		return nil
	}
	j.stopSweep()
	j.sweeping.Wait()
	return wrap("close", j.release())
}

// release closes whatever is open; the writer goroutine has ended or was never started. The writer's connection goes last, because the last
// connection brings the WAL back into the main file.
func (j *Journal) release() error {
	var errs []error
	errs = append(errs, j.Reader.Close())
	if j.writer != nil {
		errs = append(errs, j.writer.close())
	}
	if j.spool != nil {
		errs = append(errs, j.spool.close())
	}
	if j.ballast != nil {
		errs = append(errs, j.ballast.close())
	}
	if j.headroom != nil {
		errs = append(errs, j.headroom.close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}
