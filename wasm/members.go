package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidegate/sidegate/wasm/field"
)

// A member is one of an object, as it stands there.
type member struct {
	name  string // its escapes resolved
	value []byte // JSON text, a part of the object's
}

// parseMembers appends the members of a message, which must be one JSON object that every reader reads
// alike: see package field. Errors repeat nothing of the text.
func parseMembers(members []member, text []byte) ([]member, error) {
	object, err := field.Get(text, "")
	if err != nil {
		return nil, explain(text)
	}
	if object[0] != '{' {
		return nil, form("is not a JSON object")
	}
	eachMember(object, func(name, value []byte) bool {
		members = append(members, member{unquote(name), value})
		return true
	})
	return members, nil
}

// eachMember calls visit with the name, still quoted, and the value of each member of an object that
// package field has found to be one, until visit returns false.
func eachMember(object []byte, visit func(name, value []byte) bool) {
	for at := next(object, 1); object[at] != '}'; {
		name := object[at:end(object, at)]
		at = next(object, at+len(name)) + 1 // behind the colon
		at = next(object, at)
		value := object[at:end(object, at):end(object, at)]
		if !visit(name, value) {
			return
		}
		if at = next(object, at+len(value)); object[at] == ',' {
			at = next(object, at+1)
		}
	}
}

// next returns where something other than space stands, from at on.
func next(text []byte, at int) int {
	for text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r' {
		at++
	}
	return at
}

// end returns where the value ends that begins at at.
func end(text []byte, at int) int {
	depth := 0
	for ; at < len(text); at++ {
		switch text[at] {
		case '"':
			at = closing(text, at)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 { // behind a number or a literal
				return at
			}
			depth--
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return at
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return at + 1
		}
	}
	return at
}

// closing returns where the quote is that ends the string which begins at at.
func closing(text []byte, at int) int {
	for at++; text[at] != '"'; at++ {
		if text[at] == '\\' {
			at++
		}
	}
	return at
}

// usual are the members of messages, which need not be allocated each time.
var usual = func() map[string]string {
	names := make(map[string]string)
	for _, name := range []string{
		"command", "argv", "workdir", "env", "labels", "callback",
		"status", "exit_code", "signal", "truncated", "annotations",
		"url", "attempt", "headers", "body",
	} {
		names[`"`+name+`"`] = name
	}
	return names
}()

// unquote returns what a valid string of JSON says.
func unquote(text []byte) string {
	if name, ok := usual[string(text)]; ok {
		return name
	}
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text[1 : len(text)-1])
	}
	said, err := jsontext.AppendUnquote(nil, text)
	if err != nil {
		return string(text) // cannot be: it is valid; and what is not a name is refused as one
	}
	return string(said)
}

// errForm is what errors about a text that is no message at all are.
var errForm = errors.New("bad form")

// A formError is such an error, with nothing but its text to show.
type formError string

func (e formError) Error() string        { return string(e) }
func (e formError) Is(target error) bool { return target == errForm }

func form(format string, args ...any) error { return formError(fmt.Sprintf(format, args...)) }

// explain says what is wrong with a text that package field refuses, without repeating it.
func explain(text []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	err := dec.SkipValue()
	var at *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return form("is not JSON: it ends too early")
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &at):
		return form("has a name twice in one object, at byte %d", at.ByteOffset)
	case errors.As(err, &at):
		return form("is not JSON in UTF-8, at byte %d", at.ByteOffset)
	case err != nil:
		return form("is not JSON")
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return form("has something behind the JSON value")
	}
	return form("is nested deeper than %d levels", field.MaxDepth)
}

// equal reports whether two valid values mean the same: space, escapes and the order of members do not
// count, the digits of numbers do.
func equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := jsontext.AppendFormat(nil, a, jsontext.ReorderRawObjects(true))
	y, errY := jsontext.AppendFormat(nil, b, jsontext.ReorderRawObjects(true))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// find returns the member with a name, or nil.
func find(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

// compose writes an object of these members, in their order; size is about how long it will be.
func compose(members []member, size int) ([]byte, error) {
	dst := append(make([]byte, 0, size), '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = jsontext.AppendQuote(dst, m.name); err != nil {
			return nil, err
		}
		dst = append(dst, ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), nil
}
