package gateway

import (
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidegate/sidegate/executor"
)

// jsonPiece is how many bytes of a string are turned into JSON at a time.
const jsonPiece = 32 << 10

// jsonWriter writes JSON in pieces. After an error it writes nothing more; err says what went wrong.
type jsonWriter struct {
	w   io.Writer
	buf []byte
	err error
}

// raw writes what is JSON already.
func (j *jsonWriter) raw(text string) {
	if j.err == nil {
		_, j.err = io.WriteString(j.w, text)
	}
}

// text writes an output as a string. Bytes that are not UTF-8 become U+FFFD. The error is one of reading the output.
func (j *jsonWriter) text(o *executor.Output) error {
	j.raw(`"`)
	read := make([]byte, min(o.Len(), jsonPiece+utf8.UTFMax))
	for at := int64(0); at < o.Len() && j.err == nil; {
		n, err := o.ReadAt(read[:min(int64(len(read)), o.Len()-at)], at)
		if err != nil {
			return err
		}
		n = wholeRunes(read[:n], jsonPiece)
		at += int64(n)
		// The error says that the piece is not UTF-8; what does not fit is replaced all the same.
		j.buf, _ = jsontext.AppendQuote(j.buf[:0], read[:n])
		_, j.err = j.w.Write(j.buf[1 : len(j.buf)-1])
	}
	j.raw(`"`)
	return nil
}

// wholeRunes returns how many bytes, about most, can be taken from text without cutting a character in two.
func wholeRunes(text []byte, most int) int {
	if len(text) <= most {
		return len(text)
	}
	for n := most; n > most-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return most // not text
}
