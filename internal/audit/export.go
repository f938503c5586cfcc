package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxLine bounds a leaf that is read from an export.
const maxLine = 64 << 20

// What keeps a log from being exported, or an export from being read.
var (
	// ErrIncomplete says that leaves are missing, or are not what can be a line.
	ErrIncomplete = errors.New("the log is not whole")
	// ErrExport says that a file is no export, or not a whole one.
	ErrExport = errors.New("not a whole export")
)

// Export writes the leaves of a log, one a line, byte for byte, and returns how many. Line N+1 is leaf N, so that the file can be verified with
// nothing but the public key: the checkpoints are in it. It answers ErrIncomplete where a leaf is missing or has more than one line.
func Export(w io.Writer, leaves iter.Seq2[Row, error]) (n int64, err error) {
	b := bufio.NewWriterSize(w, 256<<10)
	for row, err := range leaves {
		switch {
		case err != nil:
			return n, err
		case row.Seq != n:
			return n, fmt.Errorf("%w: leaf %d is missing; run sidegate audit verify", ErrIncomplete, n)
		case len(row.Leaf) == 0 || bytes.IndexByte(row.Leaf, '\n') >= 0:
			return n, fmt.Errorf("%w: leaf %d is not one line, so no gateway wrote it; run sidegate audit verify", ErrIncomplete, n)
		}
		if _, err := b.Write(row.Leaf); err != nil {
			return n, err
		}
		if err := b.WriteByte('\n'); err != nil {
			return n, err
		}
		n++
	}
	return n, b.Flush()
}

// ReadExport returns what Export wrote, for Verify. It reads from the beginning each time.
func ReadExport(r io.ReadSeeker) Source {
	return Source{Leaves: func(yield func(Row, error) bool) {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			yield(Row{}, err)
			return
		}
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 256<<10), maxLine)
		lines.Split(wholeLines)
		n := int64(0)
		for ; lines.Scan(); n++ {
			if !yield(Row{n, lines.Bytes()}, nil) {
				return
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("%w: it is longer than %d MiB", ErrExport, maxLine>>20)
		}
		if err != nil {
			yield(Row{}, fmt.Errorf("line %d: %w", n+1, err))
		}
	}}
}

// IsExport tells from the beginning of a file whether it may be an export: a proof is something else.
func IsExport(beginning []byte) bool {
	_, _, ok := header(beginning)
	return ok
}

// wholeLines is a bufio.SplitFunc that takes a last line without its end for what is left of one.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("%w: it is cut off", ErrExport)
	}
	return 0, nil, nil
}
