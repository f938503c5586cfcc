package field

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how many arrays and objects may be open at once.
const MaxDepth = 256

// What is wrong is looked at in this order: the path, then the document and
// the value, then whether the one leads anywhere in the other.
var (
	// ErrPath says that the path is no JSON pointer in UTF-8, or that it asks
	// to remove the whole document.
	ErrPath = errors.New("field: not a JSON pointer")
	// ErrJSON says that the document, or the value, is not one JSON value; see
	// the package's comment for what is asked of it.
	ErrJSON = errors.New("field: not one JSON value")
	// ErrNotFound says that the document has no such field, and, when one is to
	// be added, that nothing is there to add it to.
	ErrNotFound = errors.New("field: no such field")
)

// Get returns the JSON text of the field of doc that path names, without the
// space around it. It is a part of doc and is valid as long as doc is left
// alone. Get does not allocate, unless the objects on the way hold more than a
// hundred members.
func Get(doc []byte, path string) ([]byte, error) {
	at, err := find(doc, path)
	if err != nil {
		return nil, err
	}
	if !at.found {
		return nil, ErrNotFound
	}
	return doc[at.start:at.end:at.end], nil
}

// Set returns a copy of doc with value in place of the field that path names.
// See [AppendSet].
func Set(doc []byte, path string, value []byte) ([]byte, error) {
	return AppendSet(nil, doc, path, value)
}

// AppendSet appends to dst a copy of doc with value in place of the field that
// path names, and returns the longer slice; on an error it returns dst as it
// was. dst must not overlap doc or value.
//
// The value is one JSON value; space around it is dropped. An empty value
// removes the field, which must be there. A member that is missing is added at
// the end of its object, which must be there, and "-" as the last token adds
// to the end of an array. Nothing else creates anything.
func AppendSet(dst, doc []byte, path string, value []byte) ([]byte, error) {
	at, err := find(doc, path)
	if err != nil {
		return dst, err
	}
	if len(value) == 0 {
		return appendRemoved(dst, doc, path, at)
	}
	whole, err := find(value, "")
	if err != nil {
		return dst, err
	}
	if at.depth+whole.deepest > MaxDepth {
		return dst, ErrJSON
	}
	value = value[whole.start:whole.end]
	switch {
	case at.found:
		return splice(dst, doc, at.start, at.end, value), nil
	case at.insert == 0:
		return dst, ErrNotFound
	}
	dst = append(dst, doc[:at.insert]...)
	if !at.empty {
		dst = append(dst, ',')
	}
	if at.object {
		name := unescape(path[strings.LastIndexByte(path, '/')+1:])
		if dst, err = jsontext.AppendQuote(dst, name); err != nil {
			return dst, ErrPath // find has seen that it is UTF-8
		}
		dst = append(dst, ':')
	}
	dst = append(dst, value...)
	return append(dst, doc[at.insert:]...), nil
}

// appendRemoved leaves out the field with one of the commas beside it.
func appendRemoved(dst, doc []byte, path string, at place) ([]byte, error) {
	switch {
	case path == "":
		return dst, ErrPath
	case !at.found:
		return dst, ErrNotFound
	case at.before > 0:
		return splice(dst, doc, at.before, at.end, nil), nil
	case at.after > 0:
		return splice(dst, doc, at.member, at.after+1, nil), nil
	}
	return splice(dst, doc, at.member, at.end, nil), nil
}

func splice(dst, doc []byte, from, to int, middle []byte) []byte {
	dst = append(dst, doc[:from]...)
	dst = append(dst, middle...)
	return append(dst, doc[to:]...)
}
