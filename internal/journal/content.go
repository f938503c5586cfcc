package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// StreamName names one of the two output streams of a job.
type StreamName string

// The streams of a job.
const (
	Stdout StreamName = "stdout"
	Stderr StreamName = "stderr"
)

// Content reads a stored output or message. It stays readable when its job is forgotten meanwhile. It is not safe for concurrent use, except ReadAt.
// Close it.
type Content struct {
	from   *io.SectionReader
	file   *os.File // nil where it is in memory
	sha256 [sha256.Size]byte
}

var (
	_ io.ReadSeekCloser = (*Content)(nil)
	_ io.ReaderAt       = (*Content)(nil)
)

// Size returns the length in bytes.
func (c *Content) Size() int64 { return c.from.Size() }

// Read implements io.Reader.
func (c *Content) Read(p []byte) (int, error) { return c.from.Read(p) }

// Seek implements io.Seeker.
func (c *Content) Seek(offset int64, whence int) (int64, error) { return c.from.Seek(offset, whence) }

// ReadAt implements io.ReaderAt.
func (c *Content) ReadAt(p []byte, offset int64) (int, error) { return c.from.ReadAt(p, offset) }

// Close closes the file, if it is in one. It may be called more than once.
func (c *Content) Close() error {
	if c.file == nil {
		return nil
	}
	if err := c.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Verify reads all of it and answers ErrCorrupt if these are not the bytes that were stored. It does not move where Read reads. What is up to 64 KiB long was
// verified when it was opened.
func (c *Content) Verify() error {
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(c.from, 0, c.Size())); err != nil {
		return wrap("verify", err)
	}
	if !bytes.Equal(digest.Sum(nil), c.sha256[:]) {
		return wrap("verify", errDigest)
	}
	return nil
}

// ReadAll verifies and returns all of it, which may be long: see Size.
func (c *Content) ReadAll() ([]byte, error) {
	all := make([]byte, c.Size())
	if _, err := c.ReadAt(all, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, wrap("read", err)
	}
	if sha256.Sum256(all) != c.sha256 {
		return nil, wrap("read", errDigest)
	}
	return all, nil
}

var errDigest = fmt.Errorf("%w: a stored content does not match its digest", ErrCorrupt)

// place says where a content is stored.
type place struct {
	content []byte
	file    sql.NullString
	size    sql.NullInt64
	sha256  []byte // nil where there was none yet when it was stored
}

// open opens a content at the place that find returns. A file may have been removed in between, because its row was forgotten or brings another one now.
func (r *Reader) open(find func() (place, error)) (*Content, error) {
	for try := 1; ; try++ {
		at, err := find()
		if err != nil {
			return nil, err
		}
		c, err := r.openAt(at)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if try == 2 {
			return nil, fmt.Errorf("%w: a file of the folder %s is missing: %w", ErrCorrupt, spoolName, err)
		}
	}
}

func (r *Reader) openAt(at place) (*Content, error) {
	c := &Content{}
	if at.sha256 != nil {
		if len(at.sha256) != sha256.Size {
			return nil, fmt.Errorf("%w: a digest has %d bytes", ErrCorrupt, len(at.sha256))
		}
		c.sha256 = [sha256.Size]byte(at.sha256)
	}
	if !at.file.Valid {
		c.from = io.NewSectionReader(bytes.NewReader(at.content), 0, int64(len(at.content)))
		if at.sha256 == nil {
			c.sha256 = sha256.Sum256(at.content)
		}
		return c, c.Verify()
	}
	root, err := os.OpenRoot(filepath.Join(r.dir, spoolName))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if c.file, err = root.OpenFile(at.file.String, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil { // a pipe in its place would never open
		return nil, err
	}
	st, err := c.file.Stat()
	if err == nil && (!st.Mode().IsRegular() || st.Size() != at.size.Int64) {
		err = fmt.Errorf("%w: a file of the folder %s has %d bytes instead of %d", ErrCorrupt, spoolName, st.Size(), at.size.Int64)
	}
	if err != nil {
		return nil, errors.Join(err, c.file.Close())
	}
	c.from = io.NewSectionReader(c.file, 0, st.Size())
	return c, nil
}

// OpenOutput opens a stream of a job that has ended. It answers ErrNotFound for any other job, and ErrCorrupt if the content is not what was stored, as
// far as that can be told without reading it: see Verify.
func (r *Reader) OpenOutput(ctx context.Context, id string, s StreamName) (*Content, error) {
	if s != Stdout && s != Stderr {
		return nil, wrap("output", fmt.Errorf("%w: %q is not a stream", ErrInvalid, s))
	}
	column := string(s)
	c, err := r.open(func() (at place, err error) {
		err = r.db.QueryRowContext(ctx, "SELECT "+column+", "+column+"_file, "+column+"_size, "+column+`_sha256
			FROM output JOIN job ON job.seq = output.job WHERE job.id = ?`, id).Scan(&at.content, &at.file, &at.size, &at.sha256)
		return at, notFound(err, "the output of job "+id)
	})
	return c, wrap("output", err)
}

// OpenBody opens the message of a delivery. It answers ErrNotFound if there is none, because the delivery is unknown or was made.
func (r *Reader) OpenBody(ctx context.Context, deliveryID string) (*Content, error) {
	c, err := r.open(func() (at place, err error) {
		err = r.db.QueryRowContext(ctx, "SELECT body, body_file, body_size, body_sha256 FROM outbox WHERE delivery_id = ? AND state <> 'delivered'", deliveryID).
			Scan(&at.content, &at.file, &at.size, &at.sha256)
		return at, notFound(err, "the message of delivery "+deliveryID)
	})
	return c, wrap("body", err)
}
