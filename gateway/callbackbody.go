package gateway

import (
	"errors"
	"io"

	"github.com/sidegate/sidegate/executor"
)

// callbackBody writes what Func's API takes: the keyword arguments of the function that is called. These two have no place for
// a status, so what ended otherwise than by itself says so in a last line of stderr. Output is written in pieces: as JSON it
// may be six times as long.
type callbackBody struct{ c conclusion }

// WriteTo implements io.WriterTo. It can be called again.
func (b callbackBody) WriteTo(w io.Writer) (int64, error) {
	said, err := b.note()
	if err != nil {
		return 0, err
	}
	out := jsonWriter{w: w}
	out.raw(`{"kwargs":{"stdout":`)
	err1 := out.text(b.c.Stdout)
	out.raw(`,"stderr":`)
	err2 := out.textWith(b.c.Stderr, said)
	out.raw(`}}`)
	return out.written, errors.Join(err1, err2, out.err)
}

// note returns the lines that the gateway adds to stderr.
func (b callbackBody) note() (string, error) {
	said := endNotes[b.c.Status]
	if b.c.withheld != nil {
		said = b.c.withheld.Message
	}
	if said != "" {
		said = "sidegate: " + said + "\n"
	}
	if n := b.c.Stderr.Len(); said != "" && n > 0 {
		last := make([]byte, 1)
		if _, err := b.c.Stderr.ReadAt(last, n-1); err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if last[0] != '\n' {
			said = "\n" + said
		}
	}
	return said, nil
}

// endNotes says in words how a command ended that did not end by itself.
var endNotes = map[executor.Status]string{
	executor.StatusInterrupted: "the gateway ended while the command ran; how far it came is not known, and it is not run again",
	executor.StatusTimedOut:    "the command was ended because its time was over",
	executor.StatusKilled:      "the command was ended before it was done",
}
