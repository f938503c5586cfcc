package shell

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// Config configures an Analyzer.
type Config struct {
	// Path holds the directories in which bare command names are looked up, in
	// order. It is the gateway's own, never a request's. Each must be absolute.
	// An empty list resolves no bare name.
	Path []string
	// Shell is the absolute path of the bash that runs what needs a shell; ""
	// where there is none.
	Shell string
}

// Analyzer analyzes command strings. It is safe for concurrent use.
type Analyzer struct {
	path  []string
	shell string
}

// New validates c and returns an Analyzer that keeps no reference to it.
func New(c Config) (*Analyzer, error) {
	var errs []error
	for _, dir := range c.Path {
		if !filepath.IsAbs(dir) {
			errs = append(errs, fmt.Errorf("shell: PATH directory %q is not absolute", dir))
		}
	}
	if c.Shell != "" && !filepath.IsAbs(c.Shell) {
		errs = append(errs, fmt.Errorf("shell: the path of the shell, %q, is not absolute", c.Shell))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Analyzer{path: slices.Clone(c.Path), shell: c.Shell}, nil
}

// Shell identifies the file at Config.Shell as it is now. It returns nil where
// there is no executable regular file.
func (a *Analyzer) Shell() *Program {
	if a.shell == "" {
		return nil
	}
	return openProgram(a.shell)
}
