package gateway

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/callback"
)

// maxPath is Linux's PATH_MAX: no directory that could be opened has a longer name.
const maxPath = 4096

// maxVariables bounds the variables of a request.
const maxVariables = 256

// envKey is POSIX's portable name of an environment variable. Anything else either cannot be exported by a shell or, as
// with "BASH_FUNC_x%%", means something to one.
var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

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
	switch d.dec.PeekKind() {
	case '[':
		return d.envList(field)
	case '{':
		return d.envObject(field)
	}
	return nil, d.expect(field, `a list of "KEY=VALUE" or an object`, '[', '{')
}

func (d decoder) envList(field string) ([]Variable, error) {
	var env environ
	err := d.array(field, func(field string) error {
		entry, err := d.text(field)
		if err != nil {
			return err
		}
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			return &FieldError{field, `must be "KEY=VALUE"`}
		}
		return env.add(field, key, value)
	})
	return env, err
}

func (d decoder) envObject(field string) ([]Variable, error) {
	var env environ
	err := d.object(field, func(key string) error {
		at := field + "." + printable(key, maxName)
		value, err := d.text(at)
		if err != nil {
			return err
		}
		return env.add(at, key, value)
	})
	return env, err
}

// environ collects variables, each key once.
type environ []Variable

func (e *environ) add(field, key, value string) error {
	switch {
	case !envKey.MatchString(key):
		return &FieldError{field, "the name of a variable must be letters, digits and _, and not begin with a digit"}
	case strings.ContainsRune(value, 0):
		return &FieldError{field, "must not contain a NUL character"}
	case slices.ContainsFunc(*e, func(v Variable) bool { return v.Key == key }):
		return &FieldError{field, key + " is given twice"}
	case len(*e) == maxVariables:
		return &FieldError{field, "there are too many variables"}
	}
	*e = append(*e, Variable{key, value})
	return nil
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

// argv reads an argument vector. An empty one is nothing to run.
func (d decoder) argv(field string) ([]string, error) {
	argv := []string{}
	err := d.array(field, func(field string) error {
		arg, err := d.text(field)
		argv = append(argv, arg)
		return err
	})
	if err == nil && len(argv) == 0 {
		return nil, &FieldError{field, "must hold at least the program's name"}
	}
	return argv, err
}

// textPointer reads a string that may also not be there.
func (d decoder) textPointer(field string) (*string, error) {
	text, err := d.text(field)
	return &text, err
}

// duration reads a time with its unit, such as "30s".
func (d decoder) duration(field string) (time.Duration, error) {
	text, err := d.text(field)
	if err != nil {
		return 0, err
	}
	t, err := time.ParseDuration(text)
	if err != nil || t <= 0 {
		return 0, &FieldError{field, `must be a time above zero with its unit, such as "30s"`}
	}
	return t, nil
}

// maxLabels bounds the labels of a request, maxLabel each key and value in bytes.
const (
	maxLabels = 32
	maxLabel  = 256
)

func (d decoder) labels(field string) (map[string]string, error) {
	labels := map[string]string{}
	err := d.object(field, func(key string) error {
		at := field + "." + printable(key, maxName)
		value, err := d.text(at)
		switch {
		case err != nil:
			return err
		case key == "" || len(key) > maxLabel || len(value) > maxLabel:
			return &FieldError{at, "must be a short name with a short value"}
		case len(labels) == maxLabels:
			return &FieldError{field, "holds too many labels"}
		}
		labels[key] = value
		return nil
	})
	return labels, err
}
