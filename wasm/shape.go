package wasm

import (
	"errors"
	"fmt"
)

// Bounds of what plugins may write where nobody behind them would set any.
const (
	maxAnnotations     = 64
	maxAnnotationName  = 256      // bytes
	maxAnnotationBytes = 16 << 10 // names and values together
	maxHeaders         = 64
	maxHeaderName      = 256      // bytes
	maxHeaderBytes     = 16 << 10 // names and values together
)

// checkShape says what is wrong with the new value of a member that may change. For requests that is
// no more than its JSON type: the gateway reads them as it reads a caller's.
func checkShape(phase Phase, name string, was, is []byte) error {
	kind := is[0]
	switch {
	case phase == PhaseResponse:
		return checkAnnotations(is)
	case name == "body":
		return nil
	case name == "headers":
		return checkHeaders(was, is)
	case kind == 'n' && (name == "command" || name == "argv" || name == "callback"):
		return nil
	case name == "argv":
		return checkStrings(is)
	case name == "env" || name == "labels":
		return eachString(is, name, nil)
	case kind != '"':
		return fmt.Errorf("made %s something else than a string", name)
	}
	return nil
}

// checkStrings looks at a list; what it holds is valid.
func checkStrings(list []byte) error {
	err := errors.New("made argv something else than a list of strings")
	if list[0] != '[' {
		return err
	}
	for at := next(list, 1); list[at] != ']'; {
		if list[at] != '"' {
			return err
		}
		if at = next(list, closing(list, at)+1); list[at] == ',' {
			at = next(list, at+1)
		}
	}
	return nil
}

func checkAnnotations(is []byte) error {
	count, size := 0, 0
	return eachString(is, "annotations", func(name, value string) error {
		count++
		size += len(name) + len(value)
		switch {
		case name == "" || len(name) > maxAnnotationName:
			return fmt.Errorf("wrote an annotation whose name is empty or longer than %d bytes", maxAnnotationName)
		case count > maxAnnotations:
			return fmt.Errorf("wrote more than %d annotations", maxAnnotations)
		case size > maxAnnotationBytes:
			return fmt.Errorf("wrote annotations of more than %d bytes", maxAnnotationBytes)
		}
		return nil
	})
}

// eachString calls visit for every member of a valid value that should be an object of strings; what
// names it in errors.
func eachString(object []byte, what string, visit func(name, value string) error) (err error) {
	wrong := func() error { return fmt.Errorf("made %s something else than an object of strings", what) }
	if object[0] != '{' {
		return wrong()
	}
	eachMember(object, func(name, value []byte) bool {
		switch {
		case value[0] != '"':
			err = wrong()
		case visit != nil:
			err = visit(unquote(name), unquote(value))
		}
		return err == nil
	})
	return err
}
