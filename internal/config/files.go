package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

const credentialPrefix = "credential:"

var credentialName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// path is a file or directory that others open. It need not exist, unless its name
// shows that somebody expects a shell to have expanded it.
func path(dst *string) value {
	return scalar("a path", dst, func(d *decoder, n *yaml.Node) (string, error) {
		s, err := stringOf(n)
		if err != nil {
			return "", err
		}
		if s == "" {
			return "", errors.New("must not be empty")
		}
		resolved := d.resolve(s)
		if hint := literalHint(s); hint != "" {
			if _, err := os.Stat(resolved); errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("%s does not exist%s", quote(s), hint)
			}
		}
		return resolved, nil
	})
}

// resolve makes s absolute: relative names start at the file's directory.
func (d *decoder) resolve(s string) string {
	if filepath.IsAbs(s) {
		return filepath.Clean(s)
	}
	return filepath.Join(d.dir, s)
}

// literalHint explains a missing file whose name looks like a shell's.
func literalHint(s string) string {
	switch {
	case strings.Contains(s, "${"):
		return "; ${…} is taken literally, environment variables are not expanded"
	case strings.HasPrefix(s, "~"):
		return "; ~ is taken literally, home directories are not expanded"
	}
	return ""
}

// privacy says who but its owner and group may have access to a file.
type privacy fs.FileMode

const (
	publicFile  privacy = 0002 // others may read, not write
	privateFile privacy = 0007 // others may do nothing
)

// file is an existing file that others read, or empty for none.
func file(dst *string, forbidden privacy) value {
	return scalar("a path", dst, func(d *decoder, n *yaml.Node) (string, error) {
		s, err := stringOf(n)
		if err != nil || s == "" {
			return "", err
		}
		name, err := d.locate(s)
		if err != nil {
			return "", err
		}
		f, err := open(name, forbidden)
		if err != nil {
			return "", describe(err, s)
		}
		if forbidden == privateFile {
			d.private = append(d.private, name)
		}
		return name, f.Close()
	})
}

// appendedFile is a file that others append to, or empty for none. It need not exist,
// but what is there must be a file that not everybody can change.
func appendedFile(dst *string) value {
	return scalar("a path", dst, func(d *decoder, n *yaml.Node) (string, error) {
		s, err := stringOf(n)
		if err != nil || s == "" {
			return "", err
		}
		name := d.resolve(s)
		info, err := os.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && literalHint(s) == "" && !strings.HasSuffix(s, "/"):
			return name, nil
		case errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("%s does not exist%s", quote(s), literalHint(s))
		case err != nil:
			err = describe(err, s)
		case !info.Mode().IsRegular():
			err = describe(errNotRegular, s)
		case info.Mode()&fs.FileMode(publicFile) != 0:
			err = describe(errWritable, s)
		}
		return name, err
	})
}

// locate returns the absolute path that a file's value stands for: credential:NAME
// is a file of the directory that systemd names in CREDENTIALS_DIRECTORY
// (systemd.exec(5), LoadCredential=).
func (d *decoder) locate(s string) (string, error) {
	name, ok := strings.CutPrefix(s, credentialPrefix)
	if !ok {
		return d.resolve(s), nil
	}
	if !credentialName.MatchString(name) {
		return "", errors.New("a credential is written credential:NAME, with a NAME of letters, digits, . _ -")
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return "", errors.New("systemd passed no credentials: CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit")
	}
	return filepath.Join(dir, name), nil
}

var (
	errNotRegular = errors.New("is not a regular file")
	errOthers     = errors.New("others than its owner and group have access to it; run chmod o= on the file")
	errWritable   = errors.New("everybody may write to it; run chmod o-w on the file")
)

// open opens a regular file that gives others no forbidden access. It looks before
// it opens, because opening a device or a pipe can block or have effects, and again
// at what it opened.
func open(name string, forbidden privacy) (*os.File, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errNotRegular
	case info.Mode()&fs.FileMode(forbidden) == 0:
		return f, nil
	case forbidden == privateFile:
		err = errOthers
	default:
		err = errWritable
	}
	return nil, errors.Join(err, f.Close())
}

// describe turns an error about the file written as s into a message. It repeats
// only absolute names: a relative one may be a secret somebody put where its file's
// name belongs.
func describe(err error, s string) error {
	reason := plain(err) + literalHint(s)
	switch {
	case strings.HasPrefix(s, credentialPrefix):
		return fmt.Errorf("the credential cannot be used: %s", reason)
	case filepath.IsAbs(s):
		return fmt.Errorf("the file %s cannot be used: %s", quote(s), reason)
	}
	return fmt.Errorf("the file cannot be used: %s; a relative name starts at the configuration's directory", reason)
}
