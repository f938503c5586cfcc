package gateway

import (
	"bytes"
	"errors"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidegate/sidegate/internal/callback"
)

// maxPath is Linux's PATH_MAX: no directory that could be opened has a longer name.
const maxPath = 4096

// envKey is POSIX's portable name of an environment variable. Anything else either cannot be exported by a shell or, as
// with "BASH_FUNC_x%%", means something to one.
var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// decodeOrder reads the body of POST /shell. It takes exactly what the wire contract names: an unknown field, a field
// given twice, null, a wrong type or anything after the object is a *FieldError.
func decodeOrder(body []byte) (Order, error) {
	d := decoder{dec: jsontext.NewDecoder(bytes.NewReader(body))}
	order := Order{Wait: true}
	seen := map[string]bool{}
	err := d.object("body", func(name string) (err error) {
		seen[name] = true
		switch name {
		case "command":
			order.Command, err = d.text(name)
		case "wait":
			order.Wait, err = d.bool(name)
		case "workdir":
			order.Workdir, err = d.workdir(name)
		case "envs":
			order.Env, err = d.envs(name)
		case "callbackURL":
			order.Callback, err = d.callback(name)
		default:
			return &FieldError{name, "is not a field of this request; the fields are command, wait, workdir, envs and callbackURL"}
		}
		return err
	})
	if err != nil {
		return Order{}, err
	}
	if !seen["command"] {
		return Order{}, &FieldError{"command", "is required"}
	}
	return order, d.end()
}

// decoder walks JSON token by token and names the field in every error. Duplicate names and invalid UTF-8 are refused
// by jsontext itself.
type decoder struct{ dec *jsontext.Decoder }

// object reads one object and calls field for each name, which must consume its value.
func (d decoder) object(field string, read func(name string) error) error {
	if err := d.open(field, '{', "an object"); err != nil {
		return err
	}
	for d.dec.PeekKind() != '}' {
		tok, err := d.dec.ReadToken()
		if err != nil {
			return malformed(field, err)
		}
		if err := read(printable(tok.String())); err != nil {
			return err
		}
	}
	_, err := d.dec.ReadToken()
	return malformed(field, err)
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

func (d decoder) workdir(field string) (string, error) {
	dir, err := d.text(field)
	switch {
	case err != nil:
		return "", err
	case dir == "":
		return "", nil // the connector's way to say "none"
	case strings.ContainsRune(dir, 0):
		return "", &FieldError{field, "must not contain a NUL character"}
	case !path.IsAbs(dir):
		return "", &FieldError{field, "must be an absolute path"}
	case len(dir) >= maxPath:
		return "", &FieldError{field, "is longer than a path can be"}
	}
	return dir, nil
}

// envs takes the connector's list of "KEY=VALUE", or an object.
func (d decoder) envs(field string) ([]Variable, error) {
	var env []Variable
	seen := map[string]bool{}
	add := func(field, key, value string) error {
		switch {
		case !envKey.MatchString(key):
			return &FieldError{field, "the name of a variable must be letters, digits and _, and not begin with a digit"}
		case strings.ContainsRune(value, 0):
			return &FieldError{field, "must not contain a NUL character"}
		case seen[key]:
			return &FieldError{field, key + " is given twice"}
		}
		seen[key] = true
		env = append(env, Variable{key, value})
		return nil
	}
	switch d.dec.PeekKind() {
	case '[':
		err := d.array(field, func(field string) error {
			entry, err := d.text(field)
			if err != nil {
				return err
			}
			key, value, ok := strings.Cut(entry, "=")
			if !ok {
				return &FieldError{field, `must be "KEY=VALUE"`}
			}
			return add(field, key, value)
		})
		return env, err
	case '{':
		err := d.object(field, func(key string) error {
			value, err := d.text(field + "." + key)
			if err != nil {
				return err
			}
			return add(field+"."+key, key, value)
		})
		return env, err
	}
	return nil, d.expect(field, `a list of "KEY=VALUE" or an object`, '[', '{')
}

func (d decoder) callback(field string) (*callback.Destination, error) {
	raw, err := d.text(field)
	if err != nil {
		return nil, err
	}
	dest, err := callback.ParseDestination(raw)
	if err != nil {
		return nil, &FieldError{field, err.Error()}
	}
	return &dest, nil
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
		return &FieldError{printable(twice), "is given twice"}
	}
	return &FieldError{field, "is not valid JSON at byte " + strconv.FormatInt(syntax.ByteOffset, 10)}
}

// printable bounds a field name that a caller made up, before it is sent back in an error.
func printable(name string) string {
	const most = 64
	if len(name) > most {
		name = name[:most]
		for !utf8.ValidString(name) {
			name = name[:len(name)-1]
		}
		name += "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, name)
}
