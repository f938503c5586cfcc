package gateway

import (
	"errors"
	"os"
	"path/filepath"
)

// errWorkdir is the one answer for every directory that cannot be used, so that a caller whose policy shows it nothing
// cannot learn from the difference what exists on the host.
var errWorkdir = errors.New("is not a directory that commands can run in")

// realWorkdir returns the path free of symbolic links that a requested directory stands for; "" stays "". What is decided
// on is this path, and what runs opens it again without following links.
func realWorkdir(asked string) (string, error) {
	if asked == "" {
		return "", nil
	}
	dir, err := filepath.EvalSymlinks(asked)
	if err != nil {
		return "", errWorkdir
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", errWorkdir
	}
	return dir, nil
}
