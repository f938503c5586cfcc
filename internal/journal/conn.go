package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

const (
	// busyTimeout is how long SQLite waits for a lock that somebody else holds, such as an operator's sqlite3 shell.
	busyTimeout = 5 * time.Second
	// checkpointPages is how far the WAL grows before a commit copies it into the main file: nearly 16 MiB, four times SQLite's default. That commit is a slow
	// one, so it should be rare; and what a start after a crash has to read should be little. It is less than the 4,062 pages that the first part of the WAL's
	// index has places for, so that the index does not have to grow when a disk is full.
	checkpointPages = 4000
	// walKeep is the size in bytes to which the WAL is cut back after a transaction that was larger.
	walKeep = 64 << 20
)

// writerDSN names the connection that writes: https://sqlite.org/pragma.html. Temporary storage is memory, because a savepoint's undo log must not
// depend on room in /tmp; what a batch may hold is bounded. synchronous is FULL, but in a test that shows why; first are pragmas that have to come before
// the others.
func writerDSN(path, synchronous string, first ...string) string {
	return dsn(path, "rw", append(first,
		"journal_mode(WAL)", "synchronous("+synchronous+")", "foreign_keys(1)", "temp_store(MEMORY)", "cache_size(-16384)",
		"wal_autocheckpoint("+strconv.Itoa(checkpointPages)+")", "journal_size_limit("+strconv.Itoa(walKeep)+")")...)
}

// readerDSN names a connection that cannot write.
func readerDSN(path string) string { return dsn(path, "ro", "query_only(1)", "temp_store(MEMORY)") }

func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{
		"mode":       {mode},
		"_defensive": {"1"},
		"_dqs":       {"0"},
		"_error_rc":  {"1"},
		"_pragma":    {"trusted_schema(0)", "cell_size_check(1)"},
	}
	q.Set("_busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10))
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// openConn opens a single connection. Closing the *sql.DB closes it.
func openConn(ctx context.Context, dsn string) (*sql.DB, *sql.Conn, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, conn, nil
}

// openReaders opens the pool of reading connections.
func openReaders(ctx context.Context, dsn string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readerConns)
	db.SetMaxIdleConns(readerConns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// full is the only value of the pragma synchronous with which a commit is on disk when it is acknowledged.
const full = "FULL"

// checkPragmas makes sure that the durability which the journal promises is really switched on: SQLite ignores a pragma it does not know or cannot
// apply, for instance WAL on a file system without shared memory.
func checkPragmas(ctx context.Context, conn *sql.Conn, synchronous string) error {
	levels := map[string]string{"NORMAL": "1", full: "2"}
	for _, p := range []struct{ name, want string }{
		{"journal_mode", "wal"},
		{"synchronous", levels[synchronous]},
		{"foreign_keys", "1"},
		{"temp_store", "2"}, // MEMORY
		{"busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
	} {
		got, err := pragma[string](ctx, conn, p.name)
		if err != nil {
			return err
		}
		if got != p.want {
			return fmt.Errorf("SQLite answers %s = %s where %s is required", p.name, got, p.want)
		}
	}
	return nil
}

// pragma asks for the first value of a pragma.
func pragma[T int | string](ctx context.Context, conn *sql.Conn, name string) (T, error) {
	var v T
	err := conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&v)
	return v, err
}

// micros is how a time is stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// nullTime reads a stored time.
type nullTime struct{ time.Time }

// Scan implements sql.Scanner.
func (t *nullTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		t.Time = time.Time{}
	case int64:
		t.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("%w: a time is stored as %T", ErrCorrupt, v)
	}
	return nil
}
