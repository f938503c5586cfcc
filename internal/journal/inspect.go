package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	headerSize = 100

	// quickCheckLimit is the size up to which Open reads and checks every page. Beyond it SQLite notices damage when it meets it, because a check
	// would cost a second for every few hundred megabytes at each start.
	quickCheckLimit = 16 << 20
)

// inspect looks at an existing journal through a read-only connection, so that a file which is damaged or too new stays as it is.
func inspect(ctx context.Context, path string) (err error) {
	size, err := inspectHeader(path)
	if err != nil {
		return err
	}
	db, conn, err := openConn(ctx, readerDSN(path))
	if err != nil {
		return classify(err)
	}
	defer func() { err = errors.Join(err, conn.Close(), db.Close()) }()
	version, err := pragma[int](ctx, conn, "user_version")
	switch {
	case err != nil:
		return classify(err)
	case version > len(migrations):
		return newerSchema(version, len(migrations))
	case version < 1:
		return fmt.Errorf("%w: %s has no schema", ErrCorrupt, path)
	case size > quickCheckLimit:
		return nil
	}
	verdict, err := pragma[string](ctx, conn, "quick_check(1)")
	if err != nil {
		return classify(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s: %s", ErrCorrupt, path, verdict)
	}
	return nil
}

// inspectHeader reads the file's header and size before SQLite does. Damage there must not depend on what SQLite makes of it: it takes an empty file,
// for one, for a new and valid database.
func inspectHeader(path string) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	header := make([]byte, headerSize)
	if n, err := io.ReadFull(f, header); err != nil {
		return 0, fmt.Errorf("%w: %s has only %d bytes", ErrCorrupt, path, n)
	}
	if err := checkHeader(header, st.Size()); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return st.Size(), nil
}

// checkHeader checks the first 100 bytes of a file of the given size: https://sqlite.org/fileformat2.html#the_database_header.
func checkHeader(header []byte, size int64) error {
	if len(header) < headerSize {
		return fmt.Errorf("%w: the header has only %d bytes", ErrCorrupt, len(header))
	}
	if !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return fmt.Errorf("%w: it is not a SQLite file", ErrCorrupt)
	}
	pageSize := int64(binary.BigEndian.Uint16(header[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if pageSize < 512 || pageSize&(pageSize-1) != 0 || size < pageSize {
		return fmt.Errorf("%w: its header says pages of %d bytes and the file has %d", ErrCorrupt, pageSize, size)
	}
	if id := binary.BigEndian.Uint32(header[68:]); id != applicationID {
		return fmt.Errorf("%w: it is a SQLite file, but not a journal (application ID %#x)", ErrCorrupt, id)
	}
	return nil
}
