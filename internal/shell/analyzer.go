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
}

// Analyzer analyzes command strings. It is safe for concurrent use.
type Analyzer struct {
	path []string
}

// New validates c and returns an Analyzer that keeps no reference to it.
func New(c Config) (*Analyzer, error) {
	var errs []error
	for _, dir := range c.Path {
		if !filepath.IsAbs(dir) {
			errs = append(errs, fmt.Errorf("shell: PATH directory %q is not absolute", dir))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Analyzer{path: slices.Clone(c.Path)}, nil
}
