// Package verify decides which requests need a token, what a token may look like, and what
// an authentication service's answer means. It asks nobody itself.
package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
)

// maxToken is the longest token that is passed on, in bytes.
const maxToken = 8 << 10

// A Verifier is the plugin's configuration. It does not change.
type Verifier struct {
	URL      string   // of the authentication service
	Env      string   // the key of the environment that holds the token
	commands []string // base names
	paths    []string // absolute and clean
}

// A Request is what is looked at of a request.
type Request struct {
	Command *string           `json:"command"`
	Argv    []string          `json:"argv"`
	Workdir string            `json:"workdir"`
	Env     map[string]string `json:"env"`
}

// Parse reads the configuration, strictly:
//
//	{"url": "https://auth.example.com/verify", "env": "TOKEN", "commands": ["kubectl"], "paths": ["/srv/prod"]}
//
// Env is TOKEN if it is missing. Without commands and without paths, every request needs a
// token. For null there is no verifier, and no error.
func Parse(text []byte) (*Verifier, error) {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	c := struct {
		URL      string   `json:"url"`
		Env      string   `json:"env"`
		Commands []string `json:"commands"`
		Paths    []string `json:"paths"`
	}{Env: "TOKEN"}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the configuration is not what token-verifier takes: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the configuration")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("url: want http:// or https:// with a host, and neither user nor fragment")
	}
	if !isEnvKey(c.Env) {
		return nil, errors.New("env: want letters, digits and _, not beginning with a digit")
	}
	v := &Verifier{URL: c.URL, Env: c.Env, commands: c.Commands, paths: c.Paths}
	for i, name := range c.Commands {
		if !isPlain(name) || strings.Contains(name, "/") || isAssignment(name) {
			return nil, fmt.Errorf("commands[%d]: want the name of one command, without folder, arguments and quotes", i)
		}
	}
	for i, dir := range c.Paths {
		if !path.IsAbs(dir) || path.Clean(dir) != dir {
			return nil, fmt.Errorf("paths[%d]: want an absolute path without . and .. and / at its end", i)
		}
	}
	return v, nil
}

// Needs reports whether a request needs a token. A list is a weak guard of commands, since
// there are many ways to write one, so it is read in favour of asking: a request needs a
// token if any word of it has a listed command's name, or names something below a listed path
// as seen from its working directory, or if it has a word that is more than plain text,
// such as quotes, variables, several commands or a pattern. A script that runs a
// listed command is not seen through; which scripts may run is for policy to say.
func (v *Verifier) Needs(r *Request) bool {
	if len(v.commands) == 0 && len(v.paths) == 0 {
		return true
	}
	if len(v.paths) > 0 && (r.Workdir == "" || v.below(r.Workdir)) {
		return true // "" is a directory that is not known here
	}
	words := r.Argv
	if r.Command != nil {
		if strings.ContainsAny(*r.Command, "\n\r") {
			return true // several commands
		}
		words = strings.Fields(*r.Command)
	}
	return slices.ContainsFunc(words, func(word string) bool { return v.listed(word, r.Workdir) })
}

// listed reports whether a word leads to a listed command or path, or may.
func (v *Verifier) listed(word, workdir string) bool {
	if !isPlain(word) || slices.Contains(v.commands, path.Base(word)) {
		return true
	}
	if len(v.paths) == 0 {
		return false
	}
	// A path may stand behind an option, a host or another path: -C/srv, host:/srv, /bin:/srv.
	for i := 1; i < len(word); i++ {
		if word[i] == '/' && (word[0] == '-' || strings.IndexByte(":=,@", word[i-1]) >= 0) && v.below(word[i:]) {
			return true
		}
	}
	if path.IsAbs(word) {
		return v.below(word)
	}
	if _, value, ok := strings.Cut(word, "="); ok && v.below(path.Join(workdir, value)) {
		return true
	}
	return v.below(path.Join(workdir, word))
}

// below reports whether a directory is a listed one or below it. A directory above a listed one
// counts as well: what is done there may reach it.
func (v *Verifier) below(dir string) bool {
	dir = path.Clean(dir)
	return slices.ContainsFunc(v.paths, func(p string) bool { return within(dir, p) || within(p, dir) })
}

func within(dir, root string) bool {
	return root == "/" || dir == root || strings.HasPrefix(dir, root+"/")
}

// isPlain reports whether a shell takes a word as it stands.
func isPlain(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:=@%+,", r)
	})
}

func isAssignment(word string) bool { return strings.Contains(word, "=") }

func isEnvKey(key string) bool {
	return key != "" && (key[0] < '0' || key[0] > '9') && !strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

// IsToken reports whether a text can be sent as a bearer token: visible ASCII, not too long.
func IsToken(text string) bool {
	return text != "" && len(text) <= maxToken && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Judge says what an answer of the authentication service means: 0 if the token is good, else
// the code and the reason of the denial. Only a plain yes is a yes.
func Judge(status int) (code int, reason string) {
	switch status {
	case 200, 204:
		return 0, ""
	case 401, 403:
		return 403, "the token was refused"
	}
	return 503, fmt.Sprintf("the authentication service answered with status %d", status)
}
