package journal

import (
	"context"
	"database/sql"
	"log/slog"
)

const (
	// shrinkPages is how many pages one commit takes from the end of the file.
	shrinkPages = 256
	// keptPages and keptShare are how much room inside the file is kept to be used again: as many pages, or one of so many, whichever is more. Taking pages
	// away and adding them again costs more than leaving them.
	keptPages = 1024
	keptShare = 8

	// convertLimit is the size up to which a journal of an earlier version is rewritten at its first start, so that it can shrink later.
	convertLimit = 64 << 20
)

// shrink gives pages that nothing is stored in any more back to the file system. The file gets shorter when the WAL is copied into it.
func (j *Journal) shrink(ctx context.Context) error {
	for more := true; more; {
		err := j.writer.do(ctx, op{name: "shrink", run: func(st *statements) error {
			var free, pages int64
			if err := st.pages.QueryRow().Scan(&free, &pages); err != nil {
				return err
			}
			more = st.shrinks && free-shrinkPages >= max(keptPages, (pages-free)/keptShare)
			if !more {
				return nil
			}
			st.shrunk = true
			return st.exec(st.vacuum)
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// convert makes a journal of an earlier version one that can shrink, if that does not take long. It tells whether it can.
func convert(ctx context.Context, conn *sql.Conn, log *slog.Logger) (bool, error) {
	mode, err := pragma[int](ctx, conn, "auto_vacuum")
	if err != nil || mode == autoVacuumIncremental {
		return true, err
	}
	var size int64
	if err := conn.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&size); err != nil {
		return false, err
	}
	if size <= convertLimit {
		if _, err := conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM"); err == nil {
			return true, nil
		} else {
			log.Warn("the journal could not be rewritten, and its file keeps its size until that succeeds at a later start", "error", err)
			return false, nil
		}
	}
	log.Warn("the journal was made by an earlier version, and its file keeps its size; to let it shrink, stop the gateway and run once: "+
		"sqlite3 journal.db 'PRAGMA auto_vacuum = 2; VACUUM;'", "bytes", size)
	return false, nil
}

const autoVacuumIncremental = 2
