package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// A piece of a file of checkpoints is one of them, or what is left of one.
type piece struct {
	line int // at which it begins
	text string
}

const (
	signaturePrefix = "— "
	maxNoteLine     = 4 << 10
	maxNote         = 64 << 10
)

var errNotNotes = errors.New("this is no file of checkpoints")

// pieces cuts a file where one checkpoint ends and the next begins: behind the signatures, and behind an empty line that no signature follows.
func pieces(r io.Reader) iter.Seq2[piece, error] {
	return func(yield func(piece, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxNoteLine)
		var (
			text       strings.Builder
			begin, at  int
			signatures bool // were the last line
		)
		flush := func() bool {
			p := piece{begin, text.String()}
			text.Reset()
			signatures = false
			return p.text == "" || yield(p, nil)
		}
		for lines.Scan() {
			at++
			line := lines.Text()
			signature := strings.HasPrefix(line, signaturePrefix)
			if !signature && (signatures || strings.HasSuffix(text.String(), "\n\n")) && !flush() {
				return
			}
			if text.Len() == 0 {
				if line == "" {
					continue
				}
				begin = at
			}
			if text.Len() > maxNote {
				yield(piece{}, fmt.Errorf("line %d: %w", begin, errNotNotes))
				return
			}
			signatures = signature
			text.WriteString(line + "\n")
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("line %d: %w", at+1, errNotNotes)
		}
		if err != nil {
			yield(piece{}, err)
			return
		}
		flush()
	}
}
