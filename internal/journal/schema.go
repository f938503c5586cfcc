package journal

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const applicationID = 0x53446774 // "SDgt" in the header of the file: this SQLite file is a Sidegate journal

//go:embed schema/*.sql
var schemaFiles embed.FS

// migrations is the history of the schema: migrations[i] brings a journal from version i to i+1. Files are only ever added, never changed.
var migrations = mustLoadMigrations(schemaFiles)

// mustLoadMigrations reads schema/NNNN_name.sql in order; a gap is a mistake in the source tree, which the first test or start shows.
func mustLoadMigrations(files fs.FS) []string {
	names, err := fs.Glob(files, "schema/*.sql") // sorted
	if err != nil {
		panic(err)
	}
	var scripts []string
	for i, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "schema/"), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			panic(fmt.Sprintf("journal: %s should have number %04d", name, i+1))
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err)
		}
		scripts = append(scripts, string(script))
	}
	return scripts
}

// migrate brings the file forward in one transaction, so that an interrupted migration leaves the old schema.
func migrate(ctx context.Context, conn *sql.Conn, scripts []string) error {
	version, err := pragma[int](ctx, conn, "user_version")
	if err != nil || version == len(scripts) {
		return err
	}
	if version > len(scripts) {
		return newerSchema(version, len(scripts))
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := version; i < len(scripts); i++ {
		if _, err := tx.ExecContext(ctx, scripts[i]); err != nil {
			return fmt.Errorf("migrate to schema %d: %w", i+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(len(scripts))); err != nil {
		return err
	}
	return tx.Commit()
}

func newerSchema(version, known int) error {
	return fmt.Errorf("%w: it has schema %d and this version knows up to %d; run the newer version, or use another state directory",
		ErrNewerSchema, version, known)
}

// build creates the schema in the empty file at path and closes it again, with everything in the main file.
func build(ctx context.Context, path string) (err error) {
	db, conn, err := openConn(ctx, writerDSN(path, full, "auto_vacuum(INCREMENTAL)")) // which has to be set before anything is in the file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(), db.Close()) }()
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	return migrate(ctx, conn, migrations)
}
