package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// What an answer may hold at most. Far beyond any sensible policy; they keep
// a mistake in one from filling the journal.
const (
	maxItems  = 4096
	maxString = 16 << 10 // bytes
)

type presence bool

const (
	required presence = true
	optional presence = false
)

// object reads the fields of one JSON object and remembers the first error. A
// key that no one asked for is an error when reading ends. The object that an
// absent optional field yields has no fields.
type object struct {
	fields map[string]any // nil when absent
	seen   []string
	path   string
	err    *error // shared with the objects around and inside it
}

func readObject(value any, path string, err *error) *object {
	o := &object{path: path, err: err}
	fields, ok := value.(map[string]any)
	if !ok || fields == nil {
		o.failSelf("must be an object")
		return o
	}
	o.fields = fields
	return o
}

func (o *object) absent() bool { return o.fields == nil }

// end refuses what nobody asked for.
func (o *object) end() {
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		if !slices.Contains(o.seen, key) {
			o.fail(strconv.Quote(key), "is unknown")
			return
		}
	}
}

func (o *object) fail(key, problem string) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s.%s %s", o.path, key, problem)
	}
}

func (o *object) failSelf(problem string) {
	if *o.err == nil {
		*o.err = errors.New(o.path + " " + problem)
	}
}

func (o *object) get(key string, must presence) (any, bool) {
	o.seen = append(o.seen, key)
	value, ok := o.fields[key]
	if !ok && must == required {
		o.fail(key, "is missing")
	}
	return value, ok
}

func (o *object) bool(key string, must presence) bool {
	value, ok := o.get(key, must)
	if !ok {
		return false
	}
	b, ok := value.(bool)
	if !ok {
		o.fail(key, "must be true or false")
	}
	return b
}

// string returns "" for an absent field; a field that is there must not be "".
func (o *object) string(key string) string {
	value, ok := o.get(key, optional)
	if !ok {
		return ""
	}
	s, ok := value.(string)
	if !ok || s == "" || len(s) > maxString {
		o.fail(key, "must be a non-empty string")
		return ""
	}
	return s
}

func (o *object) oneOf(key string, allowed ...string) string {
	s := o.string(key)
	if s != "" && !slices.Contains(allowed, s) {
		o.fail(key, "must be one of "+strings.Join(allowed, ", "))
	}
	return s
}

// name reads a user name; a colon or a space in one would be read as something
// else by programs further on.
func (o *object) name(key string) string {
	s := o.string(key)
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == ':' || r == '/' || r == 0x7f }) {
		o.fail(key, "must be a user name")
	}
	return s
}

func (o *object) strings(key string, must presence) []string {
	value, ok := o.get(key, must)
	if !ok {
		return nil
	}
	array, ok := value.([]any)
	if !ok || len(array) > maxItems {
		o.fail(key, "must be an array of strings")
		return nil
	}
	list := make([]string, 0, len(array))
	for _, element := range array {
		s, ok := element.(string)
		if !ok || len(s) > maxString {
			o.fail(key, "must be an array of strings")
			return nil
		}
		list = append(list, s)
	}
	return list
}

func (o *object) paths(key string) []string {
	list := o.strings(key, optional)
	for _, path := range list {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || !noNUL(path) {
			o.fail(key, "must hold absolute, cleaned paths")
		}
	}
	return list
}

// programs reads a list of paths and of bare names, which never hold a slash.
func (o *object) programs(key string) []string {
	list := o.strings(key, optional)
	for _, program := range list {
		isPath := filepath.IsAbs(program) && filepath.Clean(program) == program
		isName := program != "" && program != "." && program != ".." && !strings.Contains(program, "/")
		if !isPath && !isName || !noNUL(program) {
			o.fail(key, "must hold names of programs and absolute, cleaned paths")
		}
	}
	return list
}

func (o *object) stringMap(key string) map[string]string {
	value, ok := o.get(key, optional)
	if !ok {
		return nil
	}
	fields, ok := value.(map[string]any)
	if !ok || len(fields) > maxItems {
		o.fail(key, "must be an object of strings")
		return nil
	}
	out := make(map[string]string, len(fields))
	for name, field := range fields {
		s, ok := field.(string)
		if !ok || len(s) > maxString {
			o.fail(key, "must be an object of strings")
			return nil
		}
		out[name] = s
	}
	return out
}

func (o *object) object(key string, must presence) *object {
	value, ok := o.get(key, must)
	if !ok {
		return &object{path: o.path + "." + key, err: o.err}
	}
	return readObject(value, o.path+"."+key, o.err)
}

// count reads a positive whole number; 0 is an absent one.
func (o *object) count(key string) int64 {
	value, ok := o.get(key, optional)
	if !ok {
		return 0
	}
	literal, ok := value.(json.Number)
	n, err := strconv.ParseInt(string(literal), 10, 64)
	if !ok || err != nil || n <= 0 {
		o.fail(key, "must be a whole number above 0")
		return 0
	}
	return n
}

var durationPattern = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// duration reads a positive time as [time.ParseDuration] does, in ms, s, m and h.
func (o *object) duration(key string) time.Duration {
	s := o.string(key)
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || !durationPattern.MatchString(s) {
		o.fail(key, `must be a duration such as "30s" or "1h30m", above 0`)
		return 0
	}
	return d
}

var sizePattern = regexp.MustCompile(`^[0-9]{1,15}(B|KiB|MiB|GiB|TiB)$`)

// size reads a positive number of bytes in binary units.
func (o *object) size(key string) int64 {
	s := o.string(key)
	if s == "" {
		return 0
	}
	// The pattern keeps the number below 2^53, up to which ParseBytes, which
	// computes in floating point, is exact.
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 || !sizePattern.MatchString(s) {
		o.fail(key, `must be a size such as "64KiB" or "1GiB", above 0`)
		return 0
	}
	return int64(n)
}

var envKeyPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func validEnvKey(key string) bool { return envKeyPattern.MatchString(key) }

// noNUL reports whether s can be an argument of a system call.
func noNUL(s string) bool { return !strings.Contains(s, "\x00") }
