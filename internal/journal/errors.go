package journal

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What Open refuses.
var (
	// ErrInUse says that another gateway holds the state directory.
	ErrInUse = errors.New("the state directory is in use by another gateway")
	// ErrNewerSchema says that a newer version of Sidegate wrote the journal.
	ErrNewerSchema = errors.New("the journal was written by a newer version")
	// ErrCorrupt says that the journal is not a whole journal. Reads answer it too when they meet the damage later.
	ErrCorrupt = errors.New("the journal is damaged")
)

// ErrOlderSchema says that the journal must be brought forward before it can be read. Open does that; OpenReadOnly does not.
var ErrOlderSchema = errors.New("the journal was written by an older version")

// What operations are refused with. Nothing of a refused operation is stored.
var (
	// ErrNonceUsed says that this nonce was used before, by anyone.
	ErrNonceUsed = errors.New("the nonce was used before")
	// ErrNonceForgotten says that the request was signed at or before the floor: its nonce may have been used and forgotten since.
	ErrNonceForgotten = errors.New("the request was signed before the oldest nonce that is still remembered")
	// ErrNoSpace says that the disk is full, below the low-water mark, or does not take writes.
	ErrNoSpace = errors.New("the journal cannot be written: no space")
	// ErrMoved says that the state directory was removed or replaced under the gateway, which must be started again.
	ErrMoved = errors.New("the journal is not where it was opened")
	// ErrExists says that the job or the delivery is in the journal already.
	ErrExists = errors.New("already in the journal")
	// ErrNotFound says that the journal knows no such job or delivery.
	ErrNotFound = errors.New("not in the journal")
	// ErrState says that the job or delivery is not in a state that allows the step.
	ErrState = errors.New("not allowed in this state")
	// ErrInvalid says that the caller's value is incomplete or out of bounds.
	ErrInvalid = errors.New("invalid value")
	// ErrContent says that an output or a message could not be read while it was stored.
	ErrContent = errors.New("what is to be stored cannot be read")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("the journal is closed")
)

// Error is every error of this package: the operation that failed, and why. Unwrap leads to one of the sentinels above where one applies, and
// otherwise to the error of the context, SQLite or the operating system.
type Error struct {
	Op  string // "open", "admit", "begin", "finish", "settle", …
	Err error
}

// Error returns "journal: OP: WHY".
func (e *Error) Error() string { return "journal: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrap gives err the operation's name and, where SQLite's code tells one, the sentinel. It returns nil for nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return &Error{Op: op, Err: classify(err)}
}

// classify adds the sentinel that belongs to a SQLite result code (https://sqlite.org/rescode.html).
func classify(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ: // not for want of space, but no proof of damage either
		return err
	}
	switch e.Code() & 0xff { // without the extension
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// isDuplicate tells whether err is a violated UNIQUE or PRIMARY KEY constraint.
func isDuplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
