package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Reader reads a journal, and is what a Journal reads with. All its methods are safe for concurrent use.
type Reader struct {
	dir string
	db  *sql.DB
}

// OpenReadOnly opens the journal in dir for reading only: beside a gateway that runs, after one that has ended, or a copy. It does not take the lock of
// the state directory, so a gateway can start and end meanwhile, and never waits for the reader. It changes nothing in the journal. It answers ErrCorrupt,
// ErrNewerSchema, or ErrOlderSchema for a journal that no gateway of this version has opened yet. Close it.
//
// What was committed last stands in journal.db-wal, which belongs to the journal: after a crash too, and in a copy of it. To read beside a writer, SQLite
// keeps an index of it in journal.db-shm, and makes both files, with the owner and the mode of the journal, where they are missing; the next gateway
// takes them over. Where they cannot be made, as on read-only media, the journal is read without them, provided that there is nothing in the WAL.
func OpenReadOnly(ctx context.Context, dir string) (*Reader, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, wrap("open", err)
	}
	r, err := openReadOnly(ctx, dir)
	return r, wrap("open", err)
}

func openReadOnly(ctx context.Context, dir string) (*Reader, error) {
	path := filepath.Join(dir, fileName)
	if _, err := inspectHeader(path); err != nil {
		return nil, err
	}
	r := &Reader{dir: dir}
	var err error
	if r.db, err = openReaders(ctx, readerDSN(path)); cannotOpen(err) {
		r.db, err = openStill(ctx, path, err)
	}
	if err == nil {
		err = r.checkSchema(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// openStill opens a journal that nobody can write, beside which no file can be made either.
func openStill(ctx context.Context, path string, cause error) (*sql.DB, error) {
	wal, err := os.Stat(path + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case wal.Size() > 0:
		return nil, fmt.Errorf("%w; copy %s, %s-wal and the folder spool to where files can be made, and read them there", cause, path, fileName)
	}
	return openReaders(ctx, readerDSN(path)+"&immutable=1")
}

// cannotOpen tells whether err is what SQLite says when it cannot make or open a file beside the journal.
func cannotOpen(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// checkSchema makes sure that this version knows what it reads.
func (r *Reader) checkSchema(ctx context.Context) error {
	var version int
	err := r.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	switch {
	case err != nil:
		return err
	case version > len(migrations):
		return newerSchema(version, len(migrations))
	case version < len(migrations):
		return fmt.Errorf("%w: it has schema %d instead of %d; a gateway of this version brings it forward when it starts", ErrOlderSchema, version, len(migrations))
	}
	return nil
}

// Close waits for what is being read. Later reads fail with an error of database/sql. It may be called more than once.
func (r *Reader) Close() error {
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}
