package gateway

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// decoder walks JSON token by token and names the field in every error. Duplicate names and invalid UTF-8 are refused
// by jsontext itself.
type decoder struct{ dec *jsontext.Decoder }

func newDecoder(body []byte) decoder { return decoder{jsontext.NewDecoder(bytes.NewReader(body))} }

// object reads one object and calls read for each name, which must consume its value. The name is as it was given: before
// it is sent back, it has to go through printable.
func (d decoder) object(field string, read func(name string) error) error {
	if err := d.open(field, '{', "an object"); err != nil {
		return err
	}
	for d.dec.PeekKind() != '}' {
		tok, err := d.dec.ReadToken()
		if err != nil {
			return malformed(field, err)
		}
		if err := read(tok.String()); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return malformed(field, err)
}

// fields reads one object that has no fields but the members; prefix stands before their names in errors. It returns the
// names that were there.
func (d decoder) fields(field, prefix string, members []member) (seen map[string]bool, err error) {
	seen = map[string]bool{}
	err = d.object(field, func(name string) error {
		seen[name] = true
		for _, m := range members {
			if m.name == name {
				return m.read(prefix + name)
			}
		}
		known := make([]string, len(members))
		for i, m := range members {
			known[i] = m.name
		}
		return &FieldError{prefix + printable(name, maxName), "is not a field of this object, which may have: " + strings.Join(known, ", ")}
	})
	return seen, err
}

// array reads one array and calls element for each index, which must consume its value.
func (d decoder) array(field string, read func(field string) error) error {
	if err := d.open(field, '[', "a list"); err != nil {
		return err
	}
	for i := 0; d.dec.PeekKind() != ']'; i++ {
		if err := read(field + "[" + strconv.Itoa(i) + "]"); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return malformed(field, err)
}

func (d decoder) open(field string, kind jsontext.Kind, want string) error {
	if err := d.expect(field, want, kind); err != nil {
		return err
	}
	_, err := d.dec.ReadToken()
	return malformed(field, err)
}

// expect checks the kind of the next value without consuming it.
func (d decoder) expect(field, want string, kinds ...jsontext.Kind) error {
	got := d.dec.PeekKind()
	for _, k := range kinds {
		if got == k {
			return nil
		}
	}
	name, ok := kindNames[got]
	if !ok { // not a value at all: let the decoder say what is wrong with it
		_, err := d.dec.ReadToken()
		return malformed(field, err)
	}
	return &FieldError{field, "must be " + want + ", not " + name}
}

var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "a boolean", 'f': "a boolean", '"': "a string", '0': "a number", '{': "an object", '[': "a list",
}

func (d decoder) text(field string) (string, error) {
	if err := d.expect(field, "a string", '"'); err != nil {
		return "", err
	}
	tok, err := d.dec.ReadToken()
	if err != nil {
		return "", malformed(field, err)
	}
	return tok.String(), nil
}

func (d decoder) bool(field string) (bool, error) {
	if err := d.expect(field, "true or false", 't', 'f'); err != nil {
		return false, err
	}
	tok, err := d.dec.ReadToken()
	if err != nil {
		return false, malformed(field, err)
	}
	return tok.Bool(), nil
}

// end checks that nothing but white space is left.
func (d decoder) end() error {
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &FieldError{"body", "must be one JSON object with nothing behind it"}
	}
	return nil
}

// malformed turns the decoder's error into one that names the field and says no more than where the text breaks off:
// the decoder's own text may quote the body.
func malformed(field string, err error) error {
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &FieldError{field, "is not valid JSON: it ends too early"}
	case !errors.As(err, &syntax):
		return &FieldError{field, "cannot be read"}
	case errors.Is(err, jsontext.ErrDuplicateName):
		twice := strings.ReplaceAll(strings.TrimPrefix(string(syntax.JSONPointer), "/"), "/", ".")
		return &FieldError{printable(twice, maxName), "is given twice"}
	}
	return &FieldError{field, "is not valid JSON at byte " + strconv.FormatInt(syntax.ByteOffset, 10)}
}

// maxName bounds a name that a caller made up, in bytes, where it is sent back.
const maxName = 64

// printable bounds text that somebody else made up, before it is sent back, and takes out what could play tricks on a
// terminal.
func printable(text string, most int) string {
	if len(text) > most {
		text = text[:most]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
