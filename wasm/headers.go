package wasm

import (
	"fmt"
	"slices"
	"strings"
)

// protected are headers that frame the request, say where it goes or belong to one connection (RFC 9110,
// 7.6.1). With those that begin with protectedPrefix they stay as the gateway has set them.
var protected = []string{
	"host", "content-length", "transfer-encoding", "connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "upgrade",
}

const protectedPrefix = "x-sidegate-"

func isProtected(lower string) bool {
	return slices.Contains(protected, lower) || strings.HasPrefix(lower, protectedPrefix)
}

// checkHeaders says what is wrong with the headers that a plugin wrote for a callback.
func checkHeaders(was, is []byte) error {
	before, err := readHeaders(was)
	if err != nil {
		return fmt.Errorf("%w: of its headers: %w", errMessage, err)
	}
	after, err := readHeaders(is)
	if err != nil {
		return err
	}
	for name, value := range after {
		if old, ok := before[name]; isProtected(name) && (!ok || old != value) {
			return fmt.Errorf("set the header %s, which is the gateway's", quote(name))
		}
	}
	for name := range before {
		if _, ok := after[name]; isProtected(name) && !ok {
			return fmt.Errorf("removed the header %s, which is the gateway's", quote(name))
		}
	}
	return nil
}

// readHeaders returns headers by their names in lower case.
func readHeaders(object []byte) (map[string]string, error) {
	headers, size := make(map[string]string), 0
	err := eachString(object, "headers", func(name, value string) error {
		lower := strings.ToLower(name)
		size += len(name) + len(value)
		switch _, twice := headers[lower]; {
		case twice:
			return fmt.Errorf("wrote the header %s twice", quote(lower))
		case !isToken(name) || len(name) > maxHeaderName:
			return fmt.Errorf("wrote a header whose name is not one: %s", quote(name))
		case !isFieldValue(value):
			return fmt.Errorf("wrote the header %s with a value that is not one", quote(lower))
		case len(headers) == maxHeaders:
			return fmt.Errorf("wrote more than %d headers", maxHeaders)
		case size > maxHeaderBytes:
			return fmt.Errorf("wrote headers of more than %d bytes", maxHeaderBytes)
		}
		headers[lower] = value
		return nil
	})
	return headers, err
}

// isToken reports whether a name is a token of RFC 9110, 5.6.2.
func isToken(name string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(marks, r)
	})
}

// isFieldValue reports whether a value is one of RFC 9110, 5.5: visible, with spaces and tabs inside of
// it only.
func isFieldValue(value string) bool {
	if strings.Trim(value, " \t") != value {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
