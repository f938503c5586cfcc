package sidecar

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxConfig bounds the configuration's file, in bytes.
const maxConfig = 64 << 10

// Config is what the Sidecar's configuration says.
type Config struct {
	Bind   []string // BIND: addresses, host:port; empty where the file has none
	Secret string   // SECRET_KEY: not to be shown; empty where the file has none
	Other  []string // names of settings that mean nothing here, in the order of the file
}

// A LineError says what is wrong with a line of the configuration. It does not repeat the value, which may be the secret.
type LineError struct {
	Line    int // from 1
	Message string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// ErrConfig is an error about the configuration as a whole.
var ErrConfig = errors.New("it is not a configuration of the Sidecar")

var setting = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)[ \t]*(=|:[ \t])[ \t]*(.*)$`)

// ParseConfig reads the configuration: lines NAME=VALUE as systemd reads them, or NAME: VALUE, of which BIND and SECRET_KEY are taken. A
// value that readers of such files could take in different ways is an error, a [*LineError], and not a guess.
func ParseConfig(data []byte) (Config, error) {
	switch {
	case len(data) > maxConfig:
		return Config{}, fmt.Errorf("%w: it is larger than 64 KiB", ErrConfig)
	case !utf8.Valid(data) || strings.ContainsRune(string(data), 0):
		return Config{}, fmt.Errorf("%w: it is not text", ErrConfig)
	}
	var c Config
	seen := map[string]bool{}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		parts := setting.FindStringSubmatch(line)
		if parts == nil {
			return Config{}, &LineError{i + 1, "it is none of the form NAME=VALUE"}
		}
		name := parts[1]
		if name != "BIND" && name != "SECRET_KEY" {
			c.Other = append(c.Other, name)
			continue
		}
		if seen[name] {
			return Config{}, &LineError{i + 1, name + " stands there for the second time; take one of them out"}
		}
		seen[name] = true
		value, err := unquote(parts[3])
		if err != nil {
			return Config{}, &LineError{i + 1, name + ": " + err.Error()}
		}
		if name == "SECRET_KEY" {
			c.Secret = value
		} else if c.Bind, err = SplitBind(value); err != nil {
			return Config{}, &LineError{i + 1, name + ": " + err.Error()}
		}
	}
	return c, nil
}

// SplitBind splits a list of addresses at its commas. Whether each is an address is for the configuration to say.
func SplitBind(list string) ([]string, error) {
	var addresses []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		switch {
		case item == "":
			return nil, errors.New("an address is missing: addresses are written 127.0.0.1:8099,172.17.0.1:8099")
		case strings.ContainsFunc(item, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
			return nil, errors.New("an address has a space in it: addresses are joined by commas")
		}
		addresses = append(addresses, item)
	}
	return addresses, nil
}

// CheckSecret says why text cannot be used as a secret that people type and files hold, or nil.
func CheckSecret(text string) error {
	const most = 4 << 10
	switch {
	case text == "":
		return errors.New("the secret is empty")
	case len(text) > most:
		return errors.New("the secret is longer than 4 KiB")
	case !utf8.ValidString(text):
		return errors.New("the secret is not UTF-8 text")
	case strings.TrimSpace(text) != text:
		return errors.New("the secret begins or ends with a space")
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("the secret has a line break or another control character")
	}
	return nil
}

// unquote takes the quotes off a value. Without quotes nothing has a meaning of its own, so what would have one elsewhere is refused.
func unquote(s string) (string, error) {
	if s == "" {
		return "", errors.New("it has no value")
	}
	quote := s[0]
	if quote != '"' && quote != '\'' {
		if strings.ContainsAny(s, "\"'\\` \t") {
			return "", errors.New("quotes, backslashes and spaces can be read in different ways; put the value in single quotes")
		}
		return s, nil
	}
	inner := s[1:]
	if !strings.HasSuffix(inner, string(quote)) {
		return "", errors.New("the quote that begins the value does not end it")
	}
	inner = inner[:len(inner)-1]
	if strings.ContainsRune(inner, rune(quote)) || quote == '"' && strings.ContainsAny(inner, "\\$`") {
		return "", errors.New("quotes, backslashes, $ and ` within quotes can be read in different ways; put the value in single quotes")
	}
	if inner == "" {
		return "", errors.New("it has no value")
	}
	return inner, nil
}
