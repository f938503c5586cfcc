package callback

import (
	"errors"
	"net/url"
	"strings"
)

var errSegments = errors.New(`has a path with "." or ".." segments`)

// parsePath checks an encoded path and returns it in one spelling (RFC 3986,
// 6.2.2): characters that need no encoding are decoded, and hexadecimal digits
// are upper case.
func parsePath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' {
		return "", errors.New("has a path that does not begin with a slash")
	}
	// A receiver may decode more than once, so every layer is looked at. Each
	// one is shorter, so this ends.
	for layer := path; ; {
		if hasDotSegment(layer) {
			return "", errSegments
		}
		inner, err := url.PathUnescape(layer)
		if err != nil || inner == layer {
			break // no further layer
		}
		if strings.Count(inner, "/") != strings.Count(layer, "/") {
			return "", errors.New("has a path with an encoded slash")
		}
		if strings.ContainsFunc(inner, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
			return "", errors.New("has a path with an encoded backslash or control character")
		}
		layer = inner
	}
	return normalize(path), nil
}

// hasDotSegment reports whether a segment is "." or "..", with or without
// parameters after a semicolon, which some servers cut off first.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return false
}

// normalize expects a path whose percent-encodings are valid.
func normalize(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		encoded := path[i : i+3]
		i += 2
		if decoded, err := url.PathUnescape(encoded); err == nil && unreserved(decoded[0]) {
			b.WriteString(decoded)
		} else {
			b.WriteString(strings.ToUpper(encoded))
		}
	}
	return b.String()
}

// unreserved reports whether a character means the same encoded or not (RFC
// 3986, 2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
