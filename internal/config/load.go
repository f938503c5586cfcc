package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A Check knows more about values than this package: it reports what is wrong with
// the value at a key, as in "must begin with http://". A nil error is no problem.
// It gets a configuration that may have problems already.
type Check func(c *Config, report func(key string, err error))

// Load reads the configuration file at path and everything it names that must be
// read to know that it is valid: secrets, and that TLS files exist. Its error is an
// [*Error] with every problem found, those of the checks among them.
func Load(path string, checks ...Check) (*Config, error) {
	began := time.Now()
	data, mode, err := readFile(path)
	if err != nil {
		return nil, &Error{File: path, Problems: []Problem{{Message: "cannot be read: " + plain(err)}}, cause: err}
	}
	if mode.IsRegular() && mode&0002 != 0 {
		return nil, &Error{File: path, Problems: []Problem{{Message: errWritable.Error()}}}
	}
	c, err := Parse(path, filepath.Dir(path), data, checks...)
	if err != nil {
		return nil, err
	}
	c.read = began
	c.reread = func() (*Config, error) { return Load(path, checks...) }
	return c, nil
}

// readFile reads one byte more than a configuration may have, so that Parse sees
// that it is too large.
func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	return data, info.Mode(), err
}

// Parse is [Load] for a file's content: name stands for it in messages, and
// relative paths in it start at dir.
func Parse(name, dir string, data []byte, checks ...Check) (*Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, &Error{File: name, Problems: []Problem{{Message: plain(err)}}, cause: err}
	}
	root, problem := parseYAML(data)
	if problem != nil {
		return nil, &Error{File: name, Problems: []Problem{*problem}}
	}
	c := Default()
	d := newDecoder(dir)
	d.structure("", root, 0)
	schema(&c).readNode(d, "", root)
	d.validate(&c)
	for _, check := range checks {
		check(&c, func(key string, err error) {
			if err != nil && !d.failed(key) {
				d.complain(key, "%s", err)
			}
		})
	}
	if len(d.problems) > 0 {
		sortProblems(d.problems)
		return nil, &Error{File: name, Problems: slices.Clip(d.problems)}
	}
	c.file, c.lines, c.private, c.public = name, d.lines, d.private, d.public
	c.digest = fmt.Sprintf("sha256:%x", sha256.Sum256(data))
	return &c, nil
}

// plain returns err's message without the path that the message already starts
// with.
func plain(err error) string {
	if pathError := (*fs.PathError)(nil); errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
