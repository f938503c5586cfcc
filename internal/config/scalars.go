package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"
)

// A check says what is wrong with a value that has the right type. Its message
// follows the key, as in "must be an absolute path".
type check func(string) error

// text is a string that passes every check.
func text(dst *string, checks ...check) value {
	return scalar("a string", dst, func(_ *decoder, n *yaml.Node) (string, error) {
		s, err := stringOf(n)
		for i := 0; err == nil && i < len(checks); i++ {
			err = checks[i](s)
		}
		return s, err
	})
}

// choice is a string out of a fixed set.
func choice(dst *string, allowed ...string) value {
	return text(dst, func(s string) error {
		if slices.Contains(allowed, s) {
			return nil
		}
		if len(allowed) == 1 {
			return fmt.Errorf("must be %s, not %s", allowed[0], quote(s))
		}
		return fmt.Errorf("must be one of %s, not %s", strings.Join(allowed, ", "), quote(s))
	})
}

// moment is a time of RFC 3339, or empty for none.
func moment(dst *time.Time) value {
	return scalar("a time", dst, func(_ *decoder, n *yaml.Node) (time.Time, error) {
		if n.Value == "" {
			return time.Time{}, nil
		}
		t, err := time.Parse(time.RFC3339, n.Value)
		if err != nil {
			return time.Time{}, errors.New("must be a time with its zone, such as 2030-01-31T00:00:00Z")
		}
		return t.UTC(), nil
	})
}

// boolean is true or false, written so: YAML's older words (yes, on) mean different
// things to different readers.
func boolean(dst *bool) value {
	return scalar("true or false", dst, func(_ *decoder, n *yaml.Node) (bool, error) {
		if n.Style == 0 && (n.Value == "true" || n.Value == "false") {
			return n.Value == "true", nil
		}
		return false, errors.New("must be true or false, written so, in lower case and without quotes")
	})
}

var (
	plainInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	plainNumber  = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	plainSize    = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)? ?(B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$`)
)

// integer is a decimal number from least to most. Octal, hexadecimal and
// underscores are refused: what 010 is depends on the reader.
func integer(dst *int, least, most int) value {
	return scalar("an integer", dst, func(_ *decoder, n *yaml.Node) (int, error) {
		if n.Style != 0 || !plainInteger.MatchString(n.Value) {
			return 0, fmt.Errorf("must be an integer in plain decimal digits, not %s", quote(n.Value))
		}
		i, err := strconv.Atoi(n.Value)
		if err != nil || i < least || i > most {
			return 0, fmt.Errorf("must be from %d to %d, not %s", least, most, quote(n.Value))
		}
		return i, nil
	})
}

// positive is a number above 0, up to most, with or without a fraction.
func positive(dst *float64, most float64) value {
	return scalar("a number", dst, func(_ *decoder, n *yaml.Node) (float64, error) {
		if n.Style != 0 || !plainNumber.MatchString(n.Value) {
			return 0, fmt.Errorf("must be a number such as 200 or 0.5, not %s", quote(n.Value))
		}
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsInf(f, 0) || f <= 0 || f > most {
			return 0, fmt.Errorf("must be more than 0 and at most %.0f, not %s", most, quote(n.Value))
		}
		return f, nil
	})
}

// size is a number of bytes from 1 to most.
func size(dst *int64, most int64) value { return sizeFrom(dst, 1, most) }

// sizeFrom is a number of bytes from least to most: a plain integer, or a number with
// a unit, of which KiB is 1024 bytes and kB is 1000.
func sizeFrom(dst *int64, least, most int64) value {
	return scalar("a size", dst, func(_ *decoder, n *yaml.Node) (int64, error) {
		if !plainInteger.MatchString(n.Value) && !plainSize.MatchString(n.Value) {
			return 0, fmt.Errorf("must be a size such as 64KiB or 1MiB, or a number of bytes, not %s", quote(n.Value))
		}
		b, err := humanize.ParseBytes(n.Value)
		if err != nil || b < uint64(least) || b > uint64(most) {
			return 0, fmt.Errorf("must be from %s to %s, not %s", shortSize(least), shortSize(most), quote(n.Value))
		}
		return int64(b), nil
	})
}

// shortSize formats as sizes are written in the file: 64KiB, not 64 KiB, and 1MiB, not 1.0 MiB.
func shortSize(b int64) string {
	return strings.NewReplacer(".0 ", "", " ", "").Replace(humanize.IBytes(uint64(b)))
}

// duration is a time in Go's notation, from least to most.
func duration(dst *time.Duration, least, most time.Duration) value {
	return scalar("a duration", dst, func(_ *decoder, n *yaml.Node) (time.Duration, error) {
		if plainNumber.MatchString(n.Value) {
			return 0, fmt.Errorf("%s has no unit; write %ss for seconds", quote(n.Value), n.Value)
		}
		t, err := time.ParseDuration(n.Value)
		if err != nil {
			return 0, fmt.Errorf("must be a duration such as 300ms, 60s or 1h30m, not %s", quote(n.Value))
		}
		if t < least || t > most {
			return 0, fmt.Errorf("must be from %s to %s, not %s", short(least), short(most), quote(n.Value))
		}
		return t, nil
	})
}

// short formats without the zero parts that time.Duration prints: 1h, not 1h0m0s.
func short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// scalar is a value of one YAML scalar, converted by parse and stored only when
// that succeeds.
func scalar[T any](kind string, dst *T, parse func(*decoder, *yaml.Node) (T, error)) value {
	return value{kind: kind, read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.ScalarNode {
			d.report(n.Line, key, "must be %s, not %s", kind, nodeKind(n))
			return
		}
		v, err := parse(d, n)
		if err != nil {
			d.report(n.Line, key, "%s", err)
			return
		}
		*dst = v
	}}
}

// stringOf returns a scalar that is a string for every reader of YAML. The value
// itself is not repeated in the error: it may be a secret in the wrong place.
func stringOf(n *yaml.Node) (string, error) {
	switch {
	case !isString(n):
		return "", errors.New("must be a string; put the value in quotes, so that nobody reads a number, a date or a boolean")
	case hasControl(n.Value):
		return "", errors.New("must not have line breaks or other control characters")
	}
	return n.Value, nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// stringMap is a mapping from any names to strings.
func stringMap(dst *map[string]string) value {
	return value{kind: "a mapping of strings", read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			d.report(n.Line, key, "must be a mapping, not %s", nodeKind(n))
			return
		}
		*dst = make(map[string]string, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, child := n.Content[i], n.Content[i+1]
			if d.objected[name] {
				continue
			}
			var s string
			text(&s).readNode(d, join(key, name.Value), child)
			(*dst)[name.Value] = s
		}
	}}
}

// anyMap is a mapping whose content belongs to somebody else.
func anyMap(dst *map[string]any) value {
	return value{kind: "a mapping", read: func(d *decoder, key string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			d.report(n.Line, key, "must be a mapping, not %s", nodeKind(n))
			return
		}
		content := map[string]any{}
		// A tree with objections may hold aliases: it is not decoded at all.
		if len(d.problems) == 0 {
			if err := n.Decode(&content); err != nil {
				d.report(n.Line, key, "cannot be read: %s", err)
			}
		}
		*dst = content
	}}
}
